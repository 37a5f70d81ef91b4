"""Loaded before a command that `tests.support.forked` runs: what provers and verifiers load first is there."""

from api.protocol.arithmetic import warm_up

warm_up()
