"""community.yaml: one file, a part for each package, validated before anything runs.

Every problem is reported with the file, the line, the key's path, what is wrong and what to do. The value is quoted
unless it could be a secret. Paths in the file are relative to the file's folder, wherever a command is started.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from api.config.odd_values import odd_values
from api.config.replay_settings import ReplaySettings
from api.config.settings import ApiSettings, CommunitySettings, GatewaySettings
from api.config.settlement_settings import SettlementSettings
from api.config.tracing_settings import TracingSettings
from api.config.yaml_tree import KeyPath, YamlProblem, YamlTree
from data.failures import quotable
from data.settings import DataSettings
from fl.settings import FederationSettings
from forecasting.settings import ForecastingSettings
from rewards.settings import RewardSettings

_Settings = TypeVar("_Settings", bound=BaseModel)

RENAMED = {"federation.deployment.duty_s": "task_interval_s"}
"""Settings of earlier releases, and what they are called now."""
_SETTINGS_OF_ITS_OWN = "needs settings of its own under it, as `name: value`; without any, leave it out"
_FORMS = {
    "model_type": _SETTINGS_OF_ITS_OWN,
    "dict_type": _SETTINGS_OF_ITS_OWN,
    "tuple_type": "is a list: put it in brackets, as [a, b]",
    "string_unicode": "has half a character (\\ud800 to \\udfff): take it out",
}
"""What is asked of settings, by pydantic's kind of mistake."""
_PLAIN = {"path_type": "write one path, as a text", "string_type": "write one text"}
"""Of lists and parts where a text belongs: pydantic names its own types."""


class ConfigError(ValueError):
    """A configuration that cannot be used; one line for each problem."""


class Config(BaseModel):
    """All settings of a community."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    community: CommunitySettings
    data: DataSettings
    forecasting: ForecastingSettings = ForecastingSettings()
    federation: FederationSettings = FederationSettings()
    rewards: RewardSettings = RewardSettings()
    api: ApiSettings = ApiSettings()
    gateway: GatewaySettings = GatewaySettings()
    settlement: SettlementSettings = SettlementSettings()
    replay: ReplaySettings | None = None
    tracing: TracingSettings = TracingSettings()

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.rewards.rpc_url and self.rewards.key_file is None:
            raise ValueError("rewards.rpc_url needs rewards.key_file, the operator's funded key")
        if self.data.weather_from == "operator" and self.gateway.api_url is None:
            raise ValueError("data.weather_from: operator needs gateway.api_url, where the feed is fetched from")
        if self.replay is not None:
            self._replay_fits(self.replay)
        return self

    def _replay_fits(self, replay: ReplaySettings) -> None:
        """Raises ValueError."""
        if self.rewards.rpc_url is not None or self.rewards.clock != "machine":
            raise ValueError("replay: needs the embedded chain: leave out rewards.rpc_url and rewards.clock")
        if replay.recorded is None:
            return
        if self.gateway.api_url is None:
            raise ValueError("replay.recorded needs gateway.api_url, the server whose recorded time counts")
        if self.data.source != "files" or len(self.data.files) != 1 or self.data.live is not None:
            raise ValueError(
                "replay.recorded needs data.source: files, one path under data.files, where recorded hours arrive, "
                "and no data.live"
            )


def load(path: Path) -> Config:
    """The configuration in `path`, its own paths relative to that file's folder. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: not found. Create it with `wattproof init`, or name another file with --config"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: cannot be read: it is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    return anchored(parse(text, str(path)), path.absolute().parent)


def parse(text: str, name: str) -> Config:
    """The configuration written in `text`, called `name` in messages. Raises ConfigError."""
    try:
        tree = YamlTree(text)
    except YamlProblem as problem:
        where = name if problem.line is None else f"{name}, line {problem.line}"
        raise ConfigError(f"{where}: {problem}") from None
    if not isinstance(tree.content, dict):
        raise ConfigError(f"{name}: is not a settings file; see community.example.yaml for its form")
    try:
        config = Config.model_validate(tree.content)
    except ValidationError as error:
        problems = [_explain(problem, tree, name) for problem in error.errors(include_url=False)]
        raise ConfigError("\n".join(problems)) from None
    if odd := list(odd_values(config, tree)):
        lines = [f"{_where(path, tree, name)}: {'.'.join(map(str, path))} {what}" for path, what in odd]
        raise ConfigError("\n".join(line + _description(path) for line, (path, _) in zip(lines, odd, strict=True)))
    return config


def anchored(settings: _Settings, folder: Path) -> _Settings:
    """The settings with relative paths (defaults included) resolved against `folder`, and ~ against the user's
    home."""
    found: dict[str, Any] = {}
    for name, value in settings:
        if isinstance(value, BaseModel):
            found[name] = anchored(value, folder)
        elif isinstance(value, Path):
            found[name] = folder / _expanded(value)
        elif isinstance(value, tuple) and any(isinstance(part, Path) for part in value):
            found[name] = tuple(folder / _expanded(part) for part in value)
    return settings.model_copy(update=found)


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ConfigError(f"{path}: this machine has no home folder for that user; write the path in full") from None


def _where(path: KeyPath, tree: YamlTree, name: str) -> str:
    line = tree.line_of(path)
    return name if line is None else f"{name}, line {line}"


def _explain(problem: ErrorDetails, tree: YamlTree, name: str) -> str:
    path: KeyPath = problem["loc"]
    where = _where(path, tree, name)
    key = ".".join(map(str, path))
    misread = tree.misread(path)
    match problem["type"]:
        case "extra_forbidden":
            renamed = f"; it is now called {RENAMED[key]}" if key in RENAMED else _suggestion(path)
            return f"{where}: {key} is not a setting{renamed}"
        case "missing":
            return f"{where}: {key} is missing; add it{_description(path)}"
        case "value_error":
            return f"{where}: {key + ': ' if key else ''}{problem['msg'].removeprefix('Value error, ')}"
        case "model_type" | "dict_type" | "tuple_type" | "string_unicode" as kind:
            return f"{where}: {key} {_FORMS[kind]}{_description(path)}"
        case "string_type" | "path_type" if misread is not None and misread[0]:
            written, read_as = misread
            shown = quotable(written)
            remedy = "put it in quotes" if shown is None else f"write {shown}"
            return f"{where}: {key} is read as {read_as} because it has no quotes: {remedy}{_description(path)}"
        case _:
            told = _PLAIN.get(problem["type"], problem["msg"])
            wrong, shown = told[0].lower() + told[1:], quotable(problem["input"])
            written = "" if shown is None or _is_secret(path) else f" is {shown}"
            return f"{where}: {key}{written}: {wrong}{_description(path)}"


def _model(path: KeyPath) -> type[BaseModel] | None:
    """The settings class that the last key of `path` belongs to; also in a list of them, and where it may be None."""
    model: type[BaseModel] = Config
    for part in path[:-1]:
        if isinstance(part, int):  # the index in a list, whose annotation has been looked through
            continue
        field = model.model_fields.get(part)
        kinds = () if field is None else (field.annotation, *get_args(field.annotation))
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if inner is None:
            return None
        model = inner
    return model


def _suggestion(path: KeyPath) -> str:
    model = _model(path)
    names = list(model.model_fields) if model else []
    close = difflib.get_close_matches(str(path[-1]).casefold(), names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; the settings here are {', '.join(names)}"


def _field(path: KeyPath) -> FieldInfo | None:
    model = _model(path)
    return model.model_fields.get(str(path[-1])) if model and path else None


def _is_secret(path: KeyPath) -> bool:
    """Whether a setting may hold a password or a key, such as an address with credentials."""
    field = _field(path)
    return field is not None and (not field.repr or "SecretStr" in str(field.annotation))


def _description(path: KeyPath) -> str:
    field = _field(path)
    return f" ({field.description})" if field and field.description else ""
