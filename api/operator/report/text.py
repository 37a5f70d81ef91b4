"""The words and tables of a report, whatever it is set as."""

from __future__ import annotations

from dataclasses import dataclass

from api.operator.report.figures import Report


@dataclass(frozen=True)
class Table:
    """A table: what it shows, its heads, its rows as text; columns from `numbers` on are numbers.

    `first`: how wide the first column is, beside the others.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: int = 1
    first: int = 1


def headline(report: Report) -> list[tuple[str, str]]:
    """The period in a few figures, each with its name."""
    measured_days = sum(bool(day.forecast_wh) and day.measured_wh is not None for day in report.days)
    forecast, measured = report.energy_wh if measured_days else (None, None)
    good = report.proofs - len(report.bad)
    found = [
        (f"Energy forecast ({_days(measured_days)})", _kwh(forecast)), ("Energy measured", _kwh(measured)),
        ("Error of the forecast (WAPE, mean of the days)", _percent(_best(report))),
        ("Error of the same hours of the day before", _percent(report.error("naive"))),
        ("Proofs checked for this report", f"{good} of {report.proofs} hold"),
        ("Rewards claimed", str(sum(home.claims for home in report.households))),
        ("Green shares proven", str(sum(home.green_days for home in report.households))),
        ("Tokens paid", f"{sum(home.tokens for home in report.households):,.1f}"),
    ]  # fmt: skip
    if report.shared:
        days = sum(one.days for one in report.shared)
        found.append((f"Energy shared ({_days(days)})", _kwh(sum(one.shared_wh for one in report.shared))))
    return found


def tables(report: Report) -> list[Table]:
    """The days, energy shared, surplus hours, the households, and what is wrong with proofs that do not hold."""
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
    found = [Table("Days", heads, days), *_energy(report), _households(report)]
    if report.bad:
        found.append(Table("Proofs that do NOT hold", ("What is wrong",), tuple((one,) for one in report.bad), 9))
    return found


def _energy(report: Report) -> list[Table]:
    """Shared energy and surplus hours, where there are any."""
    found = []
    if report.shared:
        rows = tuple(
            (
                one.period, f"{one.days} of {one.of_days}", _kwh(one.taken_wh), _kwh(one.fed_in_wh),
                _kwh(one.shared_wh), _percent(one.shared_wh / one.taken_wh if one.taken_wh else None),
            )
            for one in report.shared
        )  # fmt: skip
        periods = ("Period", "Days in this report", "Taken", "Fed in", "Shared", "Shared, of taken")
        found.append(Table("Shared energy, settled", periods, rows))
    if report.surplus:
        days = tuple((f"{one.date:%Y-%m-%d}", one.spans, _kwh(one.surplus_wh)) for one in report.surplus)
        heads = ("Day", f"Hours ({report.zone})", "Fed in beyond what is taken")
        found.append(Table("Surplus hours, forecast", heads, days, numbers=2))
    return found


def _households(report: Report) -> Table:
    rows = tuple(
        (
            home.home or home.household,
            str(home.forecasts),
            str(home.claims),
            str(home.green_days),
            f"{home.tokens:,.1f}",
        )
        for home in report.households
    )
    heads = ("Household", "Days forecast", "Days claimed", "Green days", "Tokens paid")
    return Table("Households", heads, rows, first=3)


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


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _kwh(wh: int | None) -> str:
    return "-" if wh is None else f"{wh / 1000:,.0f} kWh"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
