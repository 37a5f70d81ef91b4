"""The argument: one file for each step, prover and verifier facing each other."""
