"""What a one-shot training keeps in the folder of the rounds, and says in a report. Loads no Flower and no models."""

from __future__ import annotations

from fl.store import RoundReport

PEAK_HEAD, TOTAL = "peak_head", "one_shot"  # names of the arrays that are kept with the round
TRAINED = "one_shot_trained"  # in the report: whether the model it began from had been through rounds


def is_one_shot(report: RoundReport) -> bool:
    """Whether a round was a one-shot training: its model is one to forecast with, whatever `rounds` says."""
    return TRAINED in report.extra


def is_trained(report: RoundReport) -> bool:
    """Whether the model of a round has been through a training of rounds, or began from one that has."""
    return report.extra.get(TRAINED, 1.0) == 1.0
