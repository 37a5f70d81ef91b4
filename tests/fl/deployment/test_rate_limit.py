"""Token buckets: a burst, then a rate, each name for itself."""

from __future__ import annotations

from fl.deployment.rate_limit import RateLimit


def test_a_burst_and_then_a_rate() -> None:
    now = [0.0]
    limit = RateLimit(rate=2, burst=3, now=lambda: now[0])
    assert [limit.take("ada") for _ in range(5)] == [True] * 3 + [False] * 2
    now[0] += 1
    assert [limit.take("ada") for _ in range(3)] == [True, True, False]
    now[0] += 100
    assert [limit.take("ada") for _ in range(4)] == [True] * 3 + [False]


def test_each_name_has_its_own() -> None:
    limit = RateLimit(rate=0, burst=1, now=lambda: 0.0)
    assert limit.take("ada") and limit.left("bob") and limit.take("bob")
    assert not limit.left("ada") and not limit.take("ada")


def test_looking_costs_nothing() -> None:
    limit = RateLimit(rate=0, burst=1, now=lambda: 0.0)
    assert all(limit.left("ada") for _ in range(10))


def test_it_forgets_who_was_quiet_longest_when_there_are_too_many() -> None:
    limit = RateLimit(rate=0, burst=1, now=lambda: 0.0)
    for number in range(10_001):
        limit.take(number)
    assert len(limit._left) == 10_000 and limit.left(0) and not limit.left(1)
