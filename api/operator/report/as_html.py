"""A report as one HTML file: no script, nothing from another host, fit for paper (print it from a browser)."""

from __future__ import annotations

from html import escape

from api.operator.report.figures import Report
from api.operator.report.text import Table, headline, how_made, tables

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #16202a; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } .soft { color: #51606d; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .2rem 1.5rem; }
dt { color: #51606d; } dd { margin: 0; font-weight: 600; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #cfd8df; overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; } figure { margin: 1rem 0; break-inside: avoid; }
figure svg { width: 100%; height: auto; } tr { break-inside: avoid; }
"""


def as_html(report: Report, drawn: list[tuple[str, bytes]]) -> bytes:
    """The report with its pictures, SVG by caption."""
    figures = "".join(
        f"<figure>{_inline(picture)}<figcaption class='soft'>{escape(caption)}</figcaption></figure>"
        for caption, picture in drawn
    )
    terms = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in headline(report))
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(report.community)}: {escape(report.title)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(report.community)}</h1><p class='soft'>Report of {escape(report.title)}</p><dl>{terms}</dl>"
        f"{figures}{''.join(map(_table, tables(report)))}<h2>How to check this</h2><p>{escape(how_made(report))}</p>"
        "</html>"
    ).encode()


def _inline(picture: bytes) -> str:
    text = picture.decode()
    return text[text.index("<svg") :]  # without the declaration, which HTML has no place for


def _table(table: Table) -> str:
    def cells(kind: str, row: tuple[str, ...]) -> str:
        return "".join(
            f"<{kind}{' class=number' if k >= table.numbers else ''}>{escape(cell)}</{kind}>"
            for k, cell in enumerate(row)
        )

    rows = "".join(f"<tr>{cells('td', row)}</tr>" for row in table.rows)
    return f"<h2>{escape(table.title)}</h2><table><tr>{cells('th', table.heads)}</tr>{rows}</table>"
