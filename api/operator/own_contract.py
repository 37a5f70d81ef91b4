"""A contract beside the community's own: deployed when it is first needed, its address in a file of the state folder.

Where the file names one that is not on the chain, none is deployed anew: of two, each could say something else. Only
where the community's own contracts are there, so that it is the right chain, has a reorganisation taken it back.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eth_utils.address import is_checksum_address
from web3.contract import Contract

from api.operator.community import CONTRACTS, Community
from data.atomic import write_bytes
from data.damage import whole
from data.json_text import loads
from rewards.chain import Chain
from rewards.errors import ContractsLost

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OwnContract:
    """Args:
    file: its name in the state folder.
    key: what the address is called in it.
    what: the contract in words, with its article, such as "a settlement registry".
    """

    file: str
    key: str
    what: str

    def address_in(self, path: Path) -> str:
        """The address that such a file names. Raises DamagedFile, OSError."""
        with whole(path, f"the address of {self.what}"):
            address = loads(path.read_bytes())[self.key]
            if not is_checksum_address(address):
                raise ValueError("no address")
        return str(address)

    def of(
        self,
        community: Community,
        chain: Chain,
        at: Callable[[Chain, str], Contract],
        deploy: Callable[[], Contract],
    ) -> Contract:
        """The community's, deployed if there is none. Raises ContractsLost, DamagedFile, ChainError."""
        path = community.folder / self.file
        if path.exists():
            address = self.address_in(path)
            if chain.has_code(address):
                return at(chain, address)
            if chain.tester is not None or not (community.folder / CONTRACTS).exists():
                raise ContractsLost(
                    f"the chain has no {self.what.partition(' ')[2]} at {address}, which {path} names: it is of "
                    "another chain, or the embedded chain's files are not what they were. Put those that belong "
                    "together back from your backup"
                )
            community.open_contracts(chain)  # raises ContractsLost on another chain
            _log.warning("its deployment was taken back by a reorganisation, made again", extra={"file": self.file})
        made = deploy()
        write_bytes(path, json.dumps({self.key: str(made.address)}).encode())
        return made

    def there(
        self, community: Community, chain: Chain, at: Callable[[Chain, str], Contract], block: int | None
    ) -> Contract | None:
        """The community's as it is on the chain at a block (None: the latest); None where it is not.

        Raises DamagedFile, NodeUnreachable.
        """
        path = community.folder / self.file
        if not path.exists() or not chain.has_code(address := self.address_in(path), block):
            return None
        return at(chain, address)
