"""A coordinator that cheats in masked sums: `cheating_coordinator.py SETTINGS OUT ATTACK...`.

Writes for each attack which homes are in the opened sum, why others are not, and who answered which stage. Attacks:

    honest       none; of the model of seed 1
    again        a sum of the same model without its first home
    other plan   of another model; all homes but the first are told to train by a plan that changes nothing
    survivors    of another model; every other home is told that the first has dropped out
"""

import copy
import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

from fl.aggregation.strategy import local_plan
from fl.client_app import PLAN
from fl.deployment.coordinator import agents_roster, identify_by_key, run_coordinator
from fl.secagg.messages import AGREE, MASK, SECAGG, read_items, stage_record
from fl.secure_gather import SecureGather
from fl.settings import FederationSettings
from fl.task import initial_weights
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape

Tamper = Callable[[str, int, RecordDict], None]


class CheatingGrid:
    """The link to the agents, on which single homes are told something else than the program means to."""

    def __init__(self, grid: Grid, homes: dict[int, str]) -> None:
        self._grid, self._homes = grid, homes
        self.tamper: Tamper = lambda stage, place, content: None
        self.answered: dict[str, list[str]] = {}

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterator[Message]:
        sent = list(messages)
        stage = ""
        for message in sent:
            own = copy.deepcopy(message.content)  # homes share records
            stage = str(own.config_records[SECAGG]["stage"])
            self.tamper(stage, sorted(self._homes.values()).index(self._homes[message.metadata.dst_node_id]), own)
            message.__dict__["_content"] = own
        for reply in self._grid.send_and_receive(sent, timeout=timeout):
            if not reply.has_error():
                self.answered.setdefault(stage, []).append(self._homes[reply.metadata.src_node_id])
            yield reply


def _other_plan(stage: str, place: int, content: RecordDict) -> None:
    if stage == MASK and place > 0:
        content[PLAN] = ConfigRecord({**content.config_records[PLAN], "learning_rate": 1e-6})


def _other_survivors(stage: str, place: int, content: RecordDict) -> None:
    if stage == AGREE and place % 2:
        items = read_items(content)
        items.pop(min(items))
        content[SECAGG] = stage_record(AGREE, items)


ATTACKS: dict[str, tuple[int, int, Tamper]] = {  # seed of the model, homes left away, what is told otherwise
    "honest": (1, 0, lambda stage, place, content: None),
    "again": (1, 1, lambda stage, place, content: None),
    "other plan": (2, 0, _other_plan),
    "survivors": (3, 0, _other_survivors),
}


def main(settings: str, out: str, *attacks: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    federation = FederationSettings.model_validate_json(Path(settings).read_text())
    plan = local_plan(federation, 1).to_record()
    identify, shape = identify_by_key(federation.deployment), ModelShape.of(ModelSettings(hidden=4))
    app = ServerApp()

    @app.main()
    def cheat(grid: Grid, context: Context) -> None:
        homes: dict[int, str] = {}
        while len(homes) < federation.min_homes:
            homes = identify(grid, sorted(grid.get_node_ids()))
            time.sleep(0.2)
        nodes = {home: node for node, home in sorted(homes.items(), key=lambda item: item[1])}
        told = {}
        for attack in attacks:
            seed, away, tamper = ATTACKS[attack]
            lying = CheatingGrid(grid, homes)
            lying.tamper = tamper
            gather = SecureGather(federation.secure_aggregation, "equal", roster=agents_roster(federation))
            asked = dict(list(nodes.items())[away:])
            gathered = gather(lying, asked, initial_weights(shape, seed), plan, 600)  # type: ignore[arg-type]
            in_it = [update.home for update in gathered.updates]
            told[attack] = {"in": in_it, "left_out": gathered.left_out, "answered": lying.answered}
        Path(out).write_text(json.dumps(told))

    run_coordinator(federation.deployment, app)


if __name__ == "__main__":
    main(*sys.argv[1:])
