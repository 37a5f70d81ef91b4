"""Later each time, and never all at once."""

from hypothesis import given
from hypothesis import strategies as st

from fl.deployment.backoff import Backoff


@given(failures=st.integers(1, 200), first=st.floats(0.1, 60), most=st.floats(0.1, 1000))
def test_waits_grow_to_a_limit_and_are_spread(failures: int, first: float, most: float) -> None:
    now = [0.0]
    backoff = Backoff(first, most, now=lambda: now[0])
    assert backoff.due
    limit = max(first, most)
    for k in range(failures):
        wait = backoff.failed()
        full = min(limit, first * 2.0 ** min(k, 60))
        assert full / 2 <= wait <= full
        assert not backoff.due
        now[0] += wait
        assert backoff.due
    backoff.worked()
    assert backoff.due and backoff.failed() <= first
