"""`python -m bench.settlement`: a month of shared energy among the 17 demo homes with their PV, as one JSON line.

Everything is done anew in a folder of its own: both registers of 31 days signed, one masked sum, shares proven and
verified, the file audited. `settle_17_s` is all of it. What a single household needs is measured in a process of its
own, as on a gateway: `prove_s` (its share of what it took, 31 days; the median of its runs), `verify_s`,
`proof_bytes`, `peak_mb`; with `static_` before it, by allotments instead of in proportion; with `quarter_hours_`, for
the four times as many values of one by the quarter of an hour. `residual_wh` compares shares and remainder of both
sides with the sum of minima that follows from the tables themselves. The line is kept in
out/bench/settlement.json, and the month's picture beside it.

`--interval 15` settles the same month by the quarter of an hour, end to end: the data are hourly, so that each hour's
energy is spread over its quarters. Same keys, in out/bench/settlement-quarters.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from api.gateway.shared_energy import ShareProver
from api.protocol import settlement_file
from api.protocol.period import SIDES, CheckedPeriod, Key, check
from api.protocol.settlement import verify_share
from bench.proof import peak_mb
from data.atomic import write_bytes
from data.export import EXPORT_VAULT, QUARTER_VAULTS
from data.interval import INTERVALS, IntervalMinutes
from data.vault import DayVault
from zkp.algebra.commitment import commit_day
from zkp.statements import shared_energy

if TYPE_CHECKING:
    import pandas as pd

    from api.one_machine.settled_homes import SettledHomes
    from api.protocol.settlement import Settlement

T = TypeVar("T")
OUT = Path("out/bench")
FIRST_DATE, DAYS = date(2017, 5, 1), 31


def timed(action: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result


def one_member(file: Path, home: Path, household: str, repeat: int) -> dict[str, float]:
    """What a household needs for its share: in a process that loads what a gateway loads."""
    settlement, meters = settlement_file.read(file.read_bytes())
    check_s, checked = timed(lambda: check(settlement.period, meters))
    found: dict[str, float] = {"check_s": round(check_s, 3)}
    for prefix, key in (("", Key()), ("static_", Key("equal"))):
        of = CheckedPeriod(replace(checked.period, key=key))
        found |= {f"{prefix}{name}": value for name, value in _share_of(of, home, household, repeat).items()}
    if checked.period.interval == 15:
        measured = ("prove_s", "verify_s", "proof_bytes")
        return found | {f"quarter_hours_{name}": found[name] for name in measured}
    return found | quarter_hours(checked, DayVault(home / "vault.db"), household, repeat)


def quarter_hours(checked: CheckedPeriod, vault: DayVault, household: str, repeat: int) -> dict[str, float]:
    """What the share would cost by the quarter of an hour: a day is four commitments of 24 quarters each, numbered
    4 day + 0 to 3, and each hour's energy is spread over its quarters."""
    of = checked.statement(household, "import")
    assert isinstance(of, shared_energy.Statement)
    readings, coefficients, numbers = [], [], []
    for day, weights in zip(of.days, of.numbers, strict=True):
        hours = vault.get(household, day)[1].readings
        quarters = [(wh + k) // 4 for wh in hours for k in range(4)]
        for part in range(4):
            readings.append(quarters[24 * part : 24 * part + 24])
            coefficients.append(tuple(weights[6 * part + k // 4] for k in range(24)))
            numbers.append(4 * day + part)
    blindings = list(range(1, len(numbers) + 1))
    share = shared_energy.share_of(coefficients, readings)
    commitments = map(commit_day, numbers, readings, blindings)
    context = replace(of.context, day=numbers[0])
    statement = shared_energy.Statement(context, tuple(numbers), tuple(commitments), tuple(coefficients), share)
    runs = [timed(lambda: shared_energy.prove(statement, readings, blindings)) for _ in range(repeat)]
    checks = [timed(lambda: shared_energy.verify(statement, runs[0][1]))[0] for _ in range(repeat)]
    return {
        "quarter_hours_prove_s": round(statistics.median(seconds for seconds, _ in runs), 3),
        "quarter_hours_verify_s": round(statistics.median(checks), 4),
        "quarter_hours_proof_bytes": len(runs[0][1]),
    }


def _share_of(of: CheckedPeriod, home: Path, household: str, repeat: int) -> dict[str, float]:
    interval = of.period.interval
    names = ("vault.db", EXPORT_VAULT) if interval == 60 else tuple(QUARTER_VAULTS.values())
    imported, exported = (DayVault(home / name, interval) for name in names)
    with tempfile.TemporaryDirectory() as folder:
        prover = ShareProver(household, imported, exported, Path(folder), interval=interval)
        runs = [timed(lambda: prover.prove(of, "import")) for _ in range(repeat)]
    share = runs[0][1]
    checks = [timed(lambda: verify_share(of, household, "import", share))[0] for _ in range(repeat)]
    return {
        "prove_s": round(statistics.median(seconds for seconds, _ in runs), 3),
        "verify_s": round(statistics.median(checks), 4),
        "proof_bytes": len(share.proof),
        "peak_mb": peak_mb(),
    }


def residual_wh(homes: SettledHomes, settlement: Settlement) -> int:
    """How far shares and remainder are from the sum of minima, by the tables themselves; both sides, without sign."""
    import pandas as pd

    days = range(settlement.period.first, settlement.period.last + 1)
    table = pd.concat([home.readings if home.quarters is None else spread(home.readings) for home in homes.homes])
    hours = table[pd.Series(homes.clock.days_of(table["ds"]), index=table.index).isin(days)].groupby("ds")
    shared = int(hours[["y", "export"]].sum().astype("int64").min(axis=1).sum())
    return sum(abs(settlement.given(side) + settlement.remainder(side) - shared) for side in SIDES)


def spread(hours: pd.DataFrame) -> pd.DataFrame:
    """A table of quarters whose hours these are: as even as whole watt-hours can be."""
    import numpy as np
    import pandas as pd

    from data.table import EXPORT, QUARTER, long_table

    hours = hours[~hours["filled"]]
    k = np.tile(np.arange(4), len(hours))
    imported, exported = ((np.repeat(hours[column].to_numpy(dtype=np.int64), 4) + k) // 4 for column in ("y", EXPORT))
    ds = pd.DatetimeIndex(np.repeat(hours["ds"], 4)) + pd.to_timedelta(15 * k, unit="min")
    name = str(hours["unique_id"].iloc[0])
    return long_table(name, ds, imported, False, pd.Series(exported, dtype="Int64"), QUARTER)


def by_quarters(homes: SettledHomes) -> SettledHomes:
    """The same homes, metered by the quarter of an hour."""
    from data.quarters import HomeQuarters

    metered = (
        replace(home, quarters=HomeQuarters(spread(home.readings), home.home.name, home.clock))
        for home in homes.homes
    )
    return replace(homes, homes=tuple(metered))


def measure(folder: Path, repeat: int, interval: IntervalMinutes = 60) -> dict[str, Any]:
    """Everything once, in `folder`. Raises SystemExit where the settlement does not hold."""
    from api.audit.settlement import audit_settlement
    from api.config.demo_settings import demo_config
    from api.one_machine.settled_homes import SettledHomes
    from api.one_machine.settlement import meters_of
    from api.operator.settlement_files import pictures

    homes = SettledHomes.of(demo_config(folder, None))
    if interval == 15:
        homes = by_quarters(homes)
    first = homes.clock.day_on(FIRST_DATE)
    days = range(first, first + DAYS)
    settle_s, settlement = timed(lambda: homes.settle(days))
    file = folder / "settlement.json"
    file.write_bytes(settlement_file.written(settlement, meters_of(homes.homes)))
    audit_s, findings = timed(lambda: list(audit_settlement(file.read_bytes())))
    if any(finding.is_bad for finding in findings):
        raise SystemExit(f"the settlement does not hold: {findings}")
    home = homes.homes[0]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        member = pool.submit(one_member, file, home.home.folder, home.household, repeat).result()
    of = settlement.period
    if interval == 60:
        for name, png in pictures(settlement, homes.clock, homes.self_consumed(days)).items():
            write_bytes(OUT / f"settlement{name}.png", png)
    return {
        "homes": len(of.households), "days": len(of.days), **member,
        "residual_wh": residual_wh(homes, settlement),
        "settle_17_s": round(settle_s, 2), "audit_s": round(audit_s, 2),
        "imported_wh": of.imported_wh, "exported_wh": of.exported_wh, "shared_wh": of.shared_wh,
        "self_consumed_wh": sum(homes.self_consumed(days) or []),
        "remainder_import_wh": settlement.remainder("import"), "remainder_export_wh": settlement.remainder("export"),
        "file_bytes": file.stat().st_size,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5, help="runs of which a median is taken")
    parser.add_argument("--interval", type=int, choices=INTERVALS, default=60, help="minutes that it is settled by")
    arguments = parser.parse_args()
    logging.getLogger().setLevel("WARNING")
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), arguments.repeat, arguments.interval)
    name = "settlement.json" if arguments.interval == 60 else "settlement-quarters.json"
    write_bytes(OUT / name, json.dumps(result).encode())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
