"""Differential privacy for whole homes: clipping, noise, the accountant, and each home's own budget."""
