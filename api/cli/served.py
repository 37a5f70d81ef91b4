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
