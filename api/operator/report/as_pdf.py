"""A report as PDF, set by fpdf2 (an extra: pip install 'wattproof[reports]')."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from api.operator.report.figures import Report
from api.operator.report.text import Table, headline, how_made, tables

if TYPE_CHECKING:
    from fpdf import FPDF

_FONT, _GREY = "Helvetica", (81, 96, 109)


class NoPdf(RuntimeError):
    """fpdf2 is not installed."""


def as_pdf(report: Report, drawn: list[tuple[str, bytes]]) -> bytes:
    """The report with its pictures, PNG by caption. Raises NoPdf."""
    try:
        from fpdf import FPDF
    except ModuleNotFoundError:
        raise NoPdf("a PDF needs fpdf2: pip install 'wattproof[reports]', or write --out FILE.html") from None
    page = FPDF(format="A4")
    page.set_title(f"{_latin(report.community)}: {report.title}")
    page.set_auto_page_break(True, margin=15)
    page.add_page()
    _line(page, report.community, 20, "B")
    _line(page, f"Report of {report.title}", 11, grey=True)
    page.ln(3)
    _rows(page, Table("", ("", ""), tuple(headline(report))), with_heads=False)
    for caption, picture in drawn:
        page.image(io.BytesIO(picture), w=page.epw, alt_text=caption)
        _line(page, caption, 9, grey=True)
        page.ln(2)
    for table in tables(report):
        _line(page, table.title, 14, "B")
        _rows(page, table)
        page.ln(3)
    _line(page, "How to check this", 14, "B")
    _line(page, how_made(report), 10)
    return bytes(page.output())


def _line(page: FPDF, text: str, size: int, style: str = "", grey: bool = False) -> None:
    page.set_font(_FONT, style, size)
    page.set_text_color(*(_GREY if grey else (0, 0, 0)))
    page.multi_cell(0, size * 0.5, _latin(text), new_x="LMARGIN", new_y="NEXT")
    page.set_text_color(0, 0, 0)


def _rows(page: FPDF, table: Table, with_heads: bool = True) -> None:
    page.set_font(_FONT, "", 8 if len(table.heads) > 2 else 10)
    align = tuple("RIGHT" if k >= table.numbers else "LEFT" for k in range(len(table.heads)))
    widths = (3,) + (1,) * (len(table.heads) - 1) if len(table.heads) == 4 else None
    heads = 1 if with_heads else 0
    with page.table(
        text_align=align, col_widths=widths, first_row_as_headings=with_heads, num_heading_rows=heads,
        borders_layout="HORIZONTAL_LINES",
    ) as made:  # fmt: skip
        for row in ([table.heads] if with_heads else []) + list(table.rows):
            cells = made.row()
            for cell in row:
                cells.cell(_latin(cell))


def _latin(text: str) -> str:
    """Text in the letters of PDF's own fonts; others as question marks."""
    return text.encode("latin-1", "replace").decode("latin-1")
