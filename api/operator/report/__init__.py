"""What a manager hands to the assembly: a day's or a month's energy, forecasts, accuracy, rewards and checked proofs.

`figures` reads the community's database and checks the proofs, `pictures` draws, `as_html` and `as_pdf` set the page.
Nothing of a single home is in it that the community's page does not show: addresses, days, claims.
"""

from __future__ import annotations

from api.operator.report.figures import Report, make_report

__all__ = ["Report", "make_report"]
