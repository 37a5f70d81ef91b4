"""Commitments and zero-knowledge proofs over BLS12-381. Imports nothing else of Wattproof."""
