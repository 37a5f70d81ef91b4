"""What can go wrong in a federation, as errors a person can act on. None of them ever carries a reading."""


class FederationError(RuntimeError):
    """Training cannot continue; the message says why and what to do."""


class UpdateRefused(FederationError):
    """A home's update that is not a finite model of the right shape. It is left out, and the round continues."""


class QuorumMissed(FederationError):
    """Too few homes answered, as often as the settings allow to ask."""


class ResumeRefused(FederationError):
    """The saved rounds were made with other settings or for another model."""


class NoModelYet(FederationError):
    """There is no trained model here yet."""


class KeysError(FederationError):
    """A key or certificate that is missing or is not what it should be."""


class RoundDamaged(FederationError):
    """A saved round that can't be read: cut off, or changed by something else."""


class StatisticsRefused(FederationError):
    """Days that cannot be summed up, or sums that no days can have; the message says which, and what to do."""
