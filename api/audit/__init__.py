"""A day checked from outside, from what the server and the chain give out. Neither is believed."""
