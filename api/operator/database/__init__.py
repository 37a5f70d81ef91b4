"""The community's database: tables, the engine under them, and their migrations."""
