"""The TLS settings of every client of this process: root certificates take 15 ms to load, so they are loaded once."""

import ssl
from functools import cache


@cache
def client_context() -> ssl.SSLContext:
    """Certificates and host names are checked against the roots that httpx trusts. Safe between threads."""
    import httpx  # not every process that reads data asks a server

    return httpx.create_ssl_context()
