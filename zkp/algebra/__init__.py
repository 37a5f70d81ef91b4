"""The scalar field, vectors over it, the curve and its powers of tau, commitments."""
