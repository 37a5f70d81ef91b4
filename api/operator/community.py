"""A community as its operator has it: settings, clock, weather, chain, contracts and database; no home's data."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
from eth_account.signers.local import LocalAccount
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from api.config.community_yaml import Config, ConfigError
from api.config.key_file import account_from_file
from api.config.tracing import HomeDay
from api.operator.database.engine import open_database, put
from api.operator.database.file import check_database_file
from api.operator.database.members import keep_meters
from api.operator.database.tables import Household
from api.protocol.recorded_time import RecordedClock, clock_of
from data.atomic import write_bytes
from data.citylearn import CommunityData
from data.community import load_community, weather_before
from data.damage import check_kept, whole
from data.day import LAST_DAY, DayClock
from data.features import PublicFeatures, public_features
from data.quantity import Quantity
from forecasting.integer import quantise_features
from forecasting.shape import ModelShape
from rewards.bytecode_check import other_codes
from rewards.chain import Chain
from rewards.deploy import Addresses, Contracts, deploy
from rewards.errors import OutdatedContracts
from rewards.journal import Journal
from rewards.membership import enrol, membership
from zkp.lstm.integer_model import Ints, Shape
from zkp.lstm.weights import digest_prefix

_log = logging.getLogger(__name__)
JOURNAL = "chain.jsonl"
CONTRACTS, OLD_CONTRACTS = "contracts.json", "contracts-older.json"
_NEW_COMMUNITY = "Without it this chain can no longer be used here: start over with another api.state_dir."
_EARLIEST = 10**9  # 2001, in seconds: a time with fewer or more digits is truncated or overwritten
_DAY_S = 86_400
_LEAD_S = 3600  # a standing clock starts this long before the first day, whose model must be published before it


class Community:
    """Everything a command needs, opened on first use."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = config.api.state_dir
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clock = DayClock(config.data.day_start_utc)
        self.now = clock_of(config.replay)

    @cached_property
    def _data(self) -> CommunityData:
        return load_community(self.config.data)

    @cached_property
    def shape(self) -> Shape:
        """Of the community's model, as it is proven."""
        return Shape(**asdict(ModelShape.of(self.config.forecasting.model)))

    @property
    def weather(self) -> pd.DataFrame:
        """The public weather feed, with its predictions."""
        return self._data.weather

    @cached_property
    def features(self) -> PublicFeatures:
        return public_features(self.weather, self.clock, horizon=self.shape.horizon)

    def features_of(self, quantity: Quantity) -> PublicFeatures:
        if quantity == "load":
            return self.features
        return public_features(self.weather, self.clock, quantity, self.shape.horizon)

    def public_features(self, day: int, quantity: Quantity = "load") -> tuple[Ints, Ints]:
        """Public features of a forecast day in fixed point, steps [1, T, F - 1] and exogenous [1, E].

        Needs no readings, and sees new rows of a weather feed. Raises TableError if the feed does not reach that far.
        """
        data, demo = self.config.data, self.config.data.source == "citylearn"
        model = self.config.forecasting.model
        if demo:
            features = self.features_of(quantity)
        else:
            weather = weather_before(data, self.clock, day - model.horizon_days + 1)
            features = public_features(weather, self.clock, quantity, model.horizon_days)
        steps, exogenous = features.window(day, model.steps)
        ahead = quantise_features(steps[None], (1, *steps.shape))
        return ahead, quantise_features(exogenous[None], (1, len(exogenous)))

    @cached_property
    def operator(self) -> LocalAccount:
        """Raises ConfigError, DamagedFile, LostFile."""
        if self.config.rewards.key_file is not None:
            return account_from_file(self.operator_key, make=False)
        if (self.folder / CONTRACTS).exists():
            check_kept(self.operator_key, f"the contracts of {CONTRACTS} obey no other key", _NEW_COMMUNITY)
        return account_from_file(self.operator_key)

    @property
    def operator_key(self) -> Path:
        """The file of the operator's key."""
        return self.config.rewards.key_file or self.folder / "operator.key"

    def home_day(self, household: str, day: int) -> HomeDay:
        """What a trace of a household's day is about."""
        return HomeDay(self.config.community.identifier, household, day)

    def start_of(self, day: int) -> int:
        """The first second of a day, UTC seconds since 1970."""
        return int(self.clock.start_of(day).timestamp())

    def open_chain(self, first_day: int | None = None) -> Chain:
        """The configured chain. A new embedded one begins now, or an hour before `first_day` if its clock stands.

        Raises ChainBusy while another process uses the embedded one, NodeUnreachable.
        """
        if self.config.rewards.rpc_url is not None:
            return Chain.at(self.config.rewards.rpc_url.get_secret_value())
        follows = self.config.rewards.clock == "machine"
        beginning = self._beginning(first_day, follows)
        chain = Chain.embedded(self.folder / JOURNAL, beginning, follows=follows, now=self.now)
        if isinstance(self.now, RecordedClock):
            self.now.set(chain.now)  # recorded time stood while the server was off
        return chain

    def _beginning(self, first_day: int | None, follows: bool) -> int:
        """When the embedded chain begins, UTC seconds; decided once, by the process that has its journal."""
        path = self.folder / "chain.start"
        with Journal(self.folder / JOURNAL) as journal:
            if not journal.is_empty:
                check_kept(path, f"{JOURNAL} beside it cannot be played without it", _NEW_COMMUNITY)
            if not path.exists():
                if first_day is None and not follows:
                    raise ConfigError(f"there is no chain in {self.folder} yet; run `wattproof forecast DAY` first")
                start = int(self.now()) if first_day is None or follows else self.start_of(first_day) - _LEAD_S
                write_bytes(path, str(start).encode())
            with whole(path, "the time at which the chain begins, in seconds since 1970"):
                start = int(path.read_text(encoding="ascii"))
                if start < _EARLIEST or start >= 10 * _EARLIEST:
                    raise ValueError("cut off")
                return start

    def open_contracts(self, chain: Chain) -> Contracts:
        """The community's contracts, deployed on first use. Raises OutdatedContracts for an older release's,
        ContractsLost, LostFile."""
        path = self.folder / CONTRACTS
        if not (self.folder / OLD_CONTRACTS).exists() and self._has_households():
            check_kept(path, "the database knows households that were enrolled in these contracts", _NEW_COMMUNITY)
        if path.exists():
            known = Contracts.of(chain, Addresses.read(path))
            known.check_there(chain)
            if changed := other_codes(chain, known):
                raise OutdatedContracts(
                    f"the contracts in {path} are another release's ({', '.join(changed)}): claim open days with the "
                    "release that deployed them, then run `wattproof migrate`"
                )
            self._check_shape(known)
            return known
        config = self.config
        contracts = deploy(
            chain, self.operator, config.rewards, config.data.day_start_utc, config.community.identifier, self.shape
        )
        write_bytes(path, contracts.addresses.to_json())
        return contracts

    @cached_property
    def sessions(self) -> sessionmaker[Session]:
        """Sessions on the community's database. Raises DamagedFile."""
        if self.config.api.database_url is None:
            check_database_file(self.config.api.database_file)
        return open_database(self.config.api.database)

    def _check_shape(self, contracts: Contracts) -> None:
        """Raises ConfigError where challenges are about models of other sizes, of another horizon or median."""
        challenges = contracts.challenges
        if challenges is not None and bytes(challenges.functions.prefix().call()) != digest_prefix(self.shape):
            raise ConfigError(
                f"the contracts in {self.folder / CONTRACTS} are for models of other sizes, of another horizon, "
                "or with another median, than forecasting.model says: set it back to what it was when they "
                "were deployed. Another horizon takes a new community, with another api.state_dir (docs/horizon.md)"
            )

    def _has_households(self) -> bool:
        with self.sessions() as session:
            return session.scalar(select(Household.address).limit(1)) is not None

    def households(self) -> list[tuple[str, str]]:
        """Addresses of every household's wallet and meter, as the settings list them."""
        return [(member.household, member.meter) for member in self.config.community.members]

    def meters(self) -> dict[str, str]:
        """The meter of each household that the settings invite, by the household's address."""
        return dict(self.households())

    def wallet_of(self, household: str) -> LocalAccount | None:
        """The wallet of a household that is on this machine, which can sign for itself here."""
        return None

    def enrol(self, chain: Chain, contracts: Contracts) -> None:
        """Prepare the chain for every invited household: its meter, where the operator is the meter authority.

        Households on this machine sign their enrolment here and now; all others do with their gateway's first words.
        A household that has left is left alone: it has withdrawn its consent.
        """
        for household, meter in self.households():
            chain.fund(household)
            facts = membership(chain, contracts, household, invited=True)
            if facts.state == "left":
                _log.warning("household has left, not enrolled again", extra={"household": household})
                continue
            self._assign_meter(chain, contracts, household, meter)
            wallet = self.wallet_of(household)
            if facts.state == "invited" and wallet is not None:
                enrol(chain, contracts, self.operator, wallet)
                facts = replace(facts, state="enrolled")
            if facts.state == "enrolled":
                self.keep_household(household)
        with self.sessions.begin() as session:
            keep_meters(session, contracts)

    def keep_household(self, household: str) -> None:
        """Note an enrolled household with its meter in the database."""
        with self.sessions.begin() as session:
            put(session, Household(address=household, meter=self.meters()[household]))

    def meter_since(self, household: str) -> int:
        """The first day of the household's newest meter, as the settings say; 0 for its first."""
        entry = next((one for one in self.config.community.members if one.household == household), None)
        return 0 if entry is None or not entry.replaced else self.clock.day_on(entry.replaced[-1].last_date) + 1

    def _assign_meter(self, chain: Chain, contracts: Contracts, household: str, meter: str) -> None:
        """Where it is another one, and the operator is the meter authority. A first meter counts for days before,
        too; another one from the day that the settings name, if that has not begun, else from tomorrow on."""
        registry = contracts.forecast_registry.functions
        last = registry.meter_at(household, LAST_DAY).call()
        if last == meter:
            return
        if registry.authority().call() != self.operator.address:
            context = {"household": household, "meter": meter}
            _log.warning("the meter authority has to assign this meter to its household", extra=context)
            return
        today = (chain.now - registry.DAY_OFFSET().call()) // _DAY_S
        named, tomorrow = self.meter_since(household), today + 1
        first_day = 0 if int(last, 16) == 0 else max(named, tomorrow)
        if first_day:
            told = {"household": household, "meter": meter, "first_day": first_day}
            _log.info("meter replaced", extra=told)
            if 0 < named < tomorrow:
                _log.warning("its first day has begun: the meter counts only from tomorrow on", extra=told)
        chain.send(self.operator, registry.assign_meter(household, meter, first_day))
