"""How readings come in: what becomes of exports as households get them, and how fast two million rows are read.

`python -m bench.importing [CASES]` prints one JSON line. CASES: a folder with one for each case, that holds a file
and `case.json` (`file`, `cmd`, `expect`); by default those that lie beside the repository.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from data.table import read_table

ROWS = 2_000_000
_TOLERANCE_KWH = 0.005
_READ = """
import sys, time, resource
from pathlib import Path
from data.importing.importer import import_file
from data.importing.options import ImportOptions
began, cpu = time.perf_counter(), time.process_time()
import_file(Path(sys.argv[1]), ImportOptions("home", timezone="Europe/Berlin"))
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(time.perf_counter() - began, time.process_time() - cpu, peak_mb)
"""


def main() -> None:
    """Print the line, and on standard error each case that is not read right."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/cases/meters")
    verdicts = {case.name: judged(case) for case in sorted(folder.iterdir()) if (case / "case.json").is_file()}
    for name, (verdict, words) in verdicts.items():
        if verdict not in ("right", "refused as expected"):
            print(f"{name}: {verdict}: {words}", file=sys.stderr)
    counts = Counter(verdict for verdict, _ in verdicts.values())
    with_table = [case for case in verdicts if "kwh" in expected(folder / case)]
    seconds, cpu_s, peak_mb = speed()
    line = {
        "cases": len(verdicts),
        "with_table": len(with_table),
        "read_right": sum(verdicts[case][0] == "right" for case in with_table),
        "read_otherwise": counts["read"],
        "refused": counts["refused"] + counts["refused as expected"],
        "wrong": sorted(name for name, (verdict, _) in verdicts.items() if verdict == "wrong"),
        "rows": ROWS,
        "rows_per_s": round(ROWS / seconds),
        "rows_per_cpu_s": round(ROWS / cpu_s),  # on a machine that does nothing else
        "peak_mb": round(peak_mb),
    }
    print(json.dumps(line))


def expected(case: Path) -> dict[str, Any]:
    """What a case expects."""
    content: dict[str, Any] = json.loads((case / "case.json").read_text(encoding="utf-8"))
    return dict(content["expect"])


def judged(case: Path) -> tuple[str, str]:
    """What becomes of a case (right, read where no table is expected, refused, wrong), and the words."""
    content = json.loads((case / "case.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "table.csv"
        arguments = ["data", "import", str(case / content["file"]), "--home", "h1", "--out", str(out)]
        command = [sys.executable, "-m", "wattproof", *arguments, *shlex.split(content["cmd"])]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        words = " ".join((ended.stdout + ended.stderr).split())
        expect = content["expect"]
        if "Traceback" in words:
            return "wrong", words
        if ended.returncode:
            return ("refused as expected" if "refuse" in expect else "refused"), words
        if "kwh" not in expect:
            return ("right" if "warn" in expect and "warning" in words else "read"), words
        table = read_table(out)
        there = {
            "kwh": table["y"].sum() / 1000,
            "hours": len(table),
            "first": f"{table['ds'].iloc[0]:%Y-%m-%dT%H}",
            "last": f"{table['ds'].iloc[-1]:%Y-%m-%dT%H}",
        }
        filled = table.loc[table["filled"], "y"].sum() / 1000
        close = abs(there["kwh"] - expect["kwh"]) <= _TOLERANCE_KWH + filled
        same = all(there[key] == expect[key] for key in ("hours", "first", "last"))
        return ("right" if close and same else "wrong"), f"{words} {there} {expect}"


def speed() -> tuple[float, float, float]:
    """Seconds, seconds of a core, and the most memory (MB) for two million rows of one minute each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "minutes.csv"
        start = datetime(2022, 1, 1, tzinfo=UTC)
        with path.open("w", encoding="utf-8") as file:
            file.write("timestamp,kwh\n")
            for minute in range(ROWS):
                file.write(f"{start + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%S+00:00},0.{minute * 7 % 97:05d}\n")
        ended = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True)
        seconds, cpu_s, peak_mb = (float(part) for part in ended.stdout.split())
    return seconds, cpu_s, peak_mb


if __name__ == "__main__":
    main()
