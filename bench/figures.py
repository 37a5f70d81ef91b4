"""`make figures`: the figures and pictures of README and docs, from what the last runs wrote to out/.

A table of measured figures stands between `<!-- figures: NAME -->` and `<!-- end -->`. This program copies the
measurements (docs/figures/), renders every block from them and copies the pictures (docs/pictures/). Nothing is
measured here: a block whose command has not been run keeps its figures, which is reported.
`tests/test_figures.py` holds the blocks to the measurements.

`python -m bench.figures --page http://127.0.0.1:8000` takes the pictures of the page that `make serve` shows, with
Chromium (`.[dev]`).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.atomic import write_bytes

ROOT = Path(__file__).parents[1]
DEMO_ZONE = "America/Los_Angeles"  # the demo's homes are in Fontana, California
KEPT, PICTURES = ROOT / "docs" / "figures", ROOT / "docs" / "pictures"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"(<!-- figures: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Measured = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A block's measurements: the file that `command` writes, how they are rendered, and its pictures in out/."""

    command: str
    path: str
    render: Callable[[Measured], str]
    pictures: dict[str, str]  # name in docs/pictures -> path in out/


def table(rows: list[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def demo(report: Measured) -> str:
    """What `make demo` measured, for the README."""
    proofs, rewards, gas = report["proofs"], report["rewards"], report["chain"]["gas"]
    homes = report["homes"]
    return table(
        [
            ("forecasts proven, and verified", f"{proofs['verified']} of {homes}"),
            ("size of a proof", f"{proofs['bytes']:,} bytes"),
            ("memory to prove", f"{proofs['peak_mb']:.0f} MB"),
            ("households paid for error avoided", f"{rewards['claims']} of {homes}"),
            ("gas of registering a forecast, of a claim", f"{gas['submit']:,}, {gas['claim']:,}"),
            ("time for all of it, model training included", f"{report['seconds']['all']:.0f} s"),
        ],
        ("`make demo`", f"{homes} real homes, one day"),
    )


def demo_accuracy(report: Measured) -> str:
    """Accuracy on the demo's test days: the community's total (WAPE) and the median home (nMAE)."""
    rows = {
        "same hour yesterday": report["baselines"]["yesterday"],
        "mean of the last 7 days": report["baselines"]["mean_7_days"],
        "ridge regression on everybody's readings in one place": report["baselines"]["ridge_pooled"],
        "federated LSTM": report["forecast_global"],
        "**federated LSTM with personal heads, as proven**": report["forecast_integer"],
    }
    return table(
        [(name, f"{row['community_wape']:.3f}", f"{row['home_nmae_median']:.3f}") for name, row in rows.items()],
        ("forecast (lower is better)", "community, WAPE", "median home, nMAE"),
    )


def gas(measured: Measured) -> str:
    """What `bench.gas` measured, for docs/protocol.md."""
    rows = [
        ("register a forecast", "submit"),
        ("register 128 forecasts by one root, for each of them", "register_batched_128"),
        ("register a leaf of such a root, to claim it", "register_leaf"),
        ("pin a personal head", "pin_head"),
        ("claim, the skill proof and eight signatures checked", "claim"),
        ("claim with 19 others in one transaction", "reward_many_20"),
        ("check an inference proof", "verify_inference"),
        ("check an inference proof with a personal head", "verify_inference_personal"),
        ("deploy the inference verifier", "verify_inference_deployment"),
        ("the largest transaction of that", "verify_inference_deployment_largest"),
        ("deploy the inference verifier for personal heads", "verify_inference_personal_deployment"),
        ("the largest transaction of that", "verify_inference_personal_deployment_largest"),
    ]
    return table([(said, f"{measured[name]:,}") for said, name in rows], ("step", "gas"))


def gas_payers(measured: Measured) -> str:
    """What the household and the operator pay for, for docs/deployment.md."""
    deployment = sum(amount for name, amount in measured.items() if re.fullmatch(r"deploy_.*|.*_deployment", name))
    return table(
        [
            ("the household, each day: register its forecast", f"{measured['submit']:,}"),
            ("the household, each round: pin its personal head", f"{measured['pin_head']:,}"),
            ("the operator, each claim", f"{measured['claim']:,}"),
            ("the operator, each payment, the first time", f"{measured['collect_many']:,}"),
            ("the operator, once: deploy all contracts", f"{deployment:,}"),
        ],
        ("who pays for what", "gas"),
    )


def settlement(measured: Measured) -> str:
    """A month of shared energy among the demo homes, for docs/shared-energy.md."""
    rows = [
        ("generated on the roofs", measured["self_consumed_wh"] + measured["exported_wh"]),
        ("self-consumed behind the meters", measured["self_consumed_wh"]),
        ("fed into the grid", measured["exported_wh"]),
        ("taken from the grid", measured["imported_wh"]),
        ("**shared: the smaller of both, hour by hour**", measured["shared_wh"]),
        ("exported beyond the community", measured["exported_wh"] - measured["shared_wh"]),
    ]
    told: list[tuple[str, ...]] = [(said, f"{wh / 1000:,.1f}") for said, wh in rows]
    return table(told, (f"{measured['homes']} homes, {measured['days']} days (May 2017)", "kWh"))


def settlement_cost(measured: Measured) -> str:
    """What settling that month costs, by the hour or by the quarter of an hour."""
    rows = [("proving a share, s", "prove_s"), ("verifying it, s", "verify_s"), ("its proof, bytes", "proof_bytes")]
    both = [(said, f"{measured[name]:,}", f"{measured[f'static_{name}']:,}") for said, name in rows]
    return table(
        [
            *both,
            ("memory of its process, MB", f"{measured['peak_mb']:.0f}", f"{measured['static_peak_mb']:.0f}"),
            ("checking all signatures and totals, s", f"{measured['check_s']:.1f}", ""),
            ("everything for all members, s", f"{measured['settle_17_s']:.1f}", ""),
            ("auditing the file, s", f"{measured['audit_s']:.1f}", ""),
            ("the file, kB", f"{measured['file_bytes'] / 1000:.0f}", ""),
            ("remainder: of those who took, who fed in, Wh",
             f"{measured['remainder_import_wh']}, {measured['remainder_export_wh']}", ""),
            ("shares and remainder against the sum of minima, Wh", f"{measured['residual_wh']}", ""),
        ],
        (f"{measured['days']} days", "pro rata, priority", "static, equal"),
    )  # fmt: skip


def surplus(measured: Measured) -> str:
    """What `bench.export` measured of forecasts of export and of the surplus hours."""
    names = {
        "last_week": "same hour last week", "yesterday": "same hour yesterday", "mean_7_days": "mean of 7 days",
        "median_7_days": "median of 7 days", "proven": "**federated LSTM, as proven**",
    }  # fmt: skip

    def accuracy(part: str, name: str) -> str:
        found = measured[part][name]
        return f"{found['home_nmae_median']:.3f}, {found['community_wape']:.3f}"

    def hours(part: str, name: str) -> str:
        found = measured[part][name]
        return f"{found['precision']:.1%}, {found['recall']:.1%}, {found['wrong_hours_a_day']:.2f}"

    rows: list[tuple[str, ...]] = [
        (
            said,
            accuracy("export", name),
            accuracy("export_own_sun", name),
            accuracy("load", name),
            hours("surplus", name),
        )
        for name, said in names.items()
    ]
    rows.append(
        ("correlation of the sun that is told with the roofs' generation", f"{measured['weather_correlation']:+.2f}",
         "+1.00", "", "")
    )  # fmt: skip
    head = (
        "home nMAE (median), community WAPE; lower is better", "export", "export, told the roofs' own sun", "load",
        "surplus hours: precision, recall, wrong hours a day",
    )  # fmt: skip
    return table(rows, head)


_SURPLUS = {"surplus": "bench/surplus.png", "surplus-dark": "bench/surplus-dark.png"}
_SETTLEMENT = {"shared-energy": "bench/settlement.png", "shared-energy-dark": "bench/settlement-dark.png"}
_DEMO = {
    "community-day": "demo/community_day.png",
    "community-day-dark": "demo/community_day_dark.png",
    "accuracy": "demo/accuracy.png",
    "accuracy-dark": "demo/accuracy_dark.png",
}
SOURCES = {
    "demo": Source("make demo", "demo/report.json", demo, _DEMO),
    "demo_accuracy": Source("make demo", "demo/report.json", demo_accuracy, {}),
    "settlement": Source("python -m bench.settlement", "bench/settlement.json", settlement, _SETTLEMENT),
    "settlement_cost": Source("python -m bench.settlement", "bench/settlement.json", settlement_cost, {}),
    "settlement_quarters": Source(
        "python -m bench.settlement --interval 15", "bench/settlement-quarters.json", settlement_cost, {}
    ),
    "surplus": Source("python -m bench.export", "bench/export.json", surplus, _SURPLUS),
    "gas": Source("python -m bench.gas", "bench/gas.json", gas, {}),
    "gas_payers": Source("python -m bench.gas", "bench/gas.json", gas_payers, {}),
}


def rendered(text: str, measured: dict[str, Measured]) -> str:
    """`text` with each block rendered from `measured` (name of the block -> measurements); others as they are.

    Raises ValueError for a block of an unknown name.
    """

    def fill(found: re.Match[str]) -> str:
        name = found["name"]
        if name not in SOURCES:
            raise ValueError(f"there are no figures named {name!r}: there are {', '.join(sorted(SOURCES))}")
        if name not in measured:
            return found[0]
        return f"{found[1]}{SOURCES[name].render(measured[name])}{found[3]}"

    return _BLOCK.sub(fill, text)


def kept() -> dict[str, Measured]:
    """The measurements in docs/figures, by the name of their block."""
    return {name: json.loads(path.read_bytes()) for name in SOURCES if (path := _kept_path(name)).exists()}


def _kept_path(name: str) -> Path:
    return KEPT / f"{Path(SOURCES[name].path).parent.name}-{Path(SOURCES[name].path).stem}.json"


@dataclass(frozen=True)
class Screenshot:
    """A picture of the page. `view` follows the `#` of its address; the pointer rests on `hour`, if there is one."""

    name: str  # in docs/pictures
    width: int
    height: int
    view: str = ""
    dark: bool = False
    hour: int | None = None


SCREENSHOTS = (
    Screenshot("page", 1080, 960),
    Screenshot("page-day", 1280, 960, hour=13),
    Screenshot("page-phone-dark", 390, 1180, dark=True),
    Screenshot("page-shared", 1100, 1060, view="/shared"),
    Screenshot("page-shared-dark", 1100, 1060, view="/shared", dark=True),
)


def page_pictures(url: str) -> None:
    """The top of the page at `url`, as `SCREENSHOTS` says. Raises SystemExit where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        raise SystemExit("the page's pictures need Chromium: install it (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        for shot in SCREENSHOTS:
            page = browser.new_page(
                viewport={"width": shot.width, "height": shot.height},
                color_scheme="dark" if shot.dark else "light", locale="en-GB", timezone_id=DEMO_ZONE,
            )  # fmt: skip
            page.goto(f"{url.rstrip('/')}/#{shot.view}")
            page.wait_for_selector("svg")
            page.wait_for_load_state("load")
            if shot.hour is not None:
                slider = page.get_by_role("slider").first
                box = slider.bounding_box()
                assert box is not None
                slider.hover(position={"x": box["width"] * (shot.hour + 0.5) / 24, "y": box["height"] / 2})
            page.screenshot(path=PICTURES / f"{shot.name}.png")
            page.close()
        browser.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Copy, render, and report what was not measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", metavar="URL", help="only take the pictures of the page at this address")
    if (url := parser.parse_args(arguments).page) is not None:
        page_pictures(url)
        return
    out = ROOT / "out"
    for name, source in SOURCES.items():
        if not (out / source.path).exists():
            print(f"{name}: out/{source.path} does not exist, so its figures stay; run `{source.command}` to measure")
            continue
        write_bytes(_kept_path(name), json.dumps(json.loads((out / source.path).read_bytes()), indent=1).encode())
        for picture, path in source.pictures.items():
            write_bytes(PICTURES / f"{picture}{Path(path).suffix}", (out / path).read_bytes())
    measured = kept()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        if (new := rendered(text, measured)) != text:
            write_bytes(page, new.encode())
            print(f"{page.relative_to(ROOT)}: figures renewed")


if __name__ == "__main__":
    main()
