"""How the benches' pictures look: the colours of all pictures (`forecasting.palette`), and marks that also differ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecasting import palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLACK, BLUE, ORANGE, GREEN = palette.LIGHT.measured, palette.BLUE, palette.VERMILION, palette.GREEN
_COLOURS = (BLACK, BLUE, ORANGE, GREEN, palette.PURPLE, palette.SKY, palette.AMBER, palette.GREY)
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_LINES = ("-", "--", "-.", ":")


def styles() -> Iterator[dict[str, Any]]:
    """Styles for one series after another; eight differ in colour and mark, and neighbours also in their line."""
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
