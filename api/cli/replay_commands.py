"""`wattproof replay`: a community of gateways on recorded time, as a manager tries one before there are meters."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.terminal import console

if TYPE_CHECKING:
    from api.cli.replay_news import News

replay_app = typer.Typer(no_args_is_help=True, help="Try a community of gateways on recorded time, days in minutes.")
FolderArgument = Annotated[Path, typer.Argument(help="the community's folder")]
Running = subprocess.Popen[bytes]
_LOOK_S, _STOP_S = 0.2, 60.0


@replay_app.command("init")
def init(
    folder: FolderArgument,
    homes: Annotated[int, typer.Option(help="how many of the demo homes, 4 to 17")] = 5,
    first: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="the recorded date that it begins at noon of")
    ] = datetime(2017, 5, 1),
    day_minutes: Annotated[float, typer.Option(min=0.1, max=1440, help="minutes that a recorded day takes")] = 3,
    coordinator: Annotated[str, typer.Option(help="the coordinator's host, as gateways reach it")] = "127.0.0.1",
    api_url: Annotated[str, typer.Option(help="where gateways reach the server")] = "http://127.0.0.1:8000",
    database_url: Annotated[
        str | None, typer.Option(envvar="WATTPROOF_DATABASE_URL", help="the server's PostgreSQL; SQLite by default")
    ] = None,
    cache: Annotated[Path, typer.Option(help="where the demo homes' data are kept")] = Path(".cache/wattproof"),
) -> None:
    """Write a community of demo homes: settings, keys and recorded readings of a server and of each gateway.

    An existing one is never overwritten. `wattproof replay run FOLDER` runs all of it.
    """
    from api.one_machine.replay import Replay
    from data import citylearn

    plan = Replay(homes, first.date(), day_minutes, coordinator, api_url, database_url)
    names = plan.write(folder, citylearn.load(cache))
    console.print(f"{folder}: a server and {len(names)} gateways, {', '.join(names)}", highlight=False)
    console.print(f"Next: wattproof replay run {folder}", highlight=False)


@replay_app.command("run")
def run(folder: FolderArgument) -> None:
    """Run a community's server, coordinator and gateways here, until Ctrl-C; logs are in FOLDER/logs.

    Stopped and run again, it continues at the recorded time at which it stood. Exit codes: 130 it was stopped by
    Ctrl-C, 143 by SIGTERM; 1 one of its processes failed.
    """
    from api.cli.replay_news import News
    from api.one_machine.replay import SERVER, SETTINGS, parts_of
    from data.day import DayClock

    parts = parts_of(folder)
    server = parts[SERVER].api
    commands = {SERVER: ["serve"], "coordinator": ["coordinator", "--one-shot"]}
    commands |= {name: ["agent", name] for name in parts if name != SERVER}
    if any((server.state_dir / "rounds").glob("*/published")):
        del commands["coordinator"]  # it was trained before
    (folder / "logs").mkdir(exist_ok=True)
    running: dict[str, Running] = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        for name, command in commands.items():
            settings = folder / (name if name in parts else SERVER) / SETTINGS
            with (folder / "logs" / f"{name}.log").open("ab") as log:
                running[name] = subprocess.Popen(
                    [sys.executable, "-P", "-m", f"{__package__}.replay_part", *command, "--config", str(settings)],
                    stdin=subprocess.PIPE, stdout=log, stderr=log,
                )  # fmt: skip
        console.print(f"http://{server.host}:{server.port} shows the community; stop with Ctrl-C", highlight=False)
        _watch(running, folder, News(folder / "logs", DayClock(parts[SERVER].data.day_start_utc)))
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C leaves no process behind
        _end(list(running.values()))


def _stop(number: int, _frame: object) -> None:
    console.print("Stopping: server and gateways end what they are doing.")
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def _watch(running: Mapping[str, Running], folder: Path, news: News) -> None:
    """Until a process fails: the coordinator ends by itself. Ends with code 1, naming the log."""
    from api.cli.replay_news import last_words

    while True:
        for told in news.look():
            console.print(told, markup=False, highlight=False, soft_wrap=True)
        failed = [name for name, process in running.items() if process.poll() not in (None, 0)]
        if failed:
            log = folder / "logs" / f"{failed[0]}.log"
            console.print(f"{failed[0]} ended: {log} says why", markup=False, highlight=False, soft_wrap=True)
            if said := last_words(log):
                console.print(f"    {said}", markup=False, highlight=False, soft_wrap=True)
            if "another program is listening" in said:
                console.print(
                    "    Another port: wattproof replay init FOLDER --api-url http://127.0.0.1:8001",
                    markup=False, highlight=False, soft_wrap=True,
                )  # fmt: skip
            raise typer.Exit(1)
        time.sleep(_LOOK_S)


def _end(processes: Sequence[Running]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
