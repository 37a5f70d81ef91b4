"""Timings and comparisons. Figures live here, never in an assertion of a test."""
