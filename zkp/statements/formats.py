"""Headers of proofs: three bytes of kind, one of format version."""

from __future__ import annotations

from zkp.errors import MalformedProof, OlderFormat


def body(proof: bytes, header: bytes, kind: str) -> bytes:
    """What follows the header. Raises MalformedProof, and OlderFormat for a proof of a version before this one."""
    known, version = header[:-1], header[-1]
    if proof[: len(header)] == header:
        return proof[len(header) :]
    if proof[: len(known)] != known or len(proof) < len(header):
        raise MalformedProof(f"these bytes do not begin like a proof of kind {kind!r}")
    if proof[len(known)] > version:
        raise MalformedProof(
            f"a proof of kind {kind!r} of format {proof[len(known)]}; this version knows format {version}: upgrade it"
        )
    raise OlderFormat(
        f"a proof of kind {kind!r} of an older format ({proof[len(known)]}; this version knows {version}). It can be "
        "checked with the release that made it; today's proof is made again by the household's gateway"
    )
