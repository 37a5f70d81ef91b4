"""The messages of a sum under BFV, as Flower records and back; `fl.secagg.messages`, with other stages."""

from __future__ import annotations

from typing import cast

from flwr.app import ConfigRecord, RecordDict

from fl.homomorphic.member import SealedSecret
from fl.secagg.messages import CLOSE, KEYS, SECAGG, SIGNATURE, read_bytes, read_items, stage_record
from fl.secagg.session import MaskingRefused

SECRET, ENCRYPT, AGREE, OPEN = "secret", "encrypt", "agree", "open"
HOMOMORPHIC_STAGES = (KEYS, SECRET, ENCRYPT, AGREE, OPEN, CLOSE)
CIPHERTEXTS, DIGEST, TOTAL = "ciphertexts", "digest", "total"
_MAKER, _BOX = "maker", "box"


def secret_record(stage: str, sealed: SealedSecret, home: str | None = None) -> ConfigRecord:
    """The sum's secret for all homes, or for one of them."""
    envelopes = sealed.envelopes if home is None else {home: sealed.envelopes[home]}
    record = stage_record(stage, envelopes)
    record[_MAKER], record[_BOX], record[DIGEST] = sealed.maker, sealed.box, sealed.digest
    record[SIGNATURE] = sealed.signature
    return record


def read_secret(content: RecordDict) -> SealedSecret:
    """The secret of a message. Raises MaskingRefused if it has none."""
    maker = content.config_records[SECAGG].get(_MAKER) if SECAGG in content.config_records else None
    if not isinstance(maker, str):
        raise MaskingRefused("the message does not say who made the secret")
    digest, signature, box = (read_bytes(content, key) for key in (DIGEST, SIGNATURE, _BOX))
    return SealedSecret(maker, digest, signature, box, read_items(content))


def read_own_secret(content: RecordDict, home: str) -> SealedSecret:
    """The secret as it is sent to one home. Raises MaskingRefused if its envelope is missing."""
    sealed = read_secret(content)
    if home not in sealed.envelopes:
        raise MaskingRefused(f"the sum's secret is not sealed for {home}")
    return sealed


def read_ciphertexts(content: RecordDict) -> list[bytes]:
    """The ciphertexts of a message. Raises MaskingRefused if it has none."""
    record = content.config_records.get(SECAGG)
    found = None if record is None else record.get(CIPHERTEXTS)
    if not isinstance(found, list) or not all(isinstance(each, bytes) for each in found):
        raise MaskingRefused("the message has no ciphertexts")
    return cast(list[bytes], found)
