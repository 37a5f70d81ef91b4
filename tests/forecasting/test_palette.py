"""One colour for one thing in all pictures, and enough contrast on light and dark pages."""

from __future__ import annotations

import pytest

from forecasting.palette import DARK, LIGHT, Palette

METHODS = ("proven", "yesterday", "last_week", "mean_7_days", "ridge_pooled")


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.1)."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_what_is_drawn_stands_out_from_the_page(palette: Palette) -> None:
    assert contrast(palette.ink, palette.paper) > 7
    for colour in (palette.measured, palette.proven, palette.calibrated):
        assert contrast(colour, palette.paper) > 3
    assert contrast(palette.band_50, palette.band_90) > 1.2 < contrast(palette.calibrated, palette.band_50)


def test_no_two_methods_share_a_colour_or_a_line() -> None:
    drawn = [LIGHT.of_method(method, "proven") for method in METHODS]
    assert len({colour for colour, _ in drawn}) == len({str(line) for _, line in drawn}) == len(METHODS)
    assert drawn[0] == (LIGHT.proven, "-")
    assert LIGHT.of_method("my_method", "proven")[0] == LIGHT.muted
