"""The errors of this package: a malformed proof differs from a proof of a false statement."""


class ProofError(ValueError):
    """Base of all errors raised here."""


class MalformedProof(ProofError):
    """The bytes are not a proof: wrong length, version, point, or a scalar that is not canonical."""


class OlderFormat(MalformedProof):
    """The bytes are a proof of a format version that this version no longer verifies."""


class InvalidProof(ProofError):
    """The bytes are a proof, and it does not prove the statement."""


class InvalidStatement(ProofError):
    """The public statement itself is malformed or out of range; nothing can be proven about it."""


class WitnessError(ProofError):
    """The prover's own input does not satisfy the statement; the message never holds the values."""


def require(holds: bool, where: str) -> None:
    """A prover's check of its own witness. Raises WitnessError."""
    if not holds:
        raise WitnessError(f"the witness does not satisfy the statement ({where})")


class SetupError(ProofError):
    """The ceremony's file is missing, altered or not a powers-of-tau set."""
