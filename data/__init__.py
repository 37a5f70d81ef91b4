"""Meter readings in and out: sources, validation, time, windows, and the meter's signed commitments."""
