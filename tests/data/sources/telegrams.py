"""Telegrams of meters with made-up values, and what passes them on: a serial line, a TCP dongle."""

from __future__ import annotations

import os
import socket
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sml import Crc


def p1_telegram(at: datetime, low: float, normal: float, returned: float) -> bytes:
    """An ESMR 5 telegram of a winter day, local time of the meter."""
    body = "\r\n".join(
        [
            "/Ene5\\T210-D ESMR5.0", "", "1-3:0.2.8(50)", f"0-0:1.0.0({at:%y%m%d%H%M%S}W)",
            f"1-0:1.8.1({low:010.3f}*kWh)", f"1-0:1.8.2({normal:010.3f}*kWh)", f"1-0:2.8.1({returned:010.3f}*kWh)",
            "1-0:2.8.2(000000.000*kWh)", "1-0:1.7.0(00.250*kW)", "!",
        ]
    )  # fmt: skip
    return f"{body}{crc16(body):04X}\r\n".encode()


def crc16(text: str) -> int:
    """The checksum of a P1 telegram (CRC-16/ARC)."""
    value = 0
    for byte in text.encode():
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0xA001 if value & 1 else 0)
    return value


def sml_frame(imported: int, exported: int) -> bytes:
    """An SML file with one GetList response: registers in tenths of a Wh, and a power."""

    def octets(value: bytes) -> bytes:
        return bytes([len(value) + 1]) + value

    def entry(obis: bytes, unit: int, scaler: int, value: int) -> bytes:
        number = b"\x69" + value.to_bytes(8, "big", signed=True)
        return b"\x77" + octets(obis) + b"\x01\x01" + bytes([0x62, unit, 0x52, scaler & 0xFF]) + number + b"\x01"

    entries = [
        entry(b"\x01\x00\x01\x08\x00\xff", 30, -1, imported),
        entry(b"\x01\x00\x02\x08\x00\xff", 30, -1, exported),
        entry(b"\x01\x00\x10\x07\x00\xff", 27, 0, 250),
    ]
    response = b"\x77\x01" + octets(b"\x0a\x01MADE\x00\x00\x00\x01") + b"\x01\x01" + bytes([0x70 + len(entries)])
    response += b"".join(entries) + b"\x01\x01"
    body = b"\x76" + octets(b"\x01\x02") + b"\x62\x00\x62\x00\x72\x63\x07\x01" + response
    body += b"\x63" + Crc.crc16(body).to_bytes(2, "big") + b"\x00"
    padding = -len(body) % 4
    frame = (
        b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01" + body + b"\x00" * padding + b"\x1b\x1b\x1b\x1b\x1a" + bytes([padding])
    )
    return frame + Crc.crc16(frame).to_bytes(2, "big")


@contextmanager
def serial_line(content: bytes) -> Iterator[Path]:
    """A serial port on which `content` comes again and again."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.05):
            os.write(ours, content)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield Path(os.ttyname(theirs))
    finally:
        over.set()
        while sender.is_alive():  # it may wait for somebody to read
            sender.join(0.05)
            os.set_blocking(theirs, False)
            try:
                os.read(theirs, 1 << 16)
            except BlockingIOError:
                continue
        os.close(ours)
        os.close(theirs)


@contextmanager
def dongle(content: bytes) -> Iterator[str]:
    """The host:port of a dongle that sends `content` to whoever connects, again and again, in pieces, beginning in
    the middle."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.sendall(content[len(content) // 2 :])
                    while not over.wait(0.05):
                        connection.sendall(content[:20])
                        connection.sendall(content[20:])
                except OSError:  # the other side has closed
                    continue

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join()
