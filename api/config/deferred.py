"""eth_account without what it loads for key files that a password encrypts (eth_keyfile).

Nothing here reads such a file, and for one kind of them (EIP-2335) eth_keyfile computes with a curve of its own in
Python as it is imported: 0.3 s of each command, agent and worker. It is loaded when something of it is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

_PACKAGE = "eth_keyfile"
_NAMES = (_PACKAGE, f"{_PACKAGE}.keyfile")
_FUNCTIONS = ("create_keyfile_json", "decode_keyfile_json")
_TYPES = ("KDFType",)


def defer_key_files() -> None:
    """Let eth_account, if it is not loaded yet, find functions in the place of eth_keyfile's that load it first."""
    if any(name in sys.modules for name in (*_NAMES, "eth_account")):
        return
    for name in _NAMES:
        module = ModuleType(name, __doc__)
        vars(module).update(dict.fromkeys(_TYPES, str) | {known: _deferred(known) for known in _FUNCTIONS})
        vars(module)["__getattr__"] = _anything_else
        sys.modules[name] = module


def _deferred(name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(_loaded(), name)(*arguments, **named)

    return call


def _anything_else(name: str) -> Any:
    if name.startswith("__"):  # the import system asks whether it is a package
        raise AttributeError(name)
    return getattr(_loaded(), name)


def _loaded() -> ModuleType:
    for name in _NAMES:
        if name in sys.modules and sys.modules[name].__doc__ == __doc__:
            del sys.modules[name]
    return import_module(_NAMES[1])
