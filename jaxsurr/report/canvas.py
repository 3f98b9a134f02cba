"""Empty figures, line styles that differ in greyscale, and PNG files.

Figures are objects of matplotlib without its global state: no windows are opened, and figures need not be closed.
"""

import io
import os
import pathlib
from typing import TYPE_CHECKING, Any

from jaxsurr.core import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["blank", "light_colours", "line_styles", "save"]

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
