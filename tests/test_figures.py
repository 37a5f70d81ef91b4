"""The measured figures in README and docs are those in docs/figures, and are rendered from them."""

from __future__ import annotations

import pytest

from bench import figures


@pytest.mark.parametrize("page", figures.PAGES, ids=lambda page: page.name)
def test_every_block_is_what_the_measurements_give(page: object) -> None:
    text = page.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert figures.rendered(text, figures.kept()) == text, "run `make figures`"


def test_a_block_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no figures named 'dema'"):
        figures.rendered("<!-- figures: dema -->\n<!-- end -->", {})


def test_what_was_not_measured_stays_as_it_was() -> None:
    block = "<!-- figures: demo -->\n| old |\n<!-- end -->"
    assert figures.rendered(block, {}) == block
