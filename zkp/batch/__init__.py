"""A verifier written down once, run for many proofs at a time."""
