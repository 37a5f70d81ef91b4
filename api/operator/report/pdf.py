"""Documents as PDF, set by fpdf2 (an extra: pip install 'wattproof[reports]')."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.operator.report.text import Table

if TYPE_CHECKING:
    from fpdf import FPDF

_FONT, _GREY = "DejaVu", (81, 96, 109)


class NoPdf(RuntimeError):
    """fpdf2 is not installed."""


@dataclass(frozen=True)
class Document:
    """A document in the order in which it is set.

    `headline`: figures, each with its name; `pictures`: PNG by caption; `check`: how a reader checks all of it.
    """

    title: str
    subtitle: str
    headline: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    check: str
    pictures: tuple[tuple[str, bytes], ...] = ()


def require_pdf(otherwise: str) -> None:
    """Raises NoPdf where no PDF can be set. `otherwise`: what to do instead of installing fpdf2."""
    try:
        import fpdf  # noqa: F401
    except ModuleNotFoundError:
        raise NoPdf(f"a PDF needs fpdf2: pip install 'wattproof[reports]', or {otherwise}") from None


def as_pdf(document: Document) -> bytes:
    """The document on A4 pages; `require_pdf` says whether that can be done."""
    from fpdf import FPDF

    page = FPDF(format="A4")
    for style, path in _fonts().items():
        page.add_font(_FONT, style, path)
    page.set_title(f"{document.title}: {document.subtitle}")
    page.set_auto_page_break(True, margin=15)
    page.add_page()
    _line(page, document.title, 20, "B")
    _line(page, document.subtitle, 11, grey=True)
    page.ln(3)
    _rows(page, Table("", ("", ""), document.headline), with_heads=False)
    page.ln(3)
    for caption, picture in document.pictures:
        page.image(io.BytesIO(picture), w=page.epw, alt_text=caption)
        _line(page, caption, 9, grey=True)
        page.ln(2)
    for table in document.tables:
        _line(page, table.title, 14, "B")
        _rows(page, table)
        page.ln(3)
    _line(page, "How to check this", 14, "B")
    _line(page, document.check, 10)
    return bytes(page.output())


def _line(page: FPDF, text: str, size: int, style: str = "", grey: bool = False) -> None:
    page.set_font(_FONT, style, size)
    page.set_text_color(*(_GREY if grey else (0, 0, 0)))
    page.multi_cell(0, size * 0.5, text, new_x="LMARGIN", new_y="NEXT")
    page.set_text_color(0, 0, 0)


def _rows(page: FPDF, table: Table, with_heads: bool = True) -> None:
    page.set_font(_FONT, "", 8 if len(table.heads) > 2 else 10)
    align = tuple("RIGHT" if k >= table.numbers else "LEFT" for k in range(len(table.heads)))
    widths = (table.first,) + (1,) * (len(table.heads) - 1)
    heads = 1 if with_heads else 0
    with page.table(
        text_align=align, col_widths=widths, first_row_as_headings=with_heads, num_heading_rows=heads,
        borders_layout="HORIZONTAL_LINES",
    ) as made:  # fmt: skip
        for row in ([table.heads] if with_heads else []) + list(table.rows):
            cells = made.row()
            for cell in row:
                cells.cell(cell)


def _fonts() -> dict[str, Path]:
    """By style: the letters of most alphabets, which PDF's own fonts lack. matplotlib brings them along."""
    from matplotlib import get_data_path

    folder = Path(get_data_path()) / "fonts" / "ttf"
    return {"": folder / "DejaVuSans.ttf", "B": folder / "DejaVuSans-Bold.ttf"}
