"""Secure aggregation: the aggregator learns the sum of private vectors and nothing else."""
