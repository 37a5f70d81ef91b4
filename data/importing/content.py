"""What a file is, judged by its bytes: text and its encoding, a workbook, XML, JSON; or something without
readings."""

import codecs
import re
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from data.errors import ImportRefused, NoReadings

Kind = Literal["csv", "json", "xml", "xlsx", "nem12", "p1"]
_BLOCK = 1 << 20
_HEAD = 1 << 16
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1b\x7f]")
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_HTML = "is a web page, perhaps one that is named xls: open it in a spreadsheet, and save it as xlsx or CSV"
_EDIFACT = "is a message of the energy market (EDIFACT, such as MSCONS): export a table from the portal"
_PDF = "is a PDF: download the readings as CSV or Excel instead"
_BINARY = "is binary, not text: download the readings as CSV or Excel"
_OTHER_ENCODING = (
    "is text in an encoding that is not known (known are UTF-8, UTF-16, Latin-1 and Shift-JIS): open it in a "
    "spreadsheet, and save it as xlsx or as CSV in UTF-8"
)
_PACKED = {
    b"\x1f\x8b": "is compressed (gz): unpack it first, with gunzip",
    b"BZh": "is compressed (bzip2): unpack it first, with bunzip2",
    b"\xfd7zXZ": "is compressed (xz): unpack it first, with unxz",
    b"7z\xbc\xaf": "is a 7z archive: unpack it first",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook (xls): save it as xlsx or CSV",
    b"PAR1": "is a Parquet file: save it as CSV",
    b"SQLite format 3": "is a database: export its readings as CSV",
}


def kind_of(path: Path) -> tuple[Kind, str]:
    """The kind of a file and its encoding (empty for a workbook and XML, which say it themselves).

    Raises ImportRefused for a file that is missing, empty, compressed, or not text.
    """
    if not path.is_file():
        raise ImportRefused(path, "there is no such file")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip():
        raise NoReadings(path, "is empty: there are no readings in it")
    if head.startswith(b"%PDF"):
        raise NoReadings(path, _PDF)
    for magic, problem in _PACKED.items():
        if head.startswith(magic):
            raise ImportRefused(path, problem)
    if head.startswith(b"PK"):
        return _packed_or_workbook(path)
    encoding = _encoding(path, head)
    start = head.decode(encoding, errors="ignore").lstrip("\ufeff \t\r\n")
    if re.match(r"<(!doctype html|html|table|body|head)\b", start, re.IGNORECASE):
        raise NoReadings(path, _HTML)
    if re.match(r"UN[AB][+:]", start):
        raise NoReadings(path, _EDIFACT)
    if start.startswith("<"):
        return "xml", ""
    if start.startswith(("{", "[")):
        return "json", encoding
    if re.match(r"100,NEM1[23]\b|200,\w{10,11},", start):
        return "nem12", encoding
    if re.match(r"/\S{3,}.*\s", start) and re.search(r"^\d-\d:\d+\.\d+\.\d+\(", start, re.MULTILINE):
        return "p1", encoding
    return "csv", encoding


def _packed_or_workbook(path: Path) -> tuple[Kind, str]:
    """A workbook, told from other zip archives by its parts."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        raise ImportRefused(path, "is a damaged zip archive or xlsx workbook: download it again") from None
    if "[Content_Types].xml" in names:
        return "xlsx", ""
    if "mimetype" in names:
        raise ImportRefused(path, "is an OpenDocument workbook: save it as xlsx or CSV")
    raise ImportRefused(path, "is a zip archive within another: unpack it, and import the files in it one by one")


def _encoding(path: Path, head: bytes) -> str:
    """UTF-8, UTF-16 by its mark, or for what has none of the bytes that text never has, Latin-1 or Shift-JIS."""
    for mark, encoding in _BOMS.items():
        if head.startswith(mark):
            _decode(path, encoding)
            return encoding
    if head[1::2].count(0) > len(head) // 4 and not any(head[0:200:2].count(b) for b in (0,)):
        _decode(path, "utf-16-le")
        return "utf-16-le"
    if head[0::2].count(0) > len(head) // 4 and not any(head[1:200:2].count(b) for b in (0,)):
        _decode(path, "utf-16-be")
        return "utf-16-be"
    _refuse_nul(path)
    for encoding, is_likely in _LIKELY.items():
        try:
            _decode(path, encoding)
        except UnicodeDecodeError:
            continue
        text = head.decode(encoding, errors="ignore")
        if not _CONTROL.search(text) and is_likely(text):
            return encoding
    raise NoReadings(path, _BINARY if _CONTROL.search(head.decode("latin-1")) else _OTHER_ENCODING)


def _few_odd_letters(text: str) -> bool:
    """Whether text of a one-byte encoding is of a language: letters with accents are few."""
    return sum(character > "\x7f" for character in text) * 5 <= len(text)


def _is_japanese(text: str) -> bool:
    """Whether all letters beyond ASCII are Japanese, none of half the width, as accents of other encodings become."""
    return all(
        unicodedata.name(letter, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH", "IDEOGRAPHIC"))
        for letter in set(text)
        if letter > "\x7f"
    )


_LIKELY: dict[str, Callable[[str], bool]] = {
    "utf-8": lambda _: True,
    "cp1252": _few_odd_letters,
    "cp932": _is_japanese,
}
"""Encodings in the order in which they are tried, and whether a text read by them is one."""


def _refuse_nul(path: Path) -> None:
    """Refuse NUL bytes, which a power cut leaves where a file was being written."""
    lines = 1
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            at = block.find(b"\0")
            if at >= 0:
                lines += block[:at].count(b"\n")
                text = _CONTROL.sub("", block[:200].decode("utf-8", errors="replace"))
                if "\ufffd" in text:
                    raise NoReadings(path, _BINARY)
                problem = "has NUL bytes, so it was damaged when it was written: delete them, or download it again"
                raise ImportRefused(path, problem, lines)
            lines += block.count(b"\n")


def _decode(path: Path, encoding: str) -> None:
    """Decode the whole file. Raises UnicodeDecodeError; ImportRefused where a byte order mark promised otherwise."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        if encoding in _LIKELY:
            raise
        raise ImportRefused(path, f"is damaged {encoding.upper()} text: download it again") from None
