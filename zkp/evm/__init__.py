"""A recorded verifier as code for the EVM."""
