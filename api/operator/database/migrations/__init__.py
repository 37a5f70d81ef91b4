"""Migrations of the community's database (Alembic): from the tables of each earlier release to this one's.

A change of `tables.py` comes with a new file in `versions`, and with its name as HEAD here. Each says how to go on
from the one before; none goes back, for what is dropped is lost: go back with a copy from your backup.
"""

from __future__ import annotations

HEAD = "0007"
"""The newest revision (`tests/api/operator/test_database_migrations.py` compares it, and the tables)."""
