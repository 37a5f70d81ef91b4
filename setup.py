"""How the wheel is built: all under `wattproof.`, so that `data`, `api` and `fl` stand beside nobody's packages.

In the repository, and in an editable installation, the packages are top-level folders and import one another by these
names. In a wheel they are moved below `wattproof/`, and their imports of one another get that prefix. Everything else
is in pyproject.toml.
"""

import re
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PACKAGES = ("api", "data", "fl", "forecasting", "rewards", "zkp")
_NAMES = "|".join(PACKAGES)
_FROM = re.compile(rf"^(\s*(?:>>> )?from )({_NAMES})(?=[. ])", re.MULTILINE)
_PLAIN = re.compile(rf"^\s*import ({_NAMES})\b", re.MULTILINE)


class PrefixedBuild(build_py):
    """`build_py` that moves what it has built below `wattproof/`, unless the installation is editable."""

    def run(self) -> None:
        root = Path(self.build_lib)
        for name in ("wattproof", *PACKAGES):
            shutil.rmtree(root / name, ignore_errors=True)  # an earlier build may have left modules that are gone
        super().run()
        if not self.editable_mode:
            self._prefix(root)

    def _prefix(self, root: Path) -> None:
        target = root / "wattproof"
        target.mkdir()
        (root / "wattproof.py").rename(target / "__init__.py")
        (target / "py.typed").touch()
        for name in PACKAGES:
            (root / name).rename(target / name)
        for path in target.rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            if found := _PLAIN.search(source):
                raise SystemExit(f"{path}: `{found[0].strip()}` can't be given a prefix: write `from ... import ...`")
            path.write_text(_FROM.sub(r"\1wattproof.\2", source), encoding="utf-8")


setup(cmdclass={"build_py": PrefixedBuild})
