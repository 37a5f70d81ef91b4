"""A day checked from outside, from what the server and the chain publish. Neither is trusted."""
