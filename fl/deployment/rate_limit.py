"""Rate limits by name: token buckets, for a bounded number of names.

By hand: the packages for it (limits, slowapi) keep every name they have seen, so that a stranger could fill the
memory, and slowapi looks at a request only once its route is known.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

_MOST = 10_000


class RateLimit:
    """`burst` times at once, `rate` times a second in the long run, for each name.

    Beyond ten thousand names the longest idle ones are forgotten.
    """

    def __init__(self, rate: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._now = rate, float(burst), now
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()  # name -> tokens, and when

    def left(self, name: Hashable) -> bool:
        """Whether `name` is within its limit."""
        return self._tokens(name) >= 1

    def take(self, name: Hashable) -> bool:
        """Count one; returns False, and counts nothing, if the limit is exceeded."""
        tokens = self._tokens(name)
        if tokens < 1:
            return False
        self._left[name] = (tokens - 1, self._now())
        self._left.move_to_end(name)
        if len(self._left) > _MOST:
            self._left.popitem(last=False)
        return True

    def _tokens(self, name: Hashable) -> float:
        tokens, then = self._left.get(name, (self._burst, 0.0))
        return min(self._burst, tokens + self._rate * (self._now() - then))


def source_of(host: str) -> str:
    """The name that limits apply to: an IPv4 address, or the network of an IPv6 address, since one host has many."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
