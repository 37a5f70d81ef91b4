"""The `community:`, `api:` and `gateway:` parts of community.yaml: who the community is, and where its API is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from eth_hash.auto import keccak
from eth_utils.address import is_address, to_checksum_address
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from data.address import Host, Port
from data.address import is_address as is_url
from data.failures import quotable
from data.home_name import HOME_NAME
from data.quantity import Quantity


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError(f"{quotable(text) or 'it'} is not an address: 0x and 40 hexadecimal digits, in quotes")
    return to_checksum_address(text)


Address = Annotated[str, AfterValidator(_address)]


class ReplacedMeter(BaseModel):
    """A meter that another one has replaced; where a chain is in use, its registry has the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    meter: Address = Field(description="address of that meter")
    last_date: date = Field(description="the last day that it counted")


class HouseholdEntry(BaseModel):
    """A household that has its own gateway, as `community.members` lists it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    household: Address = Field(description="address of its wallet, as `wattproof identity` prints it")
    meter: Address = Field(description="address of its meter")
    replaced: tuple[ReplacedMeter, ...] = Field(
        default=(), description="meters that were there before, oldest first: `settle` counts their days as well"
    )
    home: str | None = Field(
        default=None,
        pattern=f"^{HOME_NAME}$",
        description="its gateway's name, as in keys/agents/HOME.pub; none: it takes part in no total",
    )

    @model_validator(mode="after")
    def _one_after_the_other(self) -> Self:
        before = [old.last_date for old in self.replaced]
        if any(later <= earlier for earlier, later in pairwise(before)):
            raise ValueError(
                f"replaced of household {self.household}: each last_date has to be later than the one before; list "
                "the oldest meter first, as `wattproof identity` does"
            )
        meters = [*(old.meter for old in self.replaced), self.meter]
        if any(old == new for old, new in pairwise(meters)):
            raise ValueError(f"replaced of household {self.household}: a meter is not replaced by itself")
        return self


def _repeated(names: Sequence[str]) -> list[str]:
    """Those that are there more than once, in order."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


class CommunitySettings(BaseModel):
    """The community's name; its 32-byte identifier, which every proof carries, follows from it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=100, description="never change it: proofs are bound to it")
    members: tuple[HouseholdEntry, ...] = Field(
        default=(), description="on the server: households with their own gateways, enrolled at start-up"
    )

    @field_validator("name")
    @classmethod
    def _legible(cls, name: str) -> str:
        if not name.isprintable() or not name.strip():
            raise ValueError("a name has letters, and no line breaks, control or invisible characters")
        return name

    @model_validator(mode="after")
    def _distinct_homes(self) -> Self:
        named = [member.home for member in self.members if member.home is not None]
        if twice := _repeated(named):
            raise ValueError(
                f"community.members names {', '.join(twice)} more than once: gateway names must be unique"
            )
        households = [member.household for member in self.members]
        if again := _repeated(households):
            raise ValueError(
                f"community.members has {', '.join(again)} more than once: a household's new line goes in place "
                "of the one before"
            )
        meters = [member.meter for member in self.members]
        if shared := _repeated(meters):
            raise ValueError(
                f"community.members gives meter {', '.join(shared)} to several households: each has its own"
            )
        return self

    @property
    def identifier(self) -> bytes:
        """Keccak-256 of the name, 32 bytes."""
        return keccak(b"wattproof/community/" + self.name.encode())


class HomeAssistantSettings(BaseModel):
    """The household's own MQTT broker, where its Home Assistant finds forecast, record and tokens as sensors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    broker: str = Field(pattern=r"^[^\s/:@]+:\d{1,5}$", description="host:port")
    secret_file: Path | None = Field(default=None, description="file with USER:PASSWORD of the broker")
    tls: bool = Field(default=False, description="speak TLS with the broker")
    prefix: str = Field(
        default="homeassistant", pattern=r"^[\w/-]+$", description="Home Assistant's discovery prefix"
    )


class GatewaySettings(BaseModel):
    """Where a gateway submits its forecasts and claims, and what its household signs for."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_url: str | None = Field(
        default=None,
        repr=False,
        description="the community's API, https://...; not set: bundles stay on the gateway",
    )
    chain_id: int | None = Field(
        default=None,
        ge=1,
        description="the only chain the household signs for; not set: the one the API names at first contact",
    )
    forecast_registry: Address | None = Field(
        default=None, description="the only contract it signs for; not set: the one the API names at first contact"
    )
    rpc_url: SecretStr | None = Field(
        default=None, description="a chain node the household trusts; model and registration are checked there"
    )
    export_models: Address | None = Field(
        default=None,
        description="with rpc_url: the registry of models of export (export-model-registry.json), to check them by",
    )
    challenges: Address | None = Field(
        default=None,
        description="with rpc_url: the contract where forecasts are challenged (contracts.json); the home then "
        "answers by itself where the server does not",
    )
    green_shares: bool = Field(
        default=True,
        description="prove what percentage of each claimed day's load was green, where the community says how green "
        "its hours are; the percentage is public",
    )
    max_fee: float = Field(
        default=0.01, gt=0, description="most that one transaction may cost, in the chain's coin (10^18 units)"
    )
    retry_max_s: float = Field(default=300, gt=0, description="longest wait before the API is retried")
    give_up_hours: float = Field(default=48, gt=0, description="submissions still unsent by then are abandoned")
    roster: Path | None = Field(
        default=None,
        description="file of the homes that this home sums with, from `wattproof roster`; none: it enters no total",
    )
    fewest_in_total: int = Field(
        default=5, ge=3, description="it enters no total that could be opened for fewer homes, whatever the API says"
    )

    home_assistant: HomeAssistantSettings | None = Field(
        default=None, description="sensors in the household's own Home Assistant, by its MQTT broker"
    )

    @model_validator(mode="after")
    def _node_needs_registry(self) -> Self:
        if self.rpc_url and self.forecast_registry is None:
            raise ValueError("gateway.rpc_url needs gateway.forecast_registry, the contract to look at there")
        if self.export_models and self.rpc_url is None:
            raise ValueError("gateway.export_models needs gateway.rpc_url, the node to look at it by")
        if self.challenges and self.rpc_url is None:
            raise ValueError("gateway.challenges needs gateway.rpc_url, the node by which the household answers")
        return self

    @property
    def most_fee(self) -> int:
        """`max_fee` in the chain's smallest unit."""
        return int(self.max_fee * 10**18)

    @field_validator("api_url", "rpc_url")
    @classmethod
    def _safe(cls, url: str | SecretStr | None) -> str | SecretStr | None:
        if url is None:
            return None
        text = url if isinstance(url, str) else url.get_secret_value()
        local = is_url(text, "http") and urlsplit(text).hostname in ("127.0.0.1", "localhost", "::1")
        if not (is_url(text, "https") or local):
            raise ValueError(
                "the address must begin with https://, and have a host and no port beyond 65535 (http:// is allowed "
                "for this machine only)"
            )
        return text.rstrip("/") if isinstance(url, str) else SecretStr(text.rstrip("/"))


class ApiSettings(BaseModel):
    """State on disk, the database, and the HTTP server."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    state_dir: Path = Field(default=Path("state"), description="rounds, models, proofs, keys; keep it private")
    database_url: SecretStr | None = Field(
        default=None, description="any SQLAlchemy URL, such as postgresql+psycopg://...; none: SQLite in state_dir"
    )
    host: Host = Field(default="127.0.0.1", description="address the server listens on (0.0.0.0: all interfaces)")
    port: Port = 8000
    max_upload_kb: int = Field(default=512, ge=16, le=16_384, description="larger uploads are refused")
    workers: int = Field(default=2, ge=1, description="proofs made at the same time by `forecast` and `demo`")
    verifiers: int = Field(default=2, ge=1, le=64, description="processes of the server that check proofs")
    sum_phase_s: float = Field(
        default=900, gt=0, description="how long a phase of a day's total waits for the last gateways"
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+$",
        description="where people open the page, https://...; wallets sign for it; none: host and port",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description="web pages of others that may read the API, as [https://example.org]; none: no other"
    )
    reads_per_minute: int = Field(default=6000, ge=0, description="of one address, 429 beyond; 0: no limit")
    writes_per_minute: int = Field(default=600, ge=0, description="of one address, 429 beyond; 0: no limit")
    managers: tuple[Address, ...] = Field(default=(), description="wallets that may see the manager's page")
    auditors: tuple[Address, ...] = Field(default=(), description="wallets that may see what auditors see")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("public_url")
    @classmethod
    def _has_a_port_that_there_can_be(cls, url: str | None) -> str | None:
        if url is not None and not is_url(url, "http", "https"):
            raise ValueError("write https://HOST, or https://HOST:PORT with a port from 1 to 65535")
        return url

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, told: tuple[str, ...]) -> tuple[str, ...]:
        for origin in told:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or not parts.netloc
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError(f"{quotable(origin) or 'it'} is no origin: write https://HOST, without a path")
        return told

    @property
    def origin(self) -> str:
        """Where people open the page."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def database(self) -> str:
        """The URL of the database in use, with its password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.database_file}"

    @property
    def database_file(self) -> Path:
        """The SQLite file that is the database where `database_url` names none."""
        return self.state_dir / "wattproof.sqlite"

    @property
    def homes_dir(self) -> Path:
        """One folder per home on this machine, readable by its owner only."""
        return self.state_dir / "homes"

    @property
    def proofs_dir(self) -> Path:
        """Bundles by day and home."""
        return self.proofs_of("load")

    def folder_of(self, quantity: Quantity) -> Path:
        """Rounds and the homes' windows of a quantity: that of load is the state folder itself."""
        return self.state_dir if quantity == "load" else self.state_dir / quantity

    def proofs_of(self, quantity: Quantity) -> Path:
        """Bundles of a quantity by day and home."""
        return self.folder_of(quantity) / "proofs"

    @property
    def claims_dir(self) -> Path:
        """On a gateway: bundles of claims by day and home."""
        return self.state_dir / "claims"

    @property
    def green_dir(self) -> Path:
        """On a gateway: bundles of green shares by day and home."""
        return self.state_dir / "green"

    @property
    def outbox_dir(self) -> Path:
        """On a gateway: what has been submitted and what still has to be."""
        return self.state_dir / "outbox"

    @property
    def sums_dir(self) -> Path:
        """On a gateway: its state in the community's totals, with one-time secrets."""
        return self.state_dir / "sums"

    @property
    def shares_dir(self) -> Path:
        """On a gateway: its home's shares of settled periods, as they are submitted."""
        return self.state_dir / "shares"

    @property
    def settlements_dir(self) -> Path:
        """The settled periods, one folder each."""
        return self.state_dir / "settlements"

    @property
    def surplus_dir(self) -> Path:
        """Days with their surplus hours, one folder each."""
        return self.state_dir / "surplus"

    @property
    def model_dir(self) -> Path:
        """On a gateway: the community's model of load as distributed."""
        return self.model_of("load")

    def model_of(self, quantity: Quantity) -> Path:
        """On a gateway: the community's model of a quantity as distributed."""
        return self.folder_of(quantity) / "model"
