"""Empty figures, line styles that differ in greyscale, and PNG files.

Figures are objects of matplotlib without its global state: no windows are opened, and figures need not be closed.
"""

import io
import os
import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jaxsurr.core import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["blank", "fitted", "legend", "light_colours", "line_styles", "save"]

_DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (2, 3)), (0, (10, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")


def _matplotlib() -> Any:
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError as error:
        raise ImportError("figures are drawn with matplotlib: pip install jaxsurr[train]") from error
    return matplotlib


def blank(columns: int = 1, *, width: float = 4.0, height: float = 3.6, **options: Any) -> tuple["Figure", list]:
    """An empty figure with axes side by side.

    Args:
      columns: number of axes.
      width, height: of one of them, in inches.
      **options: of `Figure.subplots`, such as `sharey=True`.

    Returns:
      The figure and the list of its axes.

    Raises:
      ImportError: matplotlib is not installed.
    """
    figure = _matplotlib().figure.Figure(figsize=(columns * width, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False, **options)[0])


def line_styles(count: int) -> list[dict[str, Any]]:
    """`count` sets of `plot` arguments that differ in dashes, in marker and, from dark to light, in colour."""
    colours = _matplotlib().colormaps["cividis"]
    return [
        {
            "color": colours(0.8 * i / max(count - 1, 1)),
            "linestyle": _DASHES[i % len(_DASHES)],
            "marker": _MARKERS[i % len(_MARKERS)],
            "markeredgecolor": "white",
            "linewidth": 1.8,
        }
        for i in range(count)
    ]


def light_colours() -> Any:
    """A colour map whose lightness grows with the value, light enough for black arrows."""
    matplotlib = _matplotlib()
    part = [0.45 + 0.55 * i / 255 for i in range(256)]
    return matplotlib.colors.ListedColormap(matplotlib.colormaps["cividis"](part))


def legend(figure: "Figure", axes: Any, *, columns: int = 0, **options: Any) -> None:
    """A legend outside of the axes that is as wide as there is room; the figure grows in height for it.

    Args:
      figure: on which it is placed.
      axes: whose lines it names.
      columns: below the axes, at most so many; 0: one column on the right, of at most two fifths of the figure.
      **options: of `Figure.legend`.
    """
    handles, labels = axes.get_legend_handles_labels()
    room = figure.bbox.width * (0.98 if columns else 0.4)
    side = "outside lower center" if columns else "outside right upper"
    number, given = min(max(columns, 1), len(labels)), figure.get_figheight()
    while True:
        made = figure.legend(handles, labels, **{"loc": side, "ncols": number, "handlelength": 3.5, **options})
        _break(made.get_title(), 0.9 * room)
        over = made.get_window_extent().width - room
        if over <= 0 or number <= 1:
            break
        made.remove()
        number -= 1
    if over > 0:
        texts = made.get_texts()
        longest = max(_length(text) for text in texts)
        for text in texts:
            _break(text, longest - over)
    height = made.get_window_extent().height / figure.dpi
    figure.set_figheight(given + max(height - 0.2 * given, 0) if columns else max(given, height + 0.1))


def fitted(figure: "Figure") -> "Figure":
    """The figure with titles, labels and names of ticks that are longer than their place broken into lines.

    Lines end between words, or within a long name after a sign. A figure grows in height by what that takes from its
    axes. Every function of `jaxsurr.report` returns its figure through this one, so that no name of a metric or of a
    loss is cut off.
    """
    for axes in figure.axes:
        if type(axes.yaxis.get_major_formatter()).__name__ == "FuncFormatter":  # set_yticks with names
            names = [_break(label, 0.4 * figure.bbox.width) for label in axes.get_yticklabels()]
            axes.set_yticks(axes.get_yticks(), names)
            lines = max(name.count("\n") for name in names)
            figure.set_figheight(figure.get_figheight() + 0.17 * lines * len(names))
    figure.draw_without_rendering()
    heights = [axes.bbox.height for axes in figure.axes]
    long: dict[Text, str] = {}  # texts as they were
    for _ in range(5):  # axes are smaller where their texts have more lines
        rooms: list[tuple[Text, float]] = [(text, 0.98 * figure.bbox.width) for text in figure.texts]
        for axes in figure.axes:
            rooms += [(axes.title, axes.bbox.width), (axes.xaxis.label, axes.bbox.width)]
            rooms += [(axes.yaxis.label, axes.bbox.height)]
        shown = [text.get_text() for text, _ in rooms]
        for text, room in rooms:
            text.set_text(long.setdefault(text, text.get_text()))
            _break(text, room)
        if shown == [text.get_text() for text, _ in rooms]:
            break
        figure.draw_without_rendering()
        lost = max(height - axes.bbox.height for height, axes in zip(heights, figure.axes, strict=True))
        if lost > 1:
            figure.set_figheight((figure.bbox.height + lost) / figure.dpi)
            figure.draw_without_rendering()
    return figure


def _length(text: "Text") -> float:
    """How long a text is along its lines, in pixels."""
    extent = text.get_window_extent()
    return extent.height if text.get_rotation() % 180 == 90 else extent.width


def _break(text: "Text", room: float) -> str:
    """Breaks the lines of a text that are longer than `room` pixels; gives what it reads now."""
    whole = text.get_text()

    def fits(part: str) -> bool:
        text.set_text(part.rstrip())
        return _length(text) <= room

    lines = [broken for line in whole.split("\n") for broken in _lines(line, fits)]
    text.set_text("\n".join(lines))
    return text.get_text()


def _lines(line: str, fits: Any) -> Sequence[str]:
    """A line in parts that fit: of whole words, or of parts of a word, or of letters, as long as they can be.

    >>> _lines("error of late_flights?threshold=0.25", lambda part: len(part.rstrip()) <= 12)
    ['error of', 'late_flights', '?threshold=0', '.25']
    """
    if fits(line):
        return [line]
    pieces: list[str] = []
    for word in re.findall(r"\s*\S+\s*", line):
        parts = [word] if fits(word) else re.findall(r"\W?[^\W_]*_?", word)
        pieces += [piece for part in parts for piece in ([part] if fits(part) else part) if piece]
    lines = [pieces[0]]
    for piece in pieces[1:]:
        if fits(lines[-1] + piece):
            lines[-1] += piece
        else:
            lines.append(piece)
    return [part.strip() for part in lines]


def save(figure: "Figure", path: str | os.PathLike) -> pathlib.Path:
    """Writes a figure as a PNG at 150 dots per inch, atomically, and creates its folders.

    Args:
      figure: of a function of `jaxsurr.report`.
      path: of the file; it must end in ".png".

    Returns:
      The path.

    Raises:
      ValueError: the path has another ending.
      OSError: it cannot be written.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"figures are written as PNG: path must end in '.png', got {str(path)!r}.")
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=150, format="png")
    with files.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        files.replace(path, drawn.getvalue())
    return path
