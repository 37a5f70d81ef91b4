"""How many numbers are in what is summed. Apart from what makes them, so that an agent's own process loads little."""

from __future__ import annotations

PEAK_CLASSES, PEAK_FEATURES = 3, 13
LOAD_INPUTS, LOAD_TARGETS = 168 + 33, 24  # the week's loads and the day's public features; the hours of the day
HOUR_INPUTS = 13  # of an hour, under differential privacy
LOAD_BOUND, PEAK_BOUND = 32.0, 4.0
"""Of the regression's inputs and targets, in units of the week's mean load; of the peak classes' features."""
