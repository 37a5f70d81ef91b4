"""A coordinator that asks homes for what they should not answer: `prying_coordinator.py SETTINGS OUT TYPE...`.

Writes by home and message type what came back: the error's name, or the parts of the content.
"""

import json
import logging
import sys
import time
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

from fl.aggregation.strategy import local_plan
from fl.client_app import ARRAYS, PLAN, ROUND, WHO
from fl.deployment.coordinator import identify_by_key, run_coordinator
from fl.settings import FederationSettings
from fl.task import initial_weights
from fl.weights import to_record
from forecasting.settings import ModelSettings
from forecasting.shape import ModelShape


def main(settings: str, out: str, *kinds: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    federation = FederationSettings.model_validate_json(Path(settings).read_text())
    start = initial_weights(ModelShape.of(ModelSettings(hidden=4)), 1)
    plan = local_plan(federation, 1).to_record()
    identify = identify_by_key(federation.deployment)
    app = ServerApp()

    @app.main()
    def pry(grid: Grid, context: Context) -> None:
        names: dict[int, str] = {}
        while len(names) < federation.min_homes:
            names = identify(grid, sorted(grid.get_node_ids()))
            time.sleep(0.2)
        told: dict[str, dict[str, object]] = {name: {} for name in names.values()}
        for kind in kinds:
            content = RecordDict({ARRAYS: to_record(start), PLAN: plan, WHO: ConfigRecord({ROUND: 1})})
            messages = [Message(content=content, dst_node_id=node, message_type=kind, ttl=600) for node in names]
            for reply in grid.send_and_receive(messages, timeout=600):
                answer = reply.error.reason if reply.has_error() else sorted(reply.content)
                told[names[reply.metadata.src_node_id]][kind] = answer
        Path(out).write_text(json.dumps(told))

    run_coordinator(federation.deployment, app)


if __name__ == "__main__":
    main(*sys.argv[1:])
