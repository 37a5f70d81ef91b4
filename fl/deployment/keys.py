"""Keys and certificates of a deployment: the coordinator's TLS certificate and each agent's signing key.

    keys/authority.key      signs the coordinator's certificate; needed only to make another one
    keys/authority.pem      goes to every agent: what it trusts
    keys/coordinator.key    stays with the coordinator
    keys/coordinator.pem    names the hosts agents may reach the coordinator by
    keys/agents/HOME.key    goes to that home's gateway, nowhere else (0600)
    keys/agents/HOME.pub    the coordinator's list of who may join; delete one to exclude a home
    keys/peers/HOME.key     without a coordinator: that home's TLS key, goes to its gateway, nowhere else (0600)
    keys/peers/HOME.pem     its certificate, by which other peers know that it is of the community

A gateway may make its own pair and hand over only HOME.pub. Keys are on NIST P-384, Flower's own choice for nodes.

    wattproof keys -c coordinator.yaml --home elm-3 --home elm-5     all of it, on the coordinator
    wattproof keys -c gateway.yaml --home elm-3 --gateway            one home's own pair, on the home's gateway
    wattproof keys -c coordinator.yaml --renew                       certificates for five more years, same keys
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from data import atomic
from data.home_name import HOME_NAME_RULE, is_home_name
from fl.errors import KeysError
from fl.secagg.roster import Roster

_YEARS = 5
_AUTHORITY = "Wattproof community authority"
_NEW = "make it with `wattproof keys`"


@dataclass(frozen=True)
class KeyFolder:
    """The paths of a deployment's keys."""

    directory: Path

    @property
    def authority_key(self) -> Path:
        return self.directory / "authority.key"

    @property
    def authority(self) -> Path:
        return self.directory / "authority.pem"

    @property
    def coordinator_key(self) -> Path:
        return self.directory / "coordinator.key"

    @property
    def coordinator(self) -> Path:
        return self.directory / "coordinator.pem"

    def agent_key(self, home: str) -> Path:
        return self.directory / "agents" / f"{_checked(home)}.key"

    def agent_public(self, home: str) -> Path:
        return self.directory / "agents" / f"{_checked(home)}.pub"

    def peer(self, home: str) -> PeerKeys:
        folder = self.directory / "peers"
        return PeerKeys(folder / f"{_checked(home)}.key", folder / f"{_checked(home)}.pem", self.authority)


@dataclass(frozen=True)
class PeerKeys:
    """What a home of a training without a server shows to the others, and what it asks of them."""

    key: Path
    certificate: Path
    authority: Path

    def check(self) -> None:
        """Raises KeysError unless all are there, and key and certificate are a pair."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.certificate, self.key)
            context.load_verify_locations(self.authority)
        except FileNotFoundError as problem:
            raise KeysError(
                f"{self.key}, {self.certificate} or {self.authority} is missing: {_NEW} --peer"
            ) from problem
        except ssl.SSLError as problem:
            raise KeysError(
                f"{self.certificate} and {self.key} are not a pair, or no certificate: {_NEW}"
            ) from problem


def make_keys(directory: Path, hosts: Sequence[str], homes: Sequence[str]) -> list[Path]:
    """Create the missing keys of a deployment; existing files are not overwritten.

    A missing certificate or public key is recreated from the existing private key.

    Args:
        hosts: names and addresses of the coordinator (the certificate's subject alternative names).
        homes: `unique_id`s of the homes to make agent keys for.

    Returns the files made. Raises KeysError for a home whose name can't be a file name, for no hosts, and where the
    coordinator's certificate cannot be made for want of the authority's key.
    """
    if not hosts:
        raise KeysError("hosts: name at least one host that agents reach the coordinator by")
    folder = KeyFolder(directory)
    for home in homes:
        _checked(home)
    made: list[Path] = []
    if not folder.authority.exists():
        made += _make_authority(folder)
    if not folder.coordinator.exists():
        made += _make_coordinator(folder, hosts)
    for home in homes:
        made += make_agent_key(directory, home)
    return made


def renew_certificates(directory: Path) -> list[Path]:
    """Give the authority and the coordinator certificates that last another five years; keys and hosts stay.

    Gateways keep working with the authority's old certificate until it expires; by then they need the new one.
    Returns the files written. Raises KeysError if one of the keys or certificates is missing.
    """
    folder = check_coordinator(directory)
    authority = x509.load_pem_x509_certificate(load_authority(directory))
    certificate = x509.load_pem_x509_certificate(folder.coordinator.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    signer, key = _load_signer(folder, authority), _load_key(folder.coordinator_key)
    _sign_authority(folder, signer)
    _sign_coordinator(folder, signer, key, names)
    return [folder.authority, folder.coordinator]


def make_agent_key(directory: Path, home: str) -> list[Path]:
    """Create one home's key pair if there is none; a gateway can do so itself and send the .pub. Returns the files
    made."""
    folder = KeyFolder(directory)
    if folder.agent_public(home).exists():
        return []
    key, made = _kept_or_new(folder.agent_key(home))
    atomic.write_bytes(folder.agent_public(home), _public_pem(key))
    return [*made, folder.agent_public(home)]


def renew_agent_key(directory: Path, home: str) -> list[Path]:
    """A new key pair in the place of a home's own; returns its files. Raises KeysError if there is none."""
    folder = KeyFolder(directory)
    _load_key(folder.agent_key(home))
    folder.agent_public(home).unlink(missing_ok=True)  # stopped here, it is made anew of whichever key is there
    key = _new_key(folder.agent_key(home))
    atomic.write_bytes(folder.agent_public(home), _public_pem(key))
    return [folder.agent_key(home), folder.agent_public(home)]


def make_peer_keys(directory: Path, home: str, hosts: Sequence[str]) -> PeerKeys:
    """Make a home's TLS key and certificate for a training without a server; what exists stays.

    `hosts`: names and addresses that other peers reach it by. Raises KeysError as `make_keys` does.
    """
    if not hosts:
        raise KeysError("hosts: name at least one host that other peers reach this one by")
    folder = KeyFolder(directory)
    keys = folder.peer(home)
    if not folder.authority.exists():
        _make_authority(folder)
    if not keys.certificate.exists():
        authority = x509.load_pem_x509_certificate(load_authority(directory))
        key, _ = _kept_or_new(keys.key)
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        content = _leaf(home, key, names, _load_signer(folder, authority), peer=True)
        atomic.write_bytes(keys.certificate, content)
    return keys


def load_agent_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """An agent's private key. Raises KeysError if it is missing or not a P-384 key in PEM."""
    key = _load_key(path)
    if not isinstance(key.curve, ec.SECP384R1):
        raise KeysError(f"{path} is a key on {key.curve.name}, agents use P-384: {_NEW}")
    return key


def load_agent_list(directory: Path) -> dict[str, bytes]:
    """Home -> public key (PEM as Flower compares it) of the homes that may join. KeysError if there are none."""
    listed = read_agent_list(directory)
    if not listed:
        raise KeysError(f"{directory / 'agents'} lists no home (HOME.pub): {_NEW}")
    return listed


def roster_of_agents(directory: Path) -> Roster:
    """The roster of all homes in the coordinator's list (keys/agents/*.pub). Raises KeysError."""
    return Roster.of_keys(load_agent_list(directory), str(directory / "agents"))


def read_agent_list(directory: Path) -> dict[str, bytes]:
    """Like `load_agent_list`, but may be empty. Raises KeysError for a file that is not a P-384 key."""
    listed = {}
    for path in sorted((directory / "agents").glob("*.pub")):
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except FileNotFoundError:
            continue  # deleted since the folder was listed
        except (ValueError, UnsupportedAlgorithm) as problem:
            raise KeysError(f"{path} is not a public key in PEM: have the home send it again") from problem
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
            raise KeysError(f"{path} is not a key on P-384, which agents use: have the home send {path.name} again")
        listed[path.stem] = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    for home, public in listed.items():
        if twins := [other for other in listed if other < home and listed[other] == public]:
            raise KeysError(f"{directory / 'agents'}: {twins[0]} and {home} have the same key; which .pub is wrong?")
    return listed


def load_authority(directory: Path) -> bytes:
    """The certificate agents trust (PEM). Raises KeysError if it is missing or not a certificate."""
    path = KeyFolder(directory).authority
    try:
        content = path.read_bytes()
        x509.load_pem_x509_certificate(content)
    except FileNotFoundError as problem:
        raise KeysError(f"{path} is missing: copy it from the coordinator's keys, or {_NEW}") from problem
    except ValueError as problem:
        raise KeysError(f"{path} is not a certificate in PEM: copy it again from the coordinator") from problem
    return content


def check_coordinator(directory: Path) -> KeyFolder:
    """The folder, once certificate and key are known to be a pair (KeysError otherwise)."""
    folder = KeyFolder(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(folder.coordinator, folder.coordinator_key)
    except FileNotFoundError as problem:
        raise KeysError(f"{directory} has no coordinator.pem and coordinator.key: {_NEW}") from problem
    except ssl.SSLError as problem:
        raise KeysError(f"{folder.coordinator} and its key are not a pair: move both away, and {_NEW}") from problem
    return folder


def _make_authority(folder: KeyFolder) -> list[Path]:
    key, made = _kept_or_new(folder.authority_key)
    _sign_authority(folder, key)
    return [*made, folder.authority]


def _sign_authority(folder: KeyFolder, key: ec.EllipticCurvePrivateKey) -> None:
    name = _name(_AUTHORITY)
    certificate = (
        _certificate(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )
    atomic.write_bytes(folder.authority, certificate.public_bytes(serialization.Encoding.PEM))


def _make_coordinator(folder: KeyFolder, hosts: Sequence[str]) -> list[Path]:
    signer = _load_signer(folder, x509.load_pem_x509_certificate(load_authority(folder.directory)))
    key, made = _kept_or_new(folder.coordinator_key)
    _sign_coordinator(folder, signer, key, x509.SubjectAlternativeName([_host(host) for host in hosts]))
    return [*made, folder.coordinator]


def _load_signer(folder: KeyFolder, authority: x509.Certificate) -> ec.EllipticCurvePrivateKey:
    """The authority's key. Raises KeysError if it is missing or does not match its certificate."""
    if not folder.authority_key.exists():
        raise KeysError(
            f"{folder.authority_key} is missing: restore a copy. If there is none, move {folder.authority} and "
            f"{folder.coordinator} away and make new ones with `wattproof keys`; every gateway then needs the new "
            f"{folder.authority.name}"
        )
    signer = _load_key(folder.authority_key)
    if signer.public_key() != authority.public_key():
        raise KeysError(f"{folder.authority_key} is not the key of {folder.authority}: restore the right one")
    return signer


def _sign_coordinator(
    folder: KeyFolder,
    signer: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    names: x509.SubjectAlternativeName,
) -> None:
    atomic.write_bytes(folder.coordinator, _leaf("Wattproof coordinator", key, names, signer, peer=False))


def _leaf(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    names: x509.SubjectAlternativeName,
    signer: ec.EllipticCurvePrivateKey,
    *,
    peer: bool,
) -> bytes:
    """A certificate (PEM) of the authority's for a server; a `peer` is a client, too."""
    usages = [x509.oid.ExtendedKeyUsageOID.SERVER_AUTH, x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH][: 2 if peer else 1]
    certificate = (
        _certificate(_name(name), _name(_AUTHORITY), key.public_key())
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA384())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificate(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # a gateway's clock may be behind
        .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _kept_or_new(path: Path) -> tuple[ec.EllipticCurvePrivateKey, list[Path]]:
    """The key in a file, a new one where there is none; and the files made."""
    return (_load_key(path), []) if path.exists() else (_new_key(path), [path])


def _new_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP384R1())
    content = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    atomic.write_bytes(path, content, private=True)
    return key


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as problem:
        raise KeysError(f"{path} is missing: {_NEW}") from problem
    except (ValueError, TypeError) as problem:
        # `from None`: the parser's message may quote the file.
        raise KeysError(
            f"{path} is not an unencrypted private key in PEM ({type(problem).__name__}): keep it, and restore a "
            "copy from your backup in its place"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeysError(f"{path} is not an elliptic curve key: {_NEW}")
    return key


def _public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _checked(home: str) -> str:
    if not is_home_name(home):
        raise KeysError(f"home {home!r} can't be used: {HOME_NAME_RULE}")
    return home
