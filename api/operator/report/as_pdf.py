"""A report as PDF."""

from __future__ import annotations

from api.operator.report import pdf
from api.operator.report.figures import Report
from api.operator.report.text import headline, how_made, tables


def as_pdf(report: Report, drawn: list[tuple[str, bytes]]) -> bytes:
    """The report with its pictures, PNG by caption. Raises NoPdf."""
    pdf.require_pdf("write --out FILE.html")
    return pdf.as_pdf(
        pdf.Document(
            title=report.community,
            subtitle=f"Report of {report.title}",
            headline=tuple(headline(report)),
            tables=tuple(tables(report)),
            check=how_made(report),
            pictures=tuple(drawn),
        )
    )
