"""Flower's log, made part of ours: its own handler writes coloured lines among the JSON ones."""

from __future__ import annotations

import logging

from flwr.common.logger import FLOWER_LOGGER  # importing it sets Flower's handler up, so that it can be taken away


def join_flower_logs(level: int = logging.WARNING) -> None:
    """Send Flower's records of `level` and above the way all others go."""
    FLOWER_LOGGER.handlers.clear()
    FLOWER_LOGGER.propagate = True
    FLOWER_LOGGER.setLevel(level)
