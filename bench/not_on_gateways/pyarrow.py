"""Stands before pyarrow on the path of deployed processes: only developers and benches have it (pyproject.toml)."""

raise ModuleNotFoundError("pyarrow is not part of any installation but a developer's", name="pyarrow")
