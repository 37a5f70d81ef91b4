"""Traces: what is told of a step, what never is, and how spans of one day find their trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.config.community_yaml import ConfigError, parse
from api.config.traced import traced
from api.config.tracing import HomeDay, SettledPeriod, Subject, TrainingRound, current_traceparent, tracer
from api.config.tracing_settings import TracingSettings
from tests.support.otlp_receiver import Receiver, otlp_receiver

OF = HomeDay(b"c" * 32, "0x" + "ab" * 20, 20_500)
SECRET = "4071 Wh of elm-3, blinding 0x5eed"


class Refused(Exception):
    code = "late-forecast"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with otlp_receiver() as receiver:
        yield receiver


def settings(receiver: Receiver) -> TracingSettings:
    return TracingSettings(endpoint=receiver.url)


def test_without_an_endpoint_nothing_is_traced(collector: Receiver) -> None:
    with traced(TracingSettings(), "wattproof-gateway"):
        assert not tracer().is_on
        with tracer().step("submit forecast", OF) as step:
            step.set(kind="forecast")
            assert step.traceparent == current_traceparent() == ""
    assert collector.bodies == []


@pytest.mark.parametrize("by", ["the setting", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_an_endpoint_is_a_setting_or_the_standard_variable(
    by: str, collector: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by != "the setting":
        monkeypatch.setenv(by, collector.url)
    chosen = settings(collector) if by == "the setting" else TracingSettings()
    with traced(chosen, "wattproof-gateway"):
        tracer().past("sign readings", OF, 10, 20)
    assert not tracer().is_on
    (span,) = collector.spans
    assert (span.service, span.name, span.began_ns, span.ended_ns) == ("wattproof-gateway", "sign readings", 10, 20)
    assert span.attributes == {"wattproof.household": OF.household, "wattproof.day": OF.day}


def test_all_steps_of_a_day_are_one_trace_below_its_first(collector: Receiver) -> None:
    with traced(settings(collector), "wattproof-gateway"):
        tracer().past("readings imported", OF, 1, 2, first=True, round=3)
        with tracer().step("submit forecast", OF):
            handed = current_traceparent()
    with traced(settings(collector), "wattproof-server"):  # another process, or weeks later
        with tracer().step("take forecast", OF, handed), tracer().step("check forecast proof", OF):
            pass
        tracer().past("pay on chain", OF, 5, 6, transaction="0x12")
    spans = {span.name: span for span in collector.spans}
    trace, first = OF.ids
    assert {span.trace for span in spans.values()} == {f"{trace:032x}"}
    root = spans["readings imported"]
    assert (root.span, root.parent) == (f"{first:016x}", "")
    assert spans["submit forecast"].parent == spans["pay on chain"].parent == root.span
    assert spans["take forecast"].parent == spans["submit forecast"].span
    assert spans["check forecast proof"].parent == spans["take forecast"].span
    assert spans["pay on chain"].attributes["wattproof.transaction"] == "0x12"


def test_an_error_is_told_by_its_code_or_its_kind_and_never_by_its_text(collector: Receiver) -> None:
    with traced(settings(collector), "wattproof-server"):
        for error in (Refused(SECRET), ValueError(SECRET), _with_code(SECRET)):
            with pytest.raises(type(error)), tracer().step("take claim", OF):
                raise error
    assert [span.attributes["wattproof.code"] for span in collector.spans] == ["late-forecast", "ValueError", "_Odd"]
    assert all(span.failed for span in collector.spans)
    assert not any(part in body for body in collector.bodies for part in (b"4071", b"elm-3", b"5eed"))


class _Odd(Exception):
    pass


def _with_code(code: str) -> Exception:
    error = _Odd("")
    error.code = code  # type: ignore[attr-defined]
    return error


def test_an_attribute_that_is_not_listed_is_refused(collector: Receiver) -> None:
    with traced(settings(collector), "wattproof-gateway"):
        with pytest.raises(ValueError, match="no attribute readings"):
            tracer().past("sign readings", OF, 1, 2, readings=SECRET)
        with tracer().step("submit claim", OF) as step, pytest.raises(ValueError, match="no attribute home"):
            step.set(home="elm-3")
    assert not any(b"elm-3" in body for body in collector.bodies)


@given(st.text() | st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", fullmatch=True))
def test_a_stranger_s_traceparent_leads_nowhere_else(text: str) -> None:
    assert OF.parent_in(text) == OF.ids[1]
    trace, _ = OF.ids
    assert OF.parent_in(f"00-{trace:032x}-{7:016x}-00") == 7
    assert OF.parent_in(f"00-{trace:032x}-{0:016x}-01") == OF.ids[1]


def test_each_home_and_day_has_a_trace_of_its_own() -> None:
    others = [HomeDay(b"d" * 32, OF.household, OF.day), HomeDay(OF.community, "0x" + "ac" * 20, OF.day),
              HomeDay(OF.community, OF.household, OF.day + 1)]  # fmt: skip
    assert len({one.ids for one in (OF, *others)}) == 4
    assert OF.ids == HomeDay(b"c" * 32, "0x" + "AB" * 20, 20_500).ids


def test_a_collector_that_is_away_costs_nothing_but_its_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1")
    away = TracingSettings(endpoint="http://127.0.0.1:9")
    with traced(away, "wattproof-gateway"), tracer().step("submit forecast", OF):
        pass


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("collector:4318", "base URL"),
        ("ftp://collector", "base URL"),
        ("https://me:hunter2@collector:4318", "OTEL_EXPORTER_OTLP_HEADERS"),
    ],
)
def test_an_endpoint_that_is_none_or_holds_a_password_is_refused(url: str, problem: str, tmp_path: Path) -> None:
    text = f"community: {{name: Elm}}\ndata: {{source: none}}\ntracing: {{endpoint: '{url}'}}\n"
    with pytest.raises(ConfigError, match=problem) as refused:
        parse(text, "community.yaml")
    assert "hunter2" not in str(refused.value)


def test_rounds_and_periods_have_traces_of_their_own_which_every_machine_derives(collector: Receiver) -> None:
    community = b"c" * 32
    subjects: list[Subject] = [
        TrainingRound(community, "load", 3),
        TrainingRound(community, "export", 3),
        TrainingRound(b"d" * 32, "load", 3),
        SettledPeriod(community, 3, 9),
        SettledPeriod(community, 3, 10),
        OF,
    ]
    assert len({subject.ids for subject in subjects}) == len(subjects)
    with traced(settings(collector), "wattproof-coordinator"):
        for subject in subjects:
            tracer().past("training round", subject, 1, 2, first=True, homes=5, left_out=1)
    told = [span.attributes for span in collector.spans]
    assert told[0] == {
        "wattproof.quantity": "load",
        "wattproof.round": 3,
        "wattproof.homes": 5,
        "wattproof.left_out": 1,
    }
    assert {"wattproof.first_day": 3, "wattproof.last_day": 9}.items() <= told[3].items()
