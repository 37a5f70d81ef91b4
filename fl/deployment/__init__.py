"""A federation over the network: coordinator and agents as processes, their keys, transport and metrics."""
