"""Keys and certificates: made once, private where they must be, and refused when they are not what they should be."""

from __future__ import annotations

import math
import socket
import ssl
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fl.deployment.certificates import Certificates
from fl.deployment.keys import (
    KeyFolder,
    check_coordinator,
    load_agent_key,
    load_agent_list,
    load_authority,
    make_keys,
    renew_agent_key,
    renew_certificates,
)
from fl.errors import KeysError


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    make_keys(tmp_path, ["127.0.0.1", "coordinator.example"], ["home-01", "home-02"])
    return KeyFolder(tmp_path)


def test_private_keys_are_their_owners_alone(keys: KeyFolder) -> None:
    private = sorted(keys.directory.rglob("*.key"))
    assert len(private) == 4
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}


def test_nothing_that_exists_is_made_again(keys: KeyFolder) -> None:
    before = {path: path.read_bytes() for path in keys.directory.rglob("*") if path.is_file()}
    made = make_keys(keys.directory, ["127.0.0.1"], ["home-01", "home-03"])
    assert made == [keys.agent_key("home-03"), keys.agent_public("home-03")]
    assert all(path.read_bytes() == content for path, content in before.items())


def test_what_is_lost_of_a_pair_is_made_of_its_private_key_which_stays(keys: KeyFolder) -> None:
    """A home's public key is handed over, often by moving it: the next `keys` must not make another home of it."""
    before = {path: path.read_bytes() for path in keys.directory.rglob("*.key")}
    for lost in (keys.agent_public("home-01"), keys.authority, keys.coordinator):
        lost.unlink()
    made = make_keys(keys.directory, ["127.0.0.1"], ["home-01"])
    assert made == [keys.authority, keys.coordinator, keys.agent_public("home-01")]
    assert {path: path.read_bytes() for path in before} == before
    renew_certificates(keys.directory)  # which checks that all of it belongs together


def test_a_homes_key_is_replaced_by_a_pair_that_the_coordinator_knows_it_by(keys: KeyFolder) -> None:
    before = load_agent_list(keys.directory)
    assert renew_agent_key(keys.directory, "home-01") == [keys.agent_key("home-01"), keys.agent_public("home-01")]
    after = load_agent_list(keys.directory)
    assert after["home-01"] != before["home-01"] and after["home-02"] == before["home-02"]
    assert keys.agent_key("home-01").stat().st_mode & 0o777 == 0o600
    keys.agent_public("home-01").unlink()
    make_keys(keys.directory, ["127.0.0.1"], ["home-01"])
    assert load_agent_list(keys.directory) == after, "the pair belongs together"


def test_a_key_that_is_not_there_is_not_replaced(keys: KeyFolder) -> None:
    keys.agent_key("home-01").unlink()
    with pytest.raises(KeysError, match=r"home-01\.key is missing"):
        renew_agent_key(keys.directory, "home-01")
    assert keys.agent_public("home-01").exists()


def test_no_certificate_is_made_with_a_key_that_gateways_do_not_trust(keys: KeyFolder, tmp_path: Path) -> None:
    keys.coordinator.unlink()
    keys.authority_key.rename(tmp_path / "aside")
    with pytest.raises(KeysError, match=r"authority\.key is missing: restore a copy"):
        make_keys(keys.directory, ["127.0.0.1"], [])
    make_keys(tmp_path / "other", ["127.0.0.1"], [])
    keys.authority_key.write_bytes(KeyFolder(tmp_path / "other").authority_key.read_bytes())
    with pytest.raises(KeysError, match="is not the key of"):
        make_keys(keys.directory, ["127.0.0.1"], [])
    assert not keys.coordinator.exists()


def test_the_list_of_agents_holds_the_keys_they_sign_with(keys: KeyFolder) -> None:
    listed = load_agent_list(keys.directory)
    assert list(listed) == ["home-01", "home-02"]
    public = load_agent_key(keys.agent_key("home-02")).public_key()
    assert listed["home-02"] == public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize(
    ("name", "trusted"), [("127.0.0.1", True), ("coordinator.example", True), ("10.9.8.7", False)]
)
def test_agents_trust_the_coordinator_under_its_own_names_only(keys: KeyFolder, name: str, trusted: bool) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(keys.coordinator, keys.coordinator_key)
    client = ssl.create_default_context(cadata=load_authority(keys.directory).decode())
    assert _handshake(server, client, name) is trusted


def test_another_communitys_certificate_is_not_trusted(keys: KeyFolder, tmp_path: Path) -> None:
    make_keys(tmp_path / "other", ["127.0.0.1"], ["home-01"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(keys.coordinator, keys.coordinator_key)
    client = ssl.create_default_context(cadata=load_authority(tmp_path / "other").decode())
    assert _handshake(server, client, "127.0.0.1") is False


@pytest.mark.parametrize("home", ["../home", "", "home 1", "a" * 65, ".hidden"])
def test_a_home_that_can_not_be_a_file_name_is_refused(tmp_path: Path, home: str) -> None:
    with pytest.raises(KeysError, match="letters, digits"):
        make_keys(tmp_path, ["127.0.0.1"], ["home-01", home])
    assert list(tmp_path.iterdir()) == []


def test_missing_and_wrong_keys_say_what_to_do(keys: KeyFolder, tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"home-09\.key is missing: make it with `wattproof keys`"):
        load_agent_key(keys.agent_key("home-09"))
    with pytest.raises(KeysError, match="lists no home"):
        load_agent_list(tmp_path / "nowhere")
    with pytest.raises(KeysError, match=r"authority\.pem is missing"):
        load_authority(tmp_path / "nowhere")
    other = ec.generate_private_key(ec.SECP256R1())
    keys.agent_key("home-01").write_bytes(
        other.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(KeysError, match="secp256r1, agents use P-384"):
        load_agent_key(keys.agent_key("home-01"))
    keys.coordinator_key.write_bytes(keys.agent_key("home-02").read_bytes())
    with pytest.raises(KeysError, match="not a pair"):
        check_coordinator(keys.directory)


def test_an_unreadable_key_is_not_quoted(keys: KeyFolder) -> None:
    keys.agent_key("home-01").write_bytes(b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(KeysError) as refused:
        load_agent_key(keys.agent_key("home-01"))
    assert "c2VjcmV0" not in str(refused.value)


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bool:
    ours, theirs = socket.socketpair()

    def answer() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=name).close()
    except ssl.SSLCertVerificationError:
        return False
    finally:
        ours.close()
        thread.join()
    return True


def test_a_key_of_two_homes_is_refused_with_both_names(keys: KeyFolder) -> None:
    keys.agent_public("home-09").write_bytes(keys.agent_public("home-02").read_bytes())
    with pytest.raises(KeysError, match="home-02 and home-09 have the same key"):
        load_agent_list(keys.directory)


def test_a_listed_key_on_another_curve_is_refused(keys: KeyFolder) -> None:
    small = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = small.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    keys.agent_public("home-02").write_bytes(pem)
    with pytest.raises(KeysError, match=r"home-02\.pub is not a key on P-384"):
        load_agent_list(keys.directory)


def test_renewed_certificates_last_longer_by_the_same_keys_and_for_the_same_hosts(
    keys: KeyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in keys.directory.rglob("*") if path.is_file()}
    old = x509.load_pem_x509_certificate(keys.coordinator.read_bytes())
    monkeypatch.setattr("fl.deployment.keys._YEARS", 9)
    assert renew_certificates(keys.directory) == [keys.authority, keys.coordinator]
    new = x509.load_pem_x509_certificate(keys.coordinator.read_bytes())
    assert new.not_valid_after_utc > old.not_valid_after_utc + timedelta(days=4 * 364)
    names = [c.extensions.get_extension_for_class(x509.SubjectAlternativeName).value for c in (old, new)]
    assert names[0] == names[1] and new.public_key() == old.public_key()
    changed = {path for path, content in before.items() if path.read_bytes() != content}
    assert changed == {keys.authority, keys.coordinator}
    for authority in (before[keys.authority], keys.authority.read_bytes()):  # gateways need not have the new one yet
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(keys.coordinator, keys.coordinator_key)
        client = ssl.create_default_context(cadata=authority.decode())
        assert _handshake(server, client, "coordinator.example")


def test_without_the_authoritys_key_it_says_what_can_be_done(keys: KeyFolder) -> None:
    keys.authority_key.unlink()
    before = {path: path.read_bytes() for path in keys.directory.rglob("*") if path.is_file()}
    with pytest.raises(KeysError, match=r"restore a copy.*every gateway then needs the new authority\.pem"):
        renew_certificates(keys.directory)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_certificates_are_not_renewed_with_a_key_that_is_not_theirs(keys: KeyFolder, tmp_path: Path) -> None:
    make_keys(tmp_path / "other", ["127.0.0.1"], [])
    keys.authority_key.write_bytes(KeyFolder(tmp_path / "other").authority_key.read_bytes())
    before = keys.coordinator.read_bytes()
    with pytest.raises(KeysError, match="is not the key of"):
        renew_certificates(keys.directory)
    assert keys.coordinator.read_bytes() == before


def test_days_left_are_told_and_warned_of_in_time(keys: KeyFolder, caplog: pytest.LogCaptureFixture) -> None:
    end = x509.load_pem_x509_certificate(keys.coordinator.read_bytes()).not_valid_after_utc
    told = []
    for days in (40, 20, -1, 3000):
        caplog.clear()
        certificates = replace(Certificates.of(keys), now=lambda days=days: end - timedelta(days=days))
        assert certificates.days_left("coordinator") == pytest.approx(days)
        certificates.warn()
        told.append([(record.levelname, record.message[:24]) for record in caplog.records])
    soon, ended, early = (
        ("WARNING", "certificate expires soon"),
        ("ERROR", "certificate has expired,"),
        ("ERROR",),
    )
    assert told[:3] == [[], [soon] * 2, [ended] * 2]
    assert [level for level, _ in told[3]] == [*early, *early]


def test_a_certificate_that_can_no_longer_be_read_is_said(keys: KeyFolder, caplog: pytest.LogCaptureFixture) -> None:
    certificates = Certificates.of(keys)
    keys.authority.write_text("rubbish")
    certificates.warn()
    assert math.isnan(certificates.days_left("authority"))
    assert [record.message for record in caplog.records] == ["certificate can't be read"]
