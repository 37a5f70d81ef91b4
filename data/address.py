"""Addresses that people write."""

from urllib.parse import urlsplit


def is_address(url: str, *schemes: str) -> bool:
    """Whether it is a URL of one of these schemes, with a host, and a port that there can be if it names one."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
