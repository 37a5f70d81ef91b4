"""Addresses that people write."""

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

_NOT_IN_A_NAME = re.compile(r"[\s/@\[\]]")


def is_address(url: str, *schemes: str) -> bool:
    """Whether it is a URL of one of these schemes, with a host, and a port that there can be if it names one."""
    try:
        parts = urlsplit(url)
        is_host = bool(parts.hostname) and not re.search(r"\s", parts.netloc)
        return parts.scheme in schemes and is_host and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return False


def _host(text: str) -> str:
    """Raises ValueError unless it is a name or an IP address."""
    if not _is_host(text):
        raise ValueError("write a name or an IP address alone: no https://, no spaces; the port has its own setting")
    return text


def _is_host(text: str) -> bool:
    if ":" not in text and text.strip("0123456789."):
        return not _NOT_IN_A_NAME.search(text)
    try:
        ip_address(text.partition("%")[0])  # fe80::1%eth0: on one link
    except ValueError:
        return False
    return True


Host = Annotated[str, AfterValidator(_host)]
"""Where a machine is reached, or on which of its addresses it listens."""
Port = Annotated[int, Field(ge=1, le=65535)]
