"""Stands before scipy on the path of deployed processes: only developers and benches have it (pyproject.toml)."""

raise ModuleNotFoundError("scipy is not part of any installation but a developer's", name="scipy")
