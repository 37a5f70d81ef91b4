"""A partner's agent in vertical learning (docs/vertical.md): its customers' records, and no reading of any home.

RECORDS/NAME.id.json    what a customer has handed over (`wattproof vertical id`)
RECORDS/NAME.csv        ds (start of the hour, UTC), then the columns of federation.vertical.columns, whole numbers
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.clientapp.typing import Mod

from api.config.community_yaml import Config, ConfigError
from data.day import DayClock
from data.errors import TableError
from data.json_text import loads
from data.signed_id import SignedId
from fl.deployment.agent import run_agent
from fl.deployment.keys import KeyFolder, load_agent_key
from fl.errors import FederationError
from fl.one_shot.fixed_point import Ints
from fl.one_shot.plan import OneShotPlan
from fl.plan import LocalPlan
from fl.secagg.roster import Roster
from fl.vertical.columns import PartnerTable, Record
from fl.vertical.errors import VerticalRefused
from fl.vertical.partner import PartnerData, PartnerLimits, PartnerSide
from fl.vertical.partner_mod import VerticalPartnerMod
from fl.vertical.terms import VerticalTerms
from fl.weights import Weights

_ONLY = "this party takes part in vertical sessions only"


@dataclass(frozen=True)
class NoHome:
    """A `client_app.Learner` without a home: a partner is asked for nothing but its part of a session."""

    home: str
    examples: int = 0

    def fit(self, weights: Weights, plan: LocalPlan) -> tuple[Weights, dict[str, float]]:
        raise FederationError(_ONLY)

    def evaluate(self, weights: Weights) -> dict[str, float]:
        raise FederationError(_ONLY)

    def sums(self, plan: OneShotPlan) -> tuple[Ints, int]:
        raise FederationError(_ONLY)


def run_partner(config: Config) -> None:
    """Serve vertical sessions until SIGTERM. Raises ConfigError, TableError, KeysError."""
    name, mods = partner_mods(config)
    run_agent(config.federation.deployment, NoHome(name), mods=mods)


def partner_mods(config: Config) -> tuple[str, list[Mod]]:
    """The partner's name, and what it answers with. Raises ConfigError, TableError, KeysError."""
    settings = config.federation.vertical
    if settings.partner is None or settings.roster is None or settings.records is None:
        raise ConfigError(
            "a partner needs federation.vertical.partner (its own name), roster (keys of the homes and its own) and "
            "records (the folder of its customers' records)"
        )
    key = load_agent_key(KeyFolder(config.federation.deployment.keys_dir).agent_key(settings.partner))
    roster = Roster.read(settings.roster)
    roster.check_own(settings.partner, key)
    table = read_records(settings.records, settings.columns)
    data = PartnerData(settings.partner, table, DayClock(config.data.day_start_utc))
    limits = PartnerLimits(settings.fewest_homes, settings.cut, settings.cut_noise)
    return settings.partner, [VerticalPartnerMod(partial(_side, data, limits, key, dict(roster.members)))]


def _side(
    data: PartnerData,
    limits: PartnerLimits,
    key: ec.EllipticCurvePrivateKey,
    roster: dict[str, bytes],
    terms: VerticalTerms,
) -> PartnerSide:
    return PartnerSide(terms, data, limits, key, roster)


def read_records(folder: Path, columns: tuple[str, ...]) -> PartnerTable:
    """All customers' records. Raises TableError for a file that is missing or is none, and for no customer at all."""
    records: dict[SignedId, Record] = {}
    for path in sorted(folder.glob("*.id.json")):
        if (signed := _read_id(path)) in records:
            raise TableError(f"{path} has the id of another file here: which record counts? Keep one of the two")
        records[signed] = _read_record(path, columns)
    if not records:
        raise TableError(f"{folder} has no NAME.id.json: each customer prints its own by `wattproof vertical id`")
    return PartnerTable(columns, records)


def _read_id(path: Path) -> SignedId:
    try:
        told = loads(path.read_bytes())
        return SignedId(str(told["household"]), str(told["partner"]), bytes.fromhex(told["signature"]))
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise TableError(
            f"{path} is no signed id ({type(problem).__name__}): ask the customer for it again"
        ) from None


def _read_record(identity: Path, columns: tuple[str, ...]) -> Record:
    path = identity.with_name(identity.name.removesuffix(".id.json") + ".csv")
    try:
        table = pd.read_csv(path)
        missing = [name for name in ("ds", *columns) if name not in table.columns]
        if missing:
            raise TableError(f"{path} has no column {', '.join(missing)}; it has {', '.join(table.columns)}")
        moments = pd.to_datetime(table["ds"], utc=True)
        values = table[list(columns)].to_numpy()
        if not np.issubdtype(values.dtype, np.signedinteger) or (moments != moments.dt.floor("h")).any():
            raise TableError(f"{path}: ds must be full hours, and the columns whole numbers")
        hours = moments.map(lambda moment: int(moment.timestamp()) // 3600).to_numpy(dtype=np.int64)
        return Record(hours, values.astype(np.int64))
    except FileNotFoundError:
        raise TableError(f"{path} is missing, the record of {identity.name}") from None
    except TableError:
        raise
    except VerticalRefused as refused:
        raise TableError(f"{path}: {refused}") from None
    except (ValueError, UnicodeDecodeError) as problem:
        raise TableError(
            f"{path} can't be read ({type(problem).__name__}): a table with ds, {', '.join(columns)}"
        ) from None
