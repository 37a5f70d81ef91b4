"""A community whose gateways and operator are one process: the demo, and `wattproof train`, `forecast`, `claim`."""
