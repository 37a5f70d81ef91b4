"""The TLS settings of every client of this process: root certificates take 15 ms to load, so they are loaded once."""

import os
import ssl
from functools import cache

_ROOTS = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where the environment names other roots than httpx's own."""


def client_context() -> ssl.SSLContext:
    """Certificates and host names are checked against the roots that httpx trusts. Safe between threads."""
    return _context(*(os.environ.get(name) for name in _ROOTS))


@cache
def _context(*_roots: str | None) -> ssl.SSLContext:
    import httpx  # not every process that reads data asks a server

    return httpx.create_ssl_context()
