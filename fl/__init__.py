"""Federated training with Flower: server and client apps, strategies, privacy and the household agent."""

import os

# Flower and Ray read these once, when they are imported; every import of them in this project comes through here.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the coming default; unset, Ray warns of it
