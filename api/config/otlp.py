"""Spans to an OpenTelemetry collector, by OTLP over HTTP. Loaded only where an endpoint is set.

Sampling, headers, time limits and resource attributes are OpenTelemetry's own environment variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, set_span_in_context
from opentelemetry.trace import Span as OtelSpan

from api.config.tracing import ATTRIBUTES, Span, Subject, Tracer, as_current, current_traceparent

_PREFIX = "wattproof."
_given: ContextVar[tuple[int, int] | None] = ContextVar("ids of the first span", default=None)


class OtlpTracer(Tracer):
    """Sends spans in the background; a collector that is away costs them, and nothing else.

    `endpoint`: a base URL; None: that of the environment.
    """

    is_on = True

    def __init__(self, endpoint: str | None, service: str) -> None:
        exporter = OTLPSpanExporter() if endpoint is None else OTLPSpanExporter(f"{endpoint}/v1/traces")
        resource = Resource.create({"service.name": service, "service.version": version("wattproof")})
        self._provider = TracerProvider(resource=resource, id_generator=_Ids(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("wattproof")

    @contextmanager
    def step(self, name: str, of: Subject, parent: str = "", **attributes: str | int) -> Iterator[Span]:
        span = self._tracer.start_span(
            name, _below(of, parent or current_traceparent()), attributes=_named(of, attributes)
        )
        doing = _Recorded(span)
        try:
            with as_current(doing.traceparent):
                yield doing
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR))
            span.set_attribute(f"{_PREFIX}code", _code(error))
            raise
        finally:
            span.end()

    def past(
        self, name: str, of: Subject, began_ns: int, ended_ns: int, *, first: bool = False, **attributes: str | int
    ) -> None:
        token = _given.set(of.ids if first else None)
        try:
            context = Context() if first else _below(of, "")
            span = self._tracer.start_span(name, context, attributes=_named(of, attributes), start_time=began_ns)
        finally:
            _given.reset(token)
        span.end(ended_ns)

    def close(self) -> None:
        self._provider.shutdown()


class _Recorded(Span):
    def __init__(self, span: OtelSpan) -> None:
        self._span = span
        told = span.get_span_context()
        self.traceparent = f"00-{told.trace_id:032x}-{told.span_id:016x}-{told.trace_flags:02x}"

    def set(self, **attributes: str | int) -> None:
        self._span.set_attributes(_prefixed(attributes))


class _Ids(RandomIdGenerator):
    """The first span of a trace has ids that are given, all others random ones."""

    def generate_trace_id(self) -> int:
        given = _given.get()
        return super().generate_trace_id() if given is None else given[0]

    def generate_span_id(self) -> int:
        given = _given.get()
        return super().generate_span_id() if given is None else given[1]


def _below(of: Subject, traceparent: str) -> Context:
    """The context of a span of the trace."""
    trace, _ = of.ids
    parent = SpanContext(trace, of.parent_in(traceparent), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(parent), Context())


def _named(of: Subject, attributes: Mapping[str, str | int]) -> dict[str, str | int]:
    return {f"{_PREFIX}{name}": value for name, value in of.attributes.items()} | _prefixed(attributes)


def _prefixed(attributes: Mapping[str, str | int]) -> dict[str, str | int]:
    if unknown := attributes.keys() - ATTRIBUTES:
        raise ValueError(f"a span has no attribute {', '.join(sorted(unknown))}")
    return {f"{_PREFIX}{name}": value for name, value in attributes.items()}


def _code(error: BaseException) -> str:
    """A refusal's code, or the error's kind: never its text, which may quote a value."""
    code = getattr(error, "code", None)
    return (
        code
        if isinstance(code, str) and code.replace("-", "").isalnum() and len(code) <= 40
        else type(error).__name__
    )
