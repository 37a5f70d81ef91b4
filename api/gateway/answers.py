"""Challenges of the home's forecasts, answered by the home itself, through its own chain node.

The server answers for everybody, and takes the bond. It is given the first hour; then the home answers, so that a
server that withholds a bundle voids no forecast. Runs in the agent's main process; the call is put together in a
separate one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from api.config.key_file import household_account
from data.errors import DataError
from data.numbered_files import numbered
from rewards.challenge_client import ChallengeClient
from rewards.errors import NodeUnreachable
from rewards.json_rpc import JsonRpc
from rewards.rpc_account import CallRefused

if TYPE_CHECKING:
    from api.config.community_yaml import Config
    from api.config.settings import ApiSettings
    from api.gateway.jobs import Isolated

_log = logging.getLogger(__name__)
_EVERY_S, _DAY_S = 60.0, 86_400
SERVER_FIRST_S = 3600
"""How long the server is given."""
STUCK_S = 600
"""For how long the home's own transactions are waited for. What is in no block then is replaced by the answer, as the
nonce is the same; a registration that was replaced is signed anew by the submitter."""
_LONGEST_DAYS = 7 + 3 + 1
"""A forecast is challenged until a week after its day, and answered for within three more."""


class Answers:
    """Looks, every minute at most, for challenges that nobody has answered.

    Args:
        household: the home's address.
        offset_s: when days start, seconds after midnight UTC.
    """

    def __init__(
        self, home: str, household: str, folders: ApiSettings, client: ChallengeClient, run: Isolated, offset_s: int
    ) -> None:
        self._home, self._household, self._proofs, self._offset_s = home, household, folders.proofs_dir, offset_s
        self._client, self._run = client, run
        self._next, self._told, self._settled = 0.0, set[str](), set[int]()
        self._waits_since: tuple[int, float] | None = None

    def run_once(self) -> None:
        """Look, unless it did just now. What a node or the contract refuses is logged, once for each reason."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_S
        try:
            self.look()
        except (NodeUnreachable, CallRefused, DataError) as why:
            self._tell("challenges not looked at", str(why))

    def look(self) -> None:
        """One round. Raises NodeUnreachable."""
        now = self._client.now
        for day in self._open_days(now):
            found = self._client.challenge_of(self._household, day)
            if found is None:
                continue
            if found.answered:
                self._settled.add(day)
            elif now > found.deadline:
                self._settled.add(day)
                self._tell("forecast void", f"day {day}: nobody answered its challenge in time")
            elif now >= found.deadline - self._client.answer_period + SERVER_FIRST_S:
                self._answer(day)

    def _open_days(self, now: int) -> Iterator[int]:
        """Days that the home has proven a forecast of, and that may have a challenge to answer."""
        oldest = (now - self._offset_s) // _DAY_S - _LONGEST_DAYS
        for day in numbered(path.parent.name for path in self._proofs.glob(f"[0-9]*/{self._home}.json")):
            if day >= oldest and day not in self._settled:
                yield day

    def _answer(self, day: int) -> None:
        if self._is_waiting():
            self._tell("challenge not answered yet", f"day {day}: a transaction of the household waits for its block")
            return
        try:
            self._client.answer(self._run(answer_call, self._proofs, self._home, day))
        except CallRefused as refused:
            self._tell("challenge not answered", f"day {day}: {refused}")
        else:
            self._settled.add(day)
            _log.info("challenge answered", extra={"home": self._home, "day": day})

    def _is_waiting(self) -> bool:
        """Whether a transaction of the household waits for its block, and has not for long."""
        if not self._client.is_sending:
            self._waits_since = None
            return False
        mined = self._client.mined
        if self._waits_since is None or self._waits_since[0] != mined:
            self._waits_since = mined, time.monotonic()
        return time.monotonic() - self._waits_since[1] < STUCK_S

    def _tell(self, what: str, reason: str) -> None:
        if reason not in self._told:
            _log.error(what, extra={"home": self._home, "reason": reason})
        self._told.add(reason)


def open_answers(config: Config, home: str, run: Isolated) -> Answers | None:
    """None where the settings name no node, or no contract for challenges. Raises DamagedFile, LostFile."""
    settings = config.gateway
    if settings.rpc_url is None or settings.challenges is None:
        return None
    wallet = household_account(config.api.homes_dir / home)
    line = JsonRpc(settings.rpc_url.get_secret_value(), "gateway.rpc_url")
    client = ChallengeClient(line, settings.challenges, wallet, settings.most_fee)
    return Answers(home, wallet.address, config.api, client, run, config.data.day_start_utc * 3600)


def answer_call(proofs: Path, home: str, day: int) -> bytes:
    """The data of the call that answers for a home's forecast, from its bundle. Raises DataError."""
    from api.gateway.proof_folder import ProofFolder
    from api.protocol.answer import answer_of
    from rewards.challenge_client import answer_data

    bundle = ProofFolder(proofs).read(day, home)
    if bundle is None:
        raise DataError(f"day {day} can't be answered for: its proof is gone from {proofs}")
    return answer_data(answer_of(bundle).arguments)
