"""The homes that a home sums with: the public keys of the community's gateways, by home, in a file that homes
compare.

A coordinator that names the homes of a sum could invent them, all but one, and take the difference. A home with a
roster takes part only in sums of homes in its roster, whose one-time keys are signed by the keys there (the keys that
gateways sign their requests with, `fl.deployment.keys`). The file comes from the coordinator's list, so homes verify
with homes they know that all have the same one: its fingerprint is short enough to read aloud.

    wattproof roster -c coordinator.yaml --make      from keys/agents/*.pub
    wattproof roster -c gateway.yaml                 homes and fingerprint of the file that a gateway has
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from data import atomic
from data.home_name import HOME_NAME_RULE, is_home_name
from data.json_text import loads
from fl.errors import KeysError

FORMAT = "wattproof/roster/1"
SIGNATURE_BYTES = 96  # ECDSA on P-384: r and s, 48 bytes each
_POINT_BYTES = 49  # a compressed point
_COORDINATE_BYTES = 48


def identity_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as it stands in a roster: its compressed point, 49 bytes."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """ECDSA with SHA-384, 96 bytes. What gateways sign for Flower is a time, never a message of a sum."""
    parts = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA384())))
    return b"".join(part.to_bytes(_COORDINATE_BYTES, "big") for part in parts)


def is_signed(identity: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the key of `identity` signed the message."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    parts = (int.from_bytes(signature[at : at + _COORDINATE_BYTES], "big") for at in (0, _COORDINATE_BYTES))
    try:
        _key_of(identity).verify(encode_dss_signature(*parts), message, ec.ECDSA(hashes.SHA384()))
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=4096)
def _key_of(identity: bytes) -> ec.EllipticCurvePublicKey:
    """Raises ValueError for what is no point. Kept, for decompressing one takes as long as a verification."""
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), identity)


@dataclass(frozen=True)
class Roster:
    """Identities (49 bytes) by home."""

    members: dict[str, bytes]

    @classmethod
    def of_keys(cls, public_keys: Mapping[str, bytes], where: str) -> Roster:
        """The roster of these homes, by their public keys (PEM), which are kept in `where`. Raises KeysError."""
        members = {}
        for home, pem in public_keys.items():
            key = serialization.load_pem_public_key(pem)
            if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
                raise KeysError(f"the public key of {home} is not on P-384: have the home make it again")
            members[home] = identity_of(key)
        return cls(_distinct(members, where))

    @classmethod
    def read(cls, path: Path) -> Roster:
        """Raises KeysError for a file that is missing or not a roster, or that gives two homes the same key."""
        get = "Get it from the community, or make it from the gateways' public keys with `wattproof roster --make`"
        try:
            content = loads(path.read_bytes())
            if content["format"] != FORMAT:
                raise KeysError(f"{path} is not a roster: its format is not {FORMAT}. {get}")
            members = {str(home): bytes.fromhex(text) for home, text in content["members"].items()}
        except KeysError:
            raise
        except FileNotFoundError:
            raise KeysError(f"the roster {path} is missing. {get}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise KeysError(f"{path} is not a roster ({type(problem).__name__}). {get}") from None
        for home, identity in members.items():
            if not is_home_name(home):
                raise KeysError(f"{path} has a home {home!r}, which can't be one's name: {HOME_NAME_RULE}")
            try:
                ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), identity)
            except ValueError:
                raise KeysError(
                    f"{path}: what stands for {home} is not a public key of {_POINT_BYTES} bytes"
                ) from None
        return cls(_distinct(members, str(path)))

    def write(self, path: Path) -> None:
        atomic.write_bytes(path, self._encoded())

    def check_own(self, home: str, key: ec.EllipticCurvePrivateKey) -> None:
        """Raises KeysError unless this home is in the roster, under its own key."""
        listed = self.members.get(home)
        if listed is None:
            raise KeysError(
                f"{home} is not in its own roster of {len(self.members)} homes: get the community's new one"
            )
        if listed != identity_of(key.public_key()):
            raise KeysError(
                f"the roster gives {home} another key than this gateway has: the roster is older than the key, or "
                "somebody else stands there under its name; ask for a new roster and compare the fingerprint"
            )

    @property
    def fingerprint(self) -> str:
        """64 bits of SHA-256 of the roster, in groups, to be compared by people."""
        digest = hashlib.sha256(self._encoded()).hexdigest()[:16]
        return " ".join(digest[at : at + 4] for at in range(0, 16, 4))

    def _encoded(self) -> bytes:
        content = {"format": FORMAT, "members": {h: i.hex() for h, i in sorted(self.members.items())}}
        return json.dumps(content, indent=1).encode() + b"\n"


def _distinct(members: dict[str, bytes], where: str) -> dict[str, bytes]:
    """Raises KeysError if one key has two names: its owner would count twice in a sum."""
    seen: dict[bytes, str] = {}
    for home, identity in members.items():
        if (other := seen.setdefault(identity, home)) != home:
            raise KeysError(f"{where}: {other} and {home} have the same key; each home needs its own")
    return members
