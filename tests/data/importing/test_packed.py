"""A zip archive of exports is read as one table, or refused with what to do; nothing in it is left out in silence."""

from __future__ import annotations

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data.errors import ImportRefused
from data.importing import packed
from data.importing.importer import import_file
from data.importing.options import Imported, ImportOptions

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
TRUTH = [200 + k % 7 * 100 for k in range(24)]
JANUARY, FEBRUARY = "exports/2026-01.csv", "exports/2026-02.csv"


def hours(first: int, count: int, kwh: Callable[[int], float] = lambda k: 0.2 + k % 7 / 10) -> str:
    rows = (f"{START + timedelta(hours=k):%Y-%m-%dT%H:%MZ},{kwh(k):.3f}" for k in range(first, first + count))
    return "\n".join(["time,kWh", *rows, ""])


def green_button(first: int, count: int) -> str:
    rows = "".join(
        f"<IntervalReading><timePeriod><duration>3600</duration><start>{int(START.timestamp()) + 3600 * k}</start>"
        f"</timePeriod><value>{TRUTH[k]}</value></IntervalReading>"
        for k in range(first, first + count)
    )
    return f"<feed><entry><content><IntervalBlock>{rows}</IntervalBlock></content></entry></feed>"


def archive(files: Mapping[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name, text)
    return content.getvalue()


def imported(folder: Path, content: bytes) -> Imported:
    path = folder / "export.zip"
    path.write_bytes(content)
    return import_file(path, ImportOptions("elm-3"))


def whole(of: Imported) -> list[int]:
    return [int(wh) for wh in of.readings["y"]]


@pytest.mark.parametrize(
    "files",
    [
        {JANUARY: hours(0, 24)},
        {JANUARY: hours(0, 12), FEBRUARY: hours(12, 12)},
        {"August.csv": hours(12, 12), "July.csv": hours(0, 12) + "\x1a"},
        {"Export_1.csv": hours(0, 13), "Export_2.csv": hours(12, 12)},
        {JANUARY: hours(0, 12), FEBRUARY: hours(12, 12), f"__MACOSX/{JANUARY}": b"\0\1", "exports/.DS_Store": b"\0"},
    ],
    ids=["one", "two", "in another order", "with an hour in common", "with what a Mac puts beside"],
)  # fmt: skip
def test_its_files_are_one_table(files: dict[str, str | bytes], tmp_path: Path) -> None:
    got = imported(tmp_path, archive(files))
    assert whole(got) == TRUTH and got.warnings == ()


def test_green_button_files_are_one_table(tmp_path: Path) -> None:
    assert whole(imported(tmp_path, archive({"a.xml": green_button(0, 13), "b.xml": green_button(12, 12)}))) == TRUTH


def test_import_and_export_are_told_by_their_names(tmp_path: Path) -> None:
    exported = {f"export/{name} export.csv": hours(k, 12, lambda k: 0.05) for name, k in (("1", 0), ("2", 12))}
    drawn = {f"import/{name} import.csv": hours(k, 12) for name, k in (("1", 0), ("2", 12))}
    readings = imported(tmp_path, archive(exported | drawn)).readings
    assert readings["y"].tolist() == TRUTH and readings["export"].tolist() == [50] * 24


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    costs = "time,EUR\n2026-01-01,20\n"
    note: dict[str, str | bytes] = {"README.txt": "Hello.\n", "bill.pdf": b"%PDF-1.7", "costs.csv": costs}
    warnings = imported(tmp_path, archive({JANUARY: hours(0, 24), **note})).warnings
    assert all(any(name in warning for warning in warnings) for name in note)
    assert all(warning.startswith("not read") for warning in warnings)


def encrypted() -> bytes:
    content = bytearray(archive({JANUARY: hours(0, 24)}))
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(header) + flags] |= 1
    return bytes(content)


def damaged() -> bytes:
    content = bytearray(archive({JANUARY: hours(0, 24)}))
    content[60] ^= 0xFF
    return bytes(content)


REFUSED: dict[str, tuple[bytes, str]] = {
    "a damaged month": (
        archive({JANUARY: hours(0, 12), FEBRUARY: hours(12, 12) + "\0\0"}),
        r"zip/exports/2026-02.csv, line 14: has NUL",
    ),
    "a month that is cut off": (
        archive({JANUARY: hours(0, 12), FEBRUARY: hours(12, 12).replace("T05:00Z,", "T05:00Z,x")}),
        r"zip/exports/2026-02.csv, line \d+: the energy is not a number",
    ),
    "a time twice": (
        archive({JANUARY: hours(0, 13), FEBRUARY: hours(12, 12, lambda k: 0.5)}),
        r"zip/exports/2026-02.csv, line 2: the time appears twice, with different values",
    ),
    "no readings": (archive({"README.txt": "Your readings.\n"}), "zip/README.txt: is not a table"),
    "no files": (archive({"exports/": ""}), "without files"),
    "an archive in it": (archive({"a.zip": archive({JANUARY: hours(0, 24)})}), "zip/a.zip: is a zip archive within"),
    "a password": (encrypted(), "with a password.*unpack it, and import the files in it one by one"),
    "damage": (damaged(), "zip/exports/2026-01.csv: is damaged in the zip archive"),
    "several kinds": (archive({JANUARY: hours(0, 24), "a.xml": green_button(0, 24)}), "several kinds: unpack it"),
    "an OpenDocument workbook": (archive({"mimetype": "a", "content.xml": "<a/>"}), "save it as xlsx or CSV"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_named_with_its_file(case: str, tmp_path: Path) -> None:
    content, says = REFUSED[case]
    with pytest.raises(ImportRefused, match=says) as refused:
        imported(tmp_path, content)
    assert "wattproof-" not in str(refused.value)  # no name of a copy


def test_an_archive_of_more_than_a_file_can_have_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_MOST_BYTES", 100)
    with pytest.raises(ImportRefused, match="over 1000 files or 1 GB"):
        imported(tmp_path, archive({JANUARY: hours(0, 24)}))


def test_copies_go_with_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for content in (archive({JANUARY: hours(0, 24)}), REFUSED["a damaged month"][0]):
        with contextlib.suppress(ImportRefused):
            imported(tmp_path, content)
        assert [path.name for path in tmp_path.iterdir()] == ["export.zip"]
