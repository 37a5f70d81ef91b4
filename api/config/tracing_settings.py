"""The `tracing:` part of community.yaml, on each machine its own."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from data.address import is_address


class TracingSettings(BaseModel):
    """Where traces go, if anywhere."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    endpoint: str | None = Field(
        default=None,
        description="base URL of an OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318; "
        "not set: no traces (docs/tracing.md)",
    )

    @field_validator("endpoint")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not is_address(url, "http", "https"):
            raise ValueError("give the collector's base URL, such as http://127.0.0.1:4318")
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query:
            raise ValueError("put credentials into the environment variable OTEL_EXPORTER_OTLP_HEADERS, not here")
        return url.rstrip("/")
