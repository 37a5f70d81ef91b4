"""Whether this process traces: the `tracing:` part of community.yaml, or OpenTelemetry's own variables."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from api.config.tracing import installed
from api.config.tracing_settings import TracingSettings

_STANDARD_VARIABLES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"


def is_traced(settings: TracingSettings) -> bool:
    """Whether an endpoint is set. Raises ModuleNotFoundError if one is, and the extra `tracing` is not installed."""
    if settings.endpoint is None and not any(os.environ.get(name) for name in _STANDARD_VARIABLES):
        return False
    from api.config.otlp import OtlpTracer  # noqa: F401

    return True


@contextmanager
def traced(settings: TracingSettings, service: str) -> Iterator[None]:
    """Trace while the block runs, if an endpoint is set."""
    if not is_traced(settings):
        yield
        return
    from api.config.otlp import OtlpTracer

    with installed(OtlpTracer(settings.endpoint, service)):
        yield
