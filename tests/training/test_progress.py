"""Progress lines on a terminal and elsewhere."""

import io

from jaxsurr.training.progress import describe, progress

EVENT = {"loss_name": "smoothed", "seed": 3, "epochs": 25, "validation": 0.125}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_a_terminal_there_are_plain_lines_now_and_then():
    stream = io.StringIO()
    report, done = progress(25, stream, every=10)
    for epoch in range(1, 26):
        report({**EVENT, "epoch": epoch})
    done()
    assert stream.getvalue().splitlines() == [
        f"smoothed seed 3 epoch {epoch}/25: validation 0.1250" for epoch in (10, 20, 25)
    ]


def test_on_a_terminal_there_is_a_bar():
    stream = Terminal()
    report, done = progress(25, stream)
    for epoch in range(1, 26):
        report({**EVENT, "epoch": epoch, "gradient_correlation": 0.5, "ceiling": 0.75})
    done()
    last = stream.getvalue().split("\r")[-1]
    assert "25/25" in last
    assert "smoothed seed 3" in last
    assert "gradient correlation 0.50 (the noise allows about 0.75)" in stream.getvalue()


def test_several_metrics_and_what_is_not_known():
    assert describe({"validation": [0.5, 0.25]}) == "validation 0.5000 0.2500"
    assert describe({"validation": 0.5, "gradient_correlation": None, "ceiling": None}) == "validation 0.5000"
    event = {"validation": 0.5, "gradient_correlation": 0.25, "ceiling": None}
    assert describe(event) == "validation 0.5000, gradient correlation 0.25"
