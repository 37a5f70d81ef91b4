"""Flower's log as part of ours: its own handler would write coloured lines among the JSON ones."""

from __future__ import annotations

import logging

from flwr.common.logger import FLOWER_LOGGER  # importing it sets Flower's handler up, so that it can be taken away


def join_flower_logs(level: int = logging.WARNING) -> None:
    """Route Flower's records of `level` and above like all others."""
    FLOWER_LOGGER.handlers.clear()
    FLOWER_LOGGER.propagate = True
    FLOWER_LOGGER.setLevel(level)
