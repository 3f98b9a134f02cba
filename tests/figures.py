"""What figures must show whole."""

import itertools
import re

from matplotlib.text import Text

__all__ = ["LONG", "overflowing"]

LONG = "mean_absolute_percentage_error_of_" + "the_flights_" * 8 + "(threshold=0.25, costs=5 1 / 0 2)"


def overflowing(figure):
    """The texts of a figure that are not whole within it, or that run into those of other axes."""
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and re.search("[a-z]{2}", text.get_text())]
    texts = [text for text in texts if "$" not in text.get_text()]  # ticks, also those beyond the end of an axis
    out = [text.get_text() for text in texts if not _within(figure.bbox, text.get_window_extent())]
    heads = [[axes.title, axes.xaxis.label] for axes in figure.axes]
    for place, some in enumerate(zip(*heads, strict=True)):
        boxes = [text.get_window_extent() for text in some if text.get_text()]
        if any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2)):
            out.append(f"{('titles', 'labels')[place]} overlap")
    return out


def _within(whole, part):
    return whole.x0 - 1 <= part.x0 and part.x1 <= whole.x1 + 1 and whole.y0 - 1 <= part.y0 and part.y1 <= whole.y1 + 1
