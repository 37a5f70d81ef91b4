"""An agent or a coordinator that tells no number, as those of releases from before there was one, and asks for none:
`earlier_release.py agent|coordinator ...`, with the arguments of that process."""

import sys

import fl.deployment.request_gate
from api.config.logs import set_up
from fl.deployment.wire import SPOKEN, ToldWire
from tests.fl.processes import agent, coordinator


def main(party: str, *arguments: str) -> None:
    set_up()
    ToldWire.intercept = lambda self, context, call_next: call_next(context)  # type: ignore[method-assign]
    fl.deployment.request_gate._telling_wire = lambda send: send
    fl.deployment.request_gate.spoken_by = lambda headers: SPOKEN  # type: ignore[attr-defined]
    {"agent": agent.main, "coordinator": coordinator.main}[party](*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
