"""How long a deployment's certificates remain valid, with warnings in good time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from fl.deployment.keys import KeyFolder

_log = logging.getLogger(__name__)
WARN_DAYS = 30
LOOK_EVERY_S = 12 * 3600.0


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Certificates:
    """The certificates in a keys folder: `coordinator` and `authority`, or only the latter on a gateway."""

    paths: Mapping[str, Path]
    now: Callable[[], datetime] = field(default=_now, repr=False)

    @staticmethod
    def of(folder: KeyFolder) -> Certificates:
        paths = {"coordinator": folder.coordinator, "authority": folder.authority}
        return Certificates({name: path for name, path in paths.items() if path.exists()})

    def days_left(self, name: str) -> float:
        """Days until a certificate expires; negative once it has. NaN for a file that is no longer a certificate."""
        try:
            return (_read(self.paths[name]).not_valid_after_utc - self.now()).total_seconds() / 86400
        except (OSError, ValueError):
            return float("nan")

    def warn(self) -> None:
        """Log every certificate that has expired, expires within thirty days, or is not yet valid."""
        for name, path in self.paths.items():
            days = self.days_left(name)
            fields = {"certificate": name, "path": str(path), "days_left": round(days, 1)}
            try:
                begins = _read(path).not_valid_before_utc
            except (OSError, ValueError) as problem:
                _log.error("certificate can't be read", extra=fields | {"reason": str(problem)})
                continue
            if begins > self.now():
                _log.error("certificate is not valid yet: is this machine's clock right?", extra=fields)
            elif days <= 0:
                _log.error(
                    "certificate has expired, and is refused; `wattproof keys --renew` renews it", extra=fields
                )
            elif days < WARN_DAYS:
                _log.warning("certificate expires soon; `wattproof keys --renew` renews it", extra=fields)


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())
