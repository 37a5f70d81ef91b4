"""Loaded last before a command that `tests.support.forked` runs: what provers and verifiers load first is there, and
what is there stays: the collector need not walk it in each process, nor each process copy it for that."""

import gc

from api.protocol.arithmetic import warm_up

warm_up()
gc.collect()
gc.freeze()
