"""A chain node's address as it may be shown. Loads no web3."""

from __future__ import annotations

from urllib.parse import urlsplit


def shown(url: str) -> str:
    """A node's URL without what may be a key: host and port only."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "an address that is no URL"
