"""Which settings `wattproof serve` and `days` use by default: the community's in this folder, else the demo's."""

from __future__ import annotations

from pathlib import Path

from api.cli.arguments import CONFIG
from api.config.community_yaml import Config, ConfigError, load

DEMO = Path("out/demo")


def settings_to_serve(named: Path | None) -> tuple[Config, str]:
    """The settings, and a description of them. Raises ConfigError if there are none; creates nothing."""
    if named is not None or CONFIG.exists():
        path = named or CONFIG
        return load(path), str(path)
    if not DEMO.is_dir():
        raise ConfigError(
            f"there is no {CONFIG} in this folder, and no demo in {DEMO}: name the settings with --config, "
            "or run `wattproof demo` first"
        )
    from api.config.demo_settings import demo_config

    return demo_config(DEMO, None), f"the demo in {DEMO}"


def settings_with_homes(path: Path) -> Config:
    """The settings of a machine that holds the homes itself. Raises ConfigError for one that has no readings."""
    settings = load(path)
    if settings.data.source == "none":
        raise ConfigError(
            f"{path}: there are no homes on this machine (data.source is none): each gateway forecasts, proves and "
            "claims by itself (`wattproof agent HOME`). To do it for all homes here, set data.source to files"
        )
    return settings
