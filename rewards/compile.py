"""Vyper sources to ABI and bytecode, kept by the hash of all sources so that they are compiled once."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data.atomic import write_bytes
from data.json_text import loads

_FORMATS = ["abi", "bytecode", "bytecode_runtime"]
CONTRACTS = Path(__file__).parent / "contracts"


@dataclass(frozen=True)
class Artefact:
    """A compiled contract: what deploys it, and what then stands on the chain (before what it was given)."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    runtime: str = ""


@cache
def artefact(name: str, cache_dir: Path = Path(".cache/wattproof")) -> Artefact:
    """The contract of `contracts/<name>.vy`, compiled or from the cache."""
    source = (CONTRACTS / f"{name}.vy").read_text(encoding="utf-8")
    used = [(CONTRACTS / f"{module}.vy").read_text(encoding="utf-8") for module in _modules(source)]
    tools = f"{version('vyper')} {version('snekmate')} {_FORMATS}"
    key = hashlib.sha256("\n".join([tools, source, *used]).encode()).hexdigest()[:32]
    path = cache_dir / "contracts" / f"{name}-{key}.json"
    if not path.is_file():
        write_bytes(path, json.dumps(_compile(name, source)).encode())
    content = loads(path.read_bytes())
    return Artefact(name, content["abi"], content["bytecode"], content["bytecode_runtime"])


def _modules(source: str) -> list[str]:
    """The modules of this folder that a contract imports; they import none themselves."""
    return re.findall(r"^import (\w+)$", source, re.MULTILINE)


def _compile(name: str, source: str) -> dict[str, Any]:
    from vyper.cli.vyper_compile import get_search_paths
    from vyper.compiler import compile_from_file_input
    from vyper.compiler.input_bundle import FilesystemInputBundle

    bundle = FilesystemInputBundle(get_search_paths())
    file = bundle.load_file(CONTRACTS / f"{name}.vy")
    output: dict[str, Any] = compile_from_file_input(file, input_bundle=bundle, output_formats=_FORMATS)
    return output
