"""A settings file as YAML: every node keeps its line, duplicate keys are refused, nothing is guessed.

By hand, on PyYAML: pydantic-settings reads YAML as well, but loses lines and accepts duplicate keys. It would also
let environment variables override the file, so that a community's machines could differ without a trace in it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.constructor import ConstructorError

KeyPath = tuple[str | int, ...]
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_MOST_DIGITS = 100
"""No setting takes a larger number, and Python reads none of some thousand digits."""
_READ_AS = {"int": "a number", "float": "a number", "bool": "true or false", "timestamp": "a date", "null": "nothing"}


class YamlProblem(ValueError):
    """Text that cannot be read; `line` counts from 1, if known. The message quotes nothing longer than a key."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class YamlTree:
    """A document: `content` in Python's types, and where in the text each part of it stands.

    Raises YamlProblem for what is not YAML, and for a key that a mapping has twice.
    """

    def __init__(self, text: str) -> None:
        try:
            loader = yaml.SafeLoader(text)
            self._root = loader.get_single_node()
            for node in _nodes(self._root):
                _check_keys(node)
            self.content: Any = None if self._root is None else loader.construct_document(self._root)
        except YamlProblem:
            raise
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise YamlProblem(f"not YAML: {_words(error)}", mark.line + 1 if mark else None) from None
        except yaml.YAMLError:
            raise YamlProblem("not YAML: it contains control characters") from None
        except RecursionError:
            raise YamlProblem("not a list of settings: it is nested too deeply") from None
        except (ValueError, LookupError, AttributeError):  # a date of no calendar, too many digits, `!!bool x`
            raise YamlProblem("it contains an impossible date or number: put quotes around text") from None

    def line_of(self, path: KeyPath) -> int | None:
        """Line of the deepest node on `path`, from 1."""
        return self._find(path)[1]

    def text_of(self, path: KeyPath) -> str | None:
        """A single value as it is written, without its quotes; None where there is none in the file."""
        node, _ = self._find(path)
        return str(node.value) if isinstance(node, yaml.ScalarNode) else None

    def misread(self, path: KeyPath) -> tuple[str, str] | None:
        """Unquoted text that YAML reads as another type: as it is written, and what it is read as."""
        node, _ = self._find(path)
        if not isinstance(node, yaml.ScalarNode) or node.style is not None:
            return None
        kind = _READ_AS.get(node.tag.rpartition(":")[2])
        return None if kind is None else (str(node.value), kind)

    def base_of(self, path: KeyPath) -> int:
        """Of an unquoted number: 8 where it has a zero in front, 60 where it has colons (010 is 8, 1:30 is 90)."""
        node, _ = self._find(path)
        if not isinstance(node, yaml.ScalarNode) or node.style is not None:
            return 10
        return 8 if _OCTAL.fullmatch(node.value) else 60 if ":" in node.value else 10

    def _find(self, path: KeyPath) -> tuple[yaml.Node | None, int | None]:
        node, line = self._root, None
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = next((pair for pair in node.value if pair[0].value == str(part)), None)
                if found is None:
                    return None, line
                line, node = found[0].start_mark.line + 1, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                return None, line
        return node, line


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Every node once; an alias may refer to one of its own parents."""
    todo, seen = deque([root] if root is not None else []), set[int]()
    while todo:
        node = todo.popleft()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            todo += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value


def _check_keys(node: yaml.Node) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if value.tag.endswith(":int") and len(value.value) > _MOST_DIGITS:
                raise YamlProblem(
                    f"{key.value[:40]} is a number of {len(value.value)} digits: write one of fewer", line
                )
            if key.value in lines:
                raise YamlProblem(
                    f"{key.value[:40]} appears twice, first in line {lines[key.value]}: keep one of them", line
                )
            lines[key.value] = line


def _words(error: yaml.MarkedYAMLError) -> str:
    """The parser's message, without what it may quote: an alias or a tag can be part of a password."""
    problem = error.problem or ""
    if problem.startswith("but found another document"):
        return "a line --- begins a second document: keep one of them"
    if problem.startswith("found unhashable key"):
        return "a list or a part of its own stands where a key belongs"
    if problem.startswith("expected a mapping"):
        return "<< takes the settings of a part, by its name with * in front"
    if isinstance(error, yaml.composer.ComposerError | ConstructorError):
        return "a text that begins with & * or ! needs quotes around it"
    return f"{error.problem}. Mind the indentation, and put quotes around texts with : or #"
