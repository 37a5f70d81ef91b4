"""The community's settings file, and the keys and logs that every process starts with."""
