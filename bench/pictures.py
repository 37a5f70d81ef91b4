"""How the benches' pictures look: Okabe and Ito's colours, told apart by the colour-blind, and marks that differ too.

Okabe, Ito: Color Universal Design, 2008 (https://jfly.uni-koeln.de/color/); their yellow is too faint for lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLACK, BLUE, ORANGE, GREEN = "#000000", "#0072B2", "#D55E00", "#009E73"
GREY = "#7F7F7F"
_COLOURS = (BLACK, BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#E69F00", GREY)
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_LINES = ("-", "--", "-.", ":")


def styles() -> Iterator[dict[str, Any]]:
    """How to plot one series after the other; eight differ in colour and mark, and neighbours in their line, too."""
    for colour, marker, line in zip(cycle(_COLOURS), cycle(_MARKERS), cycle(_LINES), strict=False):
        yield {"color": colour, "marker": marker, "linestyle": line, "markersize": 4}


@contextmanager
def picture(
    path: Path, columns: int, size: tuple[float, float], **options: Any
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with panels in a row, written to `path` as it is when the block ends. Size in inches."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, columns, figsize=size, layout="constrained", squeeze=False, **options)
    for axis in axes[0]:
        axis.grid(visible=True, alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    try:
        yield figure, list(axes[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130)
    finally:
        plt.close(figure)
