"""How a command ends: one line for what is expected, no value in what is not, marks that every terminal can write."""

from __future__ import annotations

import io
import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

import wattproof
from api.cli.main import app as command_line
from api.cli.terminal import Marks, run
from api.config.logs import JsonFormatter
from api.protocol.bundle import InferenceBundle, encode
from data.errors import TableError
from data.failures import describe, masked, outline
from rewards.errors import Refused
from tests.api.conftest import Village

SECRET = "48213"
ROOT = Path(__file__).parents[3]


def ended(error: Exception, capfd: pytest.CaptureFixture[str]) -> str:
    """What a command prints that fails with an error; it always ends with 1."""

    def command() -> None:
        reading = SECRET  # a traceback with local variables would show it
        raise error if reading else AssertionError

    with pytest.raises(SystemExit) as end:
        run(command)
    assert end.value.code == 1
    return capfd.readouterr().err


def test_a_command_without_output_or_errors_to_write_to_does_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """`wattproof ... >&-`: the first look at the terminal ended with a traceback."""
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    wattproof.open_streams()
    assert not sys.stdout.isatty() and not sys.stderr.isatty()
    with pytest.raises(SystemExit) as end:
        run(lambda: command_line(["--version"]))
    assert end.value.code == 0
    for stream in (sys.stdout, sys.stderr):
        stream.close()


def test_an_expected_error_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    for error in (TableError("no.csv does not exist: import readings first"), Refused("submit", "late forecast")):
        assert ended(error, capfd) == f"Error: {error}\n"
    gone = FileNotFoundError(2, "No such file or directory", "proof.json")
    assert ended(gone, capfd) == "Error: proof.json: No such file or directory\n"


@pytest.mark.parametrize("kind", [ValueError, KeyError, RuntimeError, OSError, AssertionError, UnicodeError])
def test_an_unexpected_error_shows_where_and_no_values(
    kind: type[Exception], capfd: pytest.CaptureFixture[str]
) -> None:
    said = ended(kind(f"could not convert {SECRET}"), capfd)
    assert "Internal error." in said and kind.__name__ in said and "in command" in said
    assert SECRET not in said


def test_what_led_to_an_error_is_told_without_values_too() -> None:
    try:
        try:
            int(f"{SECRET}x", 16)
        except ValueError as cause:
            raise TableError("home.csv is not a table") from cause
    except TableError as error:
        error.add_note(f"a library's note about {SECRET}")
        said = outline(error)
    assert "home.csv is not a table" in said and said.index("ValueError") < said.index("TableError")
    assert SECRET not in said


def test_passwords_in_addresses_are_blotted_out() -> None:
    assert masked(f"postgresql+psycopg://elm:{SECRET}@db:5432/wattproof is gone") == (
        "postgresql+psycopg://elm:***@db:5432/wattproof is gone"
    )
    assert masked("http://127.0.0.1:8000/@x and a:b@c") == "http://127.0.0.1:8000/@x and a:b@c"
    assert SECRET not in describe(TableError(f"https://u:{SECRET}@elm.example does not answer"))


def test_logs_tell_exceptions_without_their_words() -> None:
    try:
        raise ValueError(f"invalid literal: {SECRET}")
    except ValueError:
        record = logging.LogRecord("fl", logging.ERROR, "x.py", 1, "daily task failed", (), sys.exc_info())
    line = JsonFormatter().format(record)
    assert "ValueError" in line and "daily task failed" in line and SECRET not in line


@pytest.mark.process
def test_threads_and_processes_end_without_values_once_logs_are_set_up(tmp_path: Path) -> None:
    code = (
        "import sys, threading\nfrom api.config.logs import set_up\nset_up()\n"
        "def fail(word): raise ValueError('word ' + word)\n"
        "class Dropped:\n    def __del__(self): fail(sys.argv[1])\n"
        "t = threading.Thread(target=fail, args=(sys.argv[1],))\nt.start()\nt.join()\n"
        "Dropped()\nfail(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, SECRET], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("ValueError") == 3
    assert SECRET not in done.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8"])
def test_ticks_and_crosses_can_be_told_apart_on_every_terminal(encoding: str) -> None:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding=encoding))
    marks = Marks.of(console)
    each = (marks.held, marks.failed, marks.missing, marks.bullet)
    for mark in each:
        console.print(mark)
    console.file.flush()
    lines = raw.getvalue().decode(encoding).split()
    assert len(set(lines)) == 4, lines
    assert ("✓" in lines) == (encoding == "utf-8")


@pytest.mark.process
def test_a_proof_is_verified_on_a_latin_1_terminal(village: Village, tmp_path: Path) -> None:
    mine, other = (village.bundle(home) for home in village.homes[:2])
    assert isinstance(mine, InferenceBundle)
    good, bad = tmp_path / "good.json", tmp_path / "bäd-✓.json"
    good.write_bytes(encode(mine))
    bad.write_bytes(encode(mine.model_copy(update={"forecast": other.forecast})))
    for files, code, says in (
        ([good], 0, "[ok] Signed by"),
        ([bad], 3, "[FAILED] The proof"),
        ([good, bad], 3, "1 of 2"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "wattproof", "verify", *files],
            cwd=ROOT, capture_output=True, check=False,
            env={"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "latin-1:strict", "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == code, done.stderr.decode("latin-1")
        assert says in done.stdout.decode("latin-1")


@pytest.mark.parametrize("module", ["sqlalchemy.orm", "torch"])
def test_what_a_gateways_installation_leaves_out_is_named_with_the_extra(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve() -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    with pytest.raises(SystemExit) as end:
        run(serve)
    assert end.value.code == 1
    assert "pip install 'wattproof[server]'" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("end", "code"), [(KeyboardInterrupt(), 130), (SystemExit(130), 130), (SystemExit(143), 143), (None, 143)]
)
def test_ctrl_c_and_sigterm_end_every_command_with_a_word(
    end: BaseException | None, code: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before work begins, too, such as while libraries are loaded; there Python would print where it stood, and
    SIGTERM would end it without tidying up."""

    def interrupted() -> None:
        if end is not None:
            raise end
        signal.raise_signal(signal.SIGTERM)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr("api.cli.main.main", interrupted)
    try:
        with pytest.raises(SystemExit) as ended_with:
            wattproof.main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert (ended_with.value.code, capfd.readouterr().err) == (code, "Stopped.\n")
