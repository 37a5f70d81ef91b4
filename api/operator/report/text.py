"""The words and tables of a report, whatever it is set as."""

from __future__ import annotations

from dataclasses import dataclass

from api.operator.report.figures import Report


@dataclass(frozen=True)
class Table:
    """A table: what it shows, its heads, its rows as text; columns from `numbers` on are numbers."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: int = 1


def headline(report: Report) -> list[tuple[str, str]]:
    """The period in a few figures, each with its name."""
    forecast, measured = report.energy_wh
    good = report.proofs - len(report.bad)
    return [
        ("Energy forecast", _kwh(forecast)), ("Energy measured", _kwh(measured)),
        ("Error of the forecast (WAPE, mean of the days)", _percent(_best(report))),
        ("Error of the same hours of the day before", _percent(report.error("naive"))),
        ("Proofs checked for this report", f"{good} of {report.proofs} hold"),
        ("Rewards claimed", str(sum(home.claims for home in report.households))),
        ("Tokens paid", f"{sum(home.tokens for home in report.households):,.1f}"),
    ]  # fmt: skip


def tables(report: Report) -> list[Table]:
    """The days, the households, and what is wrong with proofs that do not hold."""
    days = tuple(
        (
            f"{day.date:%Y-%m-%d}", str(day.homes), _kwh(day.forecast_wh), _kwh(day.measured_wh),
            _percent(None if day.accuracy is None else day.accuracy.calibrated),
            _percent(None if day.accuracy is None else day.accuracy.forecast_sum),
            _percent(None if day.accuracy is None else day.accuracy.naive),
        )
        for day in report.days
    )  # fmt: skip
    heads = ("Day", "Homes", "Forecast", "Measured", "Error, calibrated", "Error, plain sum", "Error, day before")
    homes = tuple(
        (home.home or home.household, str(home.forecasts), str(home.claims), f"{home.tokens:,.1f}")
        for home in report.households
    )
    found = [
        Table("Days", heads, days),
        Table("Households", ("Household", "Days forecast", "Days claimed", "Tokens paid"), homes),
    ]
    if report.bad:
        found.append(Table("Proofs that do NOT hold", ("What is wrong",), tuple((one,) for one in report.bad), 9))
    return found


def how_made(report: Report) -> str:
    """What a reader can rely on, and how to check it."""
    return (
        "Totals are sums that households opened together; each household's part is proven in zero knowledge and "
        "shown to nobody. Every proof of the period was checked again for this report. Anybody can repeat it for a "
        f"day, without trusting the operator: wattproof audit {report.days[-1].day} --server URL --rpc-url NODE "
        "--contracts contracts.json. WAPE is the sum of the hours' absolute errors by the load of the day."
    )


def _best(report: Report) -> float | None:
    calibrated = report.error("calibrated")
    return report.error("forecast_sum") if calibrated is None else calibrated


def _kwh(wh: int | None) -> str:
    return "-" if wh is None else f"{wh / 1000:,.0f} kWh"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
