"""A gateway's side of the community's totals: what it contributes to a secure sum, and its state on disk."""
