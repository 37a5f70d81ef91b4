"""Contracts, chain access, scoring and claims."""
