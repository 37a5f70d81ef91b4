"""Colours of all pictures: one for each thing, on a light or a dark background. Loads no matplotlib.

Okabe and Ito, Color Universal Design, 2008 (https://jfly.uni-koeln.de/color/): distinct to colour-blind readers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

BLUE, VERMILION, GREEN, PURPLE, SKY, AMBER, GREY = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F",
)  # fmt: skip
_BASELINES = {
    "yesterday": (PURPLE, ":"),
    "last_week": (SKY, (0, (5, 1, 1, 1, 1, 1))),
    "mean_7_days": (AMBER, "--"),
    "ridge_pooled": (GREEN, "-."),
}
"""Colour and line of each baseline."""


@dataclass(frozen=True)
class Palette:
    """What is drawn in which colour. The bands are solid, so that a legend's swatch has the colour in the plot."""

    paper: str
    ink: str
    measured: str
    proven: str
    calibrated: str
    band_90: str
    band_50: str
    muted: str
    grid: str

    def of_method(self, method: str, chosen: str) -> tuple[str, object]:
        """Colour and line of a forecasting method; `chosen` is the one that is proven."""
        return (self.proven, "-") if method == chosen else _BASELINES.get(method, (self.muted, "--"))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Draw figures made in this block on this background.

        The light one is matplotlib's own: a server's threads change no global setting for it.
        """
        if self == LIGHT:
            yield
            return
        import matplotlib as mpl

        ink, paper = self.ink, self.paper
        with mpl.rc_context({
            "figure.facecolor": paper, "savefig.facecolor": paper, "axes.facecolor": paper, "axes.edgecolor": ink,
            "axes.labelcolor": ink, "axes.titlecolor": ink, "text.color": ink, "xtick.color": ink, "ytick.color": ink,
        }):  # fmt: skip
            yield


LIGHT = Palette("#FFFFFF", "#000000", "#000000", BLUE, VERMILION, "#FBE3D3", "#F4BD98", GREY, "#E5E5E5")
DARK = Palette("#10171E", "#E8EEF3", "#FFFFFF", SKY, "#F0834A", "#3A2A22", "#6B4430", "#8A97A3", "#2B3742")
