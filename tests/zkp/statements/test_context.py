"""Statements that make no sense cannot be made: who and when, and the shape of an inference."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zkp.cases import inference_case
from zkp.errors import InvalidStatement
from zkp.statements.context import Context

numbers = st.integers(0, (1 << 32) - 1)
contexts = st.builds(
    Context, st.binary(min_size=32, max_size=32), st.binary(min_size=20, max_size=20), numbers, numbers
)


@given(contexts, contexts)
def test_contexts_that_differ_are_encoded_differently(one: Context, other: Context) -> None:
    assert len(one.encode()) == 60
    assert (one.encode() == other.encode()) == (one == other)


@pytest.mark.parametrize(
    ("part", "bad"),
    [
        ("community", b"c" * 31),
        ("household", b"h" * 21),
        ("day", -1),
        ("day", 1 << 32),
        ("round", -1),
        ("round", 1 << 32),
    ],
)
def test_a_context_out_of_range_cannot_be_made(part: str, bad: Any) -> None:
    with pytest.raises(InvalidStatement):
        replace(Context(b"c" * 32, b"h" * 20, 1, 1), **{part: bad})


STATEMENT = inference_case(1, 2).statement
ZEROS = np.zeros_like(STATEMENT.exogenous)

MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "no day": ({"days": (), "windows": (), "forecasts": ()}, "one window and one forecast"),
    "a window too few": ({"windows": STATEMENT.windows[1:]}, "one window and one forecast"),
    "a forecast too many": ({"forecasts": (*STATEMENT.forecasts, b"")}, "one window and one forecast"),
    "the same day twice": ({"days": (STATEMENT.days[0],) * 2}, "must differ"),
    "days that begin elsewhere": ({"days": STATEMENT.days[::-1]}, "begin with the day of its context"),
    "features of another size": ({"steps": STATEMENT.steps[:, 1:]}, "steps must be int64"),
    "features that are no integers": ({"exogenous": STATEMENT.exogenous.astype(float)}, "exogenous must be int64"),
    "a feature too large": ({"exogenous": ZEROS + 513}, r"outside \[-2, 2\]"),
    "a feature too small": ({"exogenous": ZEROS - 513}, r"outside \[-2, 2\]"),
    "the smallest integer there is": ({"exogenous": ZEROS + np.iinfo(np.int64).min}, r"outside \[-2, 2\]"),
}


@pytest.mark.parametrize("kind", list(MALFORMED))
def test_an_inference_out_of_shape_cannot_be_stated(kind: str) -> None:
    change, why = MALFORMED[kind]
    with pytest.raises(InvalidStatement, match=why):
        replace(STATEMENT, **change)
