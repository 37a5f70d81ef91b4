"""Live meters over the lines that they have: a serial port, TCP, WebSocket, HTTP, a broker, a folder."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from websockets.sync.server import ServerConnection, serve

from data.errors import SourceError
from data.sources import source as interface
from data.sources.home_assistant import HomeAssistant
from data.sources.line import read_until
from data.sources.mqtt import Mqtt, _number
from data.sources.settings import LiveSettings
from data.sources.source import Hour, Quarters, Register, source_named
from tests.data.sources.telegrams import dongle, p1_telegram, serial_line, sml_frame
from tests.support.mosquitto import LOGIN, broker

AT = datetime(2026, 1, 5, 12, 0, 7)
P1 = p1_telegram(AT, 1234.567, 2345.678, 98.765)
P1_READING = Register(datetime(2026, 1, 5, 11, 0, 7, tzinfo=UTC), 3_580_245, 98_765)
SML = sml_frame(12_345_678, 45_678)


def settings(source: str, **parts: Any) -> LiveSettings:
    return LiveSettings.model_validate({"source": source, **parts})


def test_p1_by_its_cable_and_by_a_dongle() -> None:
    with serial_line(P1) as port:
        assert list(source_named(settings("p1", path=port)).poll(None)) == [P1_READING]
    with dongle(P1) as address:
        assert list(source_named(settings("p1", address=address)).poll(None)) == [P1_READING]


def test_a_p1_telegram_that_was_garbled_is_passed_over() -> None:
    garbled = P1.replace(b"1234.567", b"9234.567")
    with dongle(garbled + P1) as address:
        assert list(source_named(settings("p1", address=address)).poll(None)) == [P1_READING]
    wanted = settings("p1", address=address)
    with pytest.raises(SourceError, match="can't be read: is the meter or its dongle there"):
        source_named(wanted).poll(None)


def test_sml_by_its_optical_head_and_by_a_dongle() -> None:
    for line, key in ((serial_line(SML), "path"), (dongle(SML), "address")):
        with line as where:
            (reading,) = source_named(settings("sml", **{key: where})).poll(None)
        assert isinstance(reading, Register)
        assert (reading.imported, reading.exported) == (1_234_568, 4568)
        assert abs((reading.taken - datetime.now(UTC)).total_seconds()) < 600


def test_an_sml_frame_whose_checksum_does_not_hold_is_nothing() -> None:
    with dongle(SML.replace(b"MADE", b"MAKE")) as address, pytest.raises(SourceError, match="no complete telegram"):
        read_until(settings("sml", address=address), 9600, lambda came: None, answer_s=0.5)


TOKEN = "made-up-token"
HOURS = {
    "sensor.grid_import": [120.0, 240.5, None, -5000.0, 310.0],
    "sensor.grid_export": [0.0, 10.0, 20.0, 30.0, 40.0],
}


FINE = {  # begins with the first hour: what was before it is not known, so that it has no quarters
    "sensor.grid_import": [10.0] * 12
    + [10.25, 10.25, 19.7]
    + [20.0] * 3
    + [30.0] * 3
    + [16.75, 16.75, 16.8]
    + [5.0] * 6,
    "sensor.grid_export": [0.0] * 12 + [0.0] * 3 + [1.0] * 3 + [0.0] * 3 + [2.0, 3.0, 2.0] + [5.0] * 6,
}


@contextmanager
def home_assistant(asked: list[dict[str, Any]], first: datetime) -> Iterator[str]:
    """What Home Assistant says to a client that logs in and asks for statistics."""

    def answer(socket: ServerConnection) -> None:
        socket.send(json.dumps({"type": "auth_required", "ha_version": "2026.10.0"}))
        if json.loads(socket.recv())["access_token"] != TOKEN:
            socket.send(json.dumps({"type": "auth_invalid", "message": "Invalid access token"}))
            return
        socket.send(json.dumps({"type": "auth_ok", "ha_version": "2026.10.0"}))
        question = json.loads(socket.recv())
        asked.append(question)
        every, changes = (
            (timedelta(minutes=5), FINE) if question["period"] == "5minute" else (timedelta(hours=1), HOURS)
        )
        result = {
            name: [
                {"start": (first + every * i).timestamp() * 1000, "end": 0, "change": change}
                for i, change in enumerate(changes[name])
            ]
            for name in question["statistic_ids"]
            if name in changes
        }
        socket.send(json.dumps({"id": question["id"], "type": "result", "success": True, "result": result}))

    with serve(answer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_home_assistants_statistics_are_hours(tmp_path: Path) -> None:
    """Hours without a change, or in which a meter was exchanged, are not known; one that is not over comes later."""
    (tmp_path / "token").write_text(TOKEN + "\n")
    asked: list[dict[str, Any]] = []
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    with home_assistant(asked, first) as address:
        options = {"import": "sensor.grid_import", "export": "sensor.grid_export"}
        wanted = settings("home-assistant", address=address, secret_file=tmp_path / "token", options=options)
        hours = list(source_named(wanted).poll(first))
        quarters = Quarters((40, 60, 90, 50), (0, 3, 0, 7))
        assert hours == [Hour(first, 120, 0), Hour(first + timedelta(hours=1), 240, 10, quarters=quarters)]
        assert asked[0]["start_time"] == first.isoformat() and asked[0]["units"] == {"energy": "Wh"}
        assert asked[1]["period"] == "5minute" and asked[1]["start_time"] < first.isoformat()
        other = wanted.model_copy(update={"options": {"import": "sensor.gas"}})
        with pytest.raises(SourceError, match=r"no statistics of 'sensor\.gas'"):
            source_named(other).poll(None)
        (tmp_path / "token").write_text("another")
        with pytest.raises(SourceError, match="refused the token") as refused:
            source_named(wanted).poll(None)
    assert "another" not in str(refused.value) + repr(source_named(wanted))


@pytest.fixture(scope="module")
def mqtt() -> Iterator[str]:
    with broker() as address:
        yield address


@contextmanager
def published(address: str, topic: str, *payloads: str, retain: bool = False) -> Iterator[None]:
    """Messages that come again and again while the block runs; one that is retained comes once, before it."""
    user, _, password = LOGIN.partition(":")
    host, _, port = address.partition(":")
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(user, password)
    client.connect(host, int(port))
    client.loop_start()
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.05):
            for payload in payloads:
                client.publish(topic, payload, qos=1)

    sender = threading.Thread(target=send)
    if retain:
        client.publish(topic, payloads[0], qos=1, retain=True).wait_for_publish(60)
    else:
        sender.start()
    try:
        yield
    finally:
        over.set()
        if not retain:
            sender.join()
        client.disconnect()
        client.loop_stop()


@pytest.mark.process
def test_mqtt_takes_what_is_published_and_nothing_that_was_retained(mqtt: str, tmp_path: Path) -> None:
    (tmp_path / "login").write_text(LOGIN)
    wanted = settings("mqtt", address=mqtt, secret_file=tmp_path / "login", options={"topic": "meter/total"})
    with published(mqtt, "meter/total", "8350.274"):
        (reading,) = source_named(wanted).poll(None)
    assert isinstance(reading, Register) and (reading.imported, reading.exported) == (8_350_274, None)
    with published(mqtt, "meter/total", "1.0", retain=True), pytest.raises(SourceError, match="retained"):
        list(Mqtt(wanted, answer_s=1).poll(None))
    (tmp_path / "login").write_text("elm:wrong horse")
    with pytest.raises(SourceError, match="refused the login") as refused:
        list(Mqtt(wanted, answer_s=60).poll(None))
    assert "horse" not in str(refused.value)


@pytest.mark.process
def test_mqtt_finds_registers_inside_messages(mqtt: str, tmp_path: Path) -> None:
    (tmp_path / "login").write_text(LOGIN)
    options = {"topic": "tele/SENSOR", "field": "ENERGY.in", "export_field": "ENERGY.out", "unit": "Wh"}
    wanted = settings("mqtt", address=mqtt, secret_file=tmp_path / "login", options=options)
    with published(mqtt, "tele/SENSOR", json.dumps({"ENERGY": {"in": 1500, "out": "20.4"}})):
        (reading,) = source_named(wanted).poll(None)
    assert isinstance(reading, Register) and (reading.imported, reading.exported) == (1500, 20)
    with published(mqtt, "tele/SENSOR", "offline"), pytest.raises(SourceError, match=r"no number at 'ENERGY\.in'"):
        source_named(wanted).poll(None)


def feed(first: datetime) -> str:
    rows = "".join(
        f"<IntervalReading><timePeriod><duration>3600</duration><start>{int(first.timestamp()) + 3600 * i}</start>"
        f"</timePeriod><value>{200 + i}</value></IntervalReading>"
        for i in range(24)
    )
    entry = f"<entry><content><IntervalBlock>{rows}</IntervalBlock></content></entry>"
    return f'<feed xmlns="http://naesb.org/espi">{entry}</feed>'


@pytest.mark.process
def test_green_button_that_a_utility_serves(tmp_path: Path) -> None:
    first = datetime(2026, 1, 5, tzinfo=UTC)
    (tmp_path / "token").write_text(TOKEN)

    class Utility(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(feed(first).encode() if allowed else b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Utility) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}/feed"
            wanted = settings("green-button", address=address, secret_file=tmp_path / "token")
            hours = list(source_named(wanted).poll(first + timedelta(hours=22)))
            assert hours == [Hour(first + timedelta(hours=h), 200 + h, None) for h in (22, 23)]
            with pytest.raises(SourceError, match="status 401"):
                source_named(settings("green-button", address=address)).poll(None)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.process
def test_exports_that_are_put_into_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def put(name: str, day: int, header: str = "timestamp,kwh,export_kwh") -> None:
        rows = "".join(f"2026-01-{day:02d} {h:02d}:00,0.2{h % 2}0,0.01\n" for h in range(24))
        (tmp_path / name).write_text(f"{header}\n{rows}")

    watched = source_named(settings("folder", path=tmp_path, options={"timezone": "UTC"}))
    put("monday.csv", 5)
    put("unfinished.csv.part", 6)
    assert [(h.imported, h.exported) for h in watched.poll(None) if isinstance(h, Hour)][:2] == [(200, 10), (210, 10)]
    assert list(watched.poll(None)) == []
    put("tuesday.csv", 6)
    with zipfile.ZipFile(tmp_path / "tuesday.zip", "w") as archive:
        archive.write(tmp_path / "tuesday.csv", "tuesday.csv")
        archive.writestr("note.txt", "Your readings.")
    (tmp_path / "tuesday.csv").unlink()
    put("odd.csv", 7, header="a,b,c")
    hours = list(watched.poll(None))
    assert len(hours) == 24 and isinstance(hours[0], Hour) and hours[0].start.day == 6
    reasons = [record.__dict__["reason"] for record in caplog.records]
    assert any("odd.csv" in reason for reason in reasons) and any("note.txt" in reason for reason in reasons)
    with pytest.raises(SourceError, match="can't be read"):
        source_named(settings("folder", path=tmp_path / "gone")).poll(None)


class Plugged:
    """A source of somebody else's."""

    def poll(self, since: datetime | None) -> list[Register]:
        return [Register(AT.replace(tzinfo=UTC), 1, None)]


def open_plugged(_settings: LiveSettings) -> Plugged:
    return Plugged()


def test_others_plug_in_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints([EntryPoint("mine", f"{__name__}:open_plugged", interface.SOURCES)])
    monkeypatch.setattr(EntryPoint, "load", lambda _point: open_plugged)
    monkeypatch.setattr(interface, "plug_ins", lambda group: points.select(group=group))
    assert list(source_named(settings("mine")).poll(None)) == [Register(AT.replace(tzinfo=UTC), 1, None)]
    with pytest.raises(SourceError, match=r"unknown source 'other': known are p1, sml.*mine"):
        source_named(settings("other"))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"source": "p1", "address": "a:1", "options": {"speed": 9600}}, "p1 has no option speed"),
        ({"source": "mqtt", "address": "a:1"}, "needs the option topic"),
        ({"source": "mqtt", "address": "a", "options": {"topic": "t"}}, "host:port"),
        ({"source": "home-assistant", "options": {"import": "x"}}, "needs data.live.address"),
        ({"source": "home-assistant", "address": "ws://a", "options": {"import": "x"}}, "needs a secret"),
        ({"source": "green-button"}, "needs one of"),
        ({"source": "folder"}, "needs data.live.path"),
    ],
)
def test_settings_that_can_not_be_used(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceError, match=words):
        source_named(LiveSettings.model_validate(parts))
    with pytest.raises(SourceError, match=r"needs one of data\.live\.path"):
        source_named(settings("p1")).poll(None)


@pytest.mark.parametrize(
    "row", [{"start": 1e300, "change": 1}, {"start": 1e20, "change": 1}, {"start": 0, "change": 1e999}]
)
def test_statistics_that_no_meter_has_are_refused(
    row: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that no time or energy is must not end the agent's poll with an error of another kind."""
    (tmp_path / "token").write_text(TOKEN)
    wanted = settings(
        "home-assistant", address="ws://h:1", secret_file=tmp_path / "token", options={"import": "grid"}
    )
    monkeypatch.setattr(HomeAssistant, "_ask", lambda *asked: {"grid": [row]})
    with pytest.raises(SourceError, match="unknown form"):
        HomeAssistant(wanted).poll(None)


@pytest.mark.parametrize("payload", [b"[" * 100_000, b"1" + b"0" * 400, b"1e999", b"\xff", b"NaN"])
def test_a_message_without_a_registers_number_is_refused(payload: bytes) -> None:
    with pytest.raises(SourceError, match="a message has"):
        _number(payload, None)
