"""community.yaml: one file, a part for each room, validated before anything runs.

Every problem is reported with the file, the line, the key's path, what is wrong and what to do.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from api.settings import ApiSettings, CommunitySettings, GatewaySettings
from data.settings import DataSettings
from fl.settings import FederationSettings
from forecasting.settings import ForecastingSettings
from rewards.settings import RewardSettings

Path_ = tuple[str | int, ...]


class ConfigError(ValueError):
    """A configuration that cannot be used; one line for each problem."""


class Config(BaseModel):
    """All settings of a community."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    community: CommunitySettings
    data: DataSettings
    forecasting: ForecastingSettings = ForecastingSettings()
    federation: FederationSettings = FederationSettings()
    rewards: RewardSettings = RewardSettings()
    api: ApiSettings = ApiSettings()
    gateway: GatewaySettings = GatewaySettings()

    @model_validator(mode="after")
    def _node_needs_key(self) -> Self:
        if self.rewards.rpc_url and self.rewards.key_file is None:
            raise ValueError("rewards.rpc_url needs rewards.key_file, the operator's funded key")
        return self


def load(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: not found. Copy community.example.yaml there, or name a file with --config"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Config:
    """The configuration written in `text`, called `name` in messages. Raises ConfigError."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{name}{where}: not YAML: {getattr(error, 'problem', error)}. Mind the indentation"
        ) from None
    if not isinstance(content, dict):
        raise ConfigError(f"{name}: is not a list of settings; it begins like community.example.yaml")
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        problems = [_explain(problem, root, name) for problem in error.errors()]
        raise ConfigError("\n".join(problems)) from None


def _explain(problem: ErrorDetails, root: yaml.Node | None, name: str) -> str:
    path: Path_ = problem["loc"]
    line = _line(root, path)
    where = name if line is None else f"{name}, line {line}"
    key = ".".join(map(str, path))
    match problem["type"]:
        case "extra_forbidden":
            return f"{where}: {key} is not a setting{_suggestion(path)}"
        case "missing":
            return f"{where}: {key} is missing; add it{_description(path)}"
        case "value_error":
            return f"{where}: {key + ': ' if key else ''}{problem['msg'].removeprefix('Value error, ')}"
        case _:
            wrong = problem["msg"][0].lower() + problem["msg"][1:]
            return f"{where}: {key} is {problem['input']!r}: {wrong}{_description(path)}"


def _line(node: yaml.Node | None, path: Path_) -> int | None:
    """Line of the deepest node on `path`, from 1."""
    line = None
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _model(path: Path_) -> type[BaseModel] | None:
    """The settings class that the last key of `path` belongs to."""
    model: Any = Config
    for part in path[:-1]:
        field = model.model_fields.get(part)
        model = field.annotation if field else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return None
    return model  # type: ignore[no-any-return]


def _suggestion(path: Path_) -> str:
    model = _model(path)
    names = list(model.model_fields) if model else []
    close = difflib.get_close_matches(str(path[-1]), names, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"


def _description(path: Path_) -> str:
    model = _model(path)
    field = model.model_fields.get(str(path[-1])) if model and path else None
    return f" ({field.description})" if field and field.description else ""
