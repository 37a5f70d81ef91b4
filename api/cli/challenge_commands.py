"""`wattproof challenge`: whoever doubts a registered forecast has its inference proof brought to the chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.arguments import DayArgument
from api.cli.terminal import FAILED, console

if TYPE_CHECKING:
    from api.cli.day_names import DayName
    from rewards.challenge_client import Challenge, ChallengeClient
    from rewards.json_rpc import JsonRpc

_COIN = 10**18
_MOST_COINS = 10**9
_MEANING = {
    "no forecast": "the household has registered no forecast of that day",
    "no features": "the operator has registered no public features of that day, so nobody can check a forecast of it",
    "late challenge": "a forecast is challenged until a week after its day",
    "challenged before": "somebody was faster, and a forecast is challenged once",
}


def _coins(amount: float) -> float:
    """Raises BadParameter for what is no amount."""
    if not 0 < amount < _MOST_COINS:
        raise typer.BadParameter(f"{amount} is no amount: write a number above 0, in the chain's coin")
    return amount


def challenge(
    household: Annotated[str, typer.Argument(help="address of the household whose forecast you doubt")],
    day: DayArgument,
    rpc_url: Annotated[str, typer.Option(help="your own chain node")],
    contracts: Annotated[Path, typer.Option(help="the contracts' addresses (contracts.json)")],
    key_file: Annotated[Path, typer.Option(help="the key that pays, 64 hexadecimal digits; a home's is wallet.key")],
    close: Annotated[
        bool, typer.Option("--close", help="when nobody has answered in time: have the bond paid back")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    max_fee: Annotated[
        float, typer.Option(callback=_coins, help="most that the transaction may cost, in the chain's coin")
    ] = 0.01,
) -> None:
    """Doubt that a registered forecast is the model's, with a bond, until a week after its day.

    Whoever brings its inference proof to the chain within three days gets the bond. If nobody does, the forecast is
    void, nothing is paid for it, and --close has the bond paid back. A forecast that was challenged before is only
    reported on.
    """
    from api.config.key_file import account_from_file
    from rewards.challenge_client import ChallengeClient
    from rewards.json_rpc import JsonRpc

    who = _address(household)
    line = JsonRpc(rpc_url, "--rpc-url")
    named = _Named.read(contracts)
    account = account_from_file(key_file, make=False)
    client = ChallengeClient(line, named.challenges, account, round(max_fee * _COIN))
    doubted = _Doubted(client, who, named.day_number(line, day, client.now), day)
    if close:
        doubted.close()
    else:
        doubted.challenge(lambda question: yes or typer.confirm(question, abort=True))


@dataclass(frozen=True)
class _Named:
    """The contracts that a challenge concerns."""

    challenges: str
    forecast_registry: str

    @classmethod
    def read(cls, path: Path) -> _Named:
        """Raises ContractsLost, OutdatedContracts, NoPrecompiles."""
        from rewards.deploy import Addresses
        from rewards.errors import NoPrecompiles

        known = Addresses.read(path)
        if known.challenges is None:
            raise NoPrecompiles(f"{path} names no contract for challenges: this community's chain checks no proofs")
        return cls(known.challenges, known.forecast_registry)

    def day_number(self, line: JsonRpc, day: DayName, now: int) -> int:
        """By the registry's clock: nobody else is asked."""
        from data.day import DayClock

        if isinstance(day.meant, int):
            return day.meant
        absent = f"forecast registry at {self.forecast_registry}: check --contracts"
        (end,) = line.view(self.forecast_registry, "day_end(uint32)", 0, result=["uint256"], absent=absent)
        return day.number(DayClock((int(end) - 86_400) // 3600), now)


@dataclass(frozen=True)
class _Doubted:
    """A household's forecast of a day."""

    client: ChallengeClient
    household: str
    number: int
    day: DayName

    def challenge(self, confirmed: Callable[[str], bool]) -> None:
        """Raises ChallengeRefused, NodeUnreachable; aborts where it is not confirmed."""
        found = self.client.challenge_of(self.household, self.number)
        if found is not None:
            self._report(found)
            raise typer.Exit(FAILED)
        bond = self.client.bond
        confirmed(
            f"Send a bond of {bond / _COIN:g} of the chain's coin with a challenge of {self._named}? You lose it if "
            "its proof is brought within three days"
        )
        self._call(lambda: self.client.challenge(self.household, self.number))
        found = self.client.challenge_of(self.household, self.number)
        until = "" if found is None else f" until {_moment(found.deadline)}"
        self._say(f"Challenged, with a bond of {bond / _COIN:g}: {self._named}. Its proof can be brought{until}.")

    def close(self) -> None:
        """Raises ChallengeRefused, NodeUnreachable."""
        found = self.client.challenge_of(self.household, self.number)
        now = self.client.now
        if found is None or found.answered or found.closed or now <= found.deadline:
            self._report(found)
            raise typer.Exit(FAILED)
        self._call(lambda: self.client.close(self.household, self.number))
        self._say(f"The bond of {self.client.bond / _COIN:g} is back at {found.challenger}: {self._named} is void.")

    def _call(self, act: Callable[[], None]) -> None:
        from rewards.errors import ChallengeRefused
        from rewards.rpc_account import CallRefused

        try:
            act()
        except CallRefused as refused:
            reason = str(refused)
            meaning = next((text for known, text in _MEANING.items() if known in reason), None)
            raise ChallengeRefused("challenge", reason + (f" ({meaning})" if meaning else "")) from None

    def _report(self, found: Challenge | None) -> None:
        if found is None:
            self._say(f"Nobody has challenged {self._named}.")
        elif found.answered:
            self._say(f"Challenged by {found.challenger}, and answered by its proof: {self._named}.")
        elif self.client.now <= found.deadline:
            until = _moment(found.deadline)
            self._say(f"Challenged by {found.challenger}, and not answered yet: {self._named}; until {until}.")
        else:
            paid = "is paid back" if found.closed else "can be had back by --close"
            self._say(f"Void, as nobody has brought its proof: {self._named}. The bond of {found.challenger} {paid}.")

    @property
    def _named(self) -> str:
        shown = str(self.number) if self.day.text == str(self.number) else f"{self.number} ({self.day.text})"
        return f"the forecast of {self.household} for day {shown}"

    @staticmethod
    def _say(sentence: str) -> None:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _address(text: str) -> str:
    """Raises BadParameter for what is no address."""
    from eth_utils.address import is_address, to_checksum_address

    if not is_address(text):
        raise typer.BadParameter(f"{text!r} is not an address: 0x and 40 hexadecimal digits", param_hint="HOUSEHOLD")
    return str(to_checksum_address(text))


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
