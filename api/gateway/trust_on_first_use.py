"""The only chain and contract a household signs for: those in its settings, or those named at first contact."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from api.config.settings import GatewaySettings
from data.atomic import write_bytes
from data.damage import whole
from data.errors import DamagedFile
from data.json_text import loads
from rewards.signing import SigningFacts

_log = logging.getLogger(__name__)
_Pin = tuple[int, str]
_REMEDY = (
    "Nothing is signed until it is mended. Restore a copy from your backup, or set gateway.chain_id and "
    "gateway.forecast_registry to what the community's manager says, and move it away"
)


class OtherChain(Exception):
    """The request is for another chain or contract than the pinned one."""


class TrustOnFirstUse:
    """Checks what the household is asked to sign for. What the settings leave open is pinned in `path` at first
    contact."""

    def __init__(self, settings: GatewaySettings, path: Path) -> None:
        self._settings, self._path = settings, path

    def check(self, facts: SigningFacts) -> None:
        """Raises OtherChain unless the facts name the pinned chain and contract."""
        asked = (facts.chain_id, facts.forecast_registry)
        chain_id, registry = self._known or asked
        pinned = (self._settings.chain_id or chain_id, self._settings.forecast_registry or registry)
        if asked != pinned:
            raise OtherChain(
                f"asked to sign for contract {asked[1]} on chain {asked[0]}, but {pinned[1]} on chain {pinned[0]} is "
                f"pinned. If the community has moved: set gateway.chain_id and gateway.forecast_registry to what its "
                f"manager says, and move {self._path} away"
            )
        if self._known is None:
            write_bytes(self._path, json.dumps(asked).encode(), private=True)
            _log.info("chain pinned", extra={"chain_id": asked[0], "forecast_registry": asked[1]})

    @property
    def _known(self) -> _Pin | None:
        if not self._path.exists():
            return None
        try:
            with whole(self._path, "a pinned chain", _REMEDY):
                chain_id, registry = loads(self._path.read_bytes())
                return int(chain_id), str(registry)
        except DamagedFile as damaged:
            raise OtherChain(str(damaged)) from None
