"""The line to an API that may be broken, overloaded or hostile: each answer is taken, refused, or tried again."""

import contextlib
import gzip
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from api.gateway.client import ApiClient, OfferedRound
from api.protocol import bounded_client as line
from api.protocol.bounded_client import ApiRefused, Unreachable
from data.tls import client_context
from fl.deployment.keys import KeyFolder, make_keys
from rewards.chain import RELAY_WAIT_S
from tests.api.lying_api import LyingApi, lying_api
from tests.support.laws import examples

ME = "0x" + "11" * 20
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["number", "digest", "chain_id", "nonce", "gas_price"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def api() -> Iterator[LyingApi]:
    with lying_api() as made:
        yield made


@pytest.fixture(autouse=True)
def _clean(api: LyingApi) -> None:
    api.answers.clear()
    api.headers.clear()
    api.asked.clear()
    api.endless = None


@pytest.fixture
def client(api: LyingApi) -> Iterator[ApiClient]:
    made = ApiClient(api.url)
    yield made
    made.close()


def test_the_newest_round_is_the_one_with_the_highest_number(api: LyingApi, client: ApiClient) -> None:
    rounds = [{"number": n, "digest": "0x" + f"{n:02x}" * 32} for n in (2, 9, 4)]
    api.answers["GET /rounds"] = 200, rounds
    assert client.newest_round() == OfferedRound(9, b"\x09" * 32)
    api.answers["GET /rounds"] = 200, []
    assert client.newest_round() is None


def test_models_of_export_have_rounds_of_their_own_and_a_server_of_an_earlier_release_has_none(
    api: LyingApi, client: ApiClient
) -> None:
    """It must not be asked for them in words that it takes for a question about load."""
    api.answers["GET /rounds"] = 200, [{"number": 9, "digest": "0x" + "09" * 32}]
    api.answers["GET /rounds/9/weights"] = 200, b"of load"
    assert client.newest_round("export") is None
    with pytest.raises(ApiRefused):
        client.weights(9, "export")
    api.answers["GET /export/rounds"] = 200, [{"number": 3, "digest": "0x" + "03" * 32}]
    api.answers["GET /export/rounds/3/weights"] = 200, b"of export"
    assert client.newest_round("export") == OfferedRound(3, b"\x03" * 32)
    assert (client.weights(3, "export"), client.weights(9)) == (b"of export", b"of load")


@pytest.mark.parametrize("status", [409, 404, 422, 403, 413])
def test_a_refusal_has_its_code(api: LyingApi, client: ApiClient, status: int) -> None:
    api.answers["POST /claims"] = status, {"error": "already-claimed", "message": "paid before"}
    with pytest.raises(ApiRefused, match="paid before") as caught:
        client.claim(b"{}")
    assert caught.value.code == "already-claimed"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"error": "late-forecast", "message": "no"}), (503, {"error": "chain-unreachable", "message": "no"}),
        (429, {"error": "slow", "message": "no"}), (404, b"<html>a proxy's page</html>"), (409, {"error": "bare"}),
        (409, [1]), (301, b""),
    ],
)  # fmt: skip
def test_what_is_no_word_of_the_api_is_tried_again_later(
    api: LyingApi, client: ApiClient, status: int, body: Any
) -> None:
    api.answers["POST /claims"] = status, body
    with pytest.raises(Unreachable):
        client.claim(b"{}")


def test_a_redirect_is_not_followed_into_the_households_network(api: LyingApi, client: ApiClient) -> None:
    api.answers["GET /rounds"] = 307, b""
    api.headers["location"] = f"{api.url}/router/reboot"
    with pytest.raises(Unreachable):
        client.newest_round()
    assert [what for what, _ in api.asked] == ["GET /rounds"]


def test_a_cut_answer_is_no_answer(api: LyingApi, client: ApiClient) -> None:
    api.answers["GET /rounds/1/weights"] = 200, b"half of a model"
    api.headers["content-length"] = "1000"
    api.headers["connection"] = "close"
    with pytest.raises(Unreachable):
        client.weights(1)


def test_an_answer_that_is_too_large_is_given_up(api: LyingApi, client: ApiClient) -> None:
    api.answers["GET /rounds"] = 200, b" " * (2 << 20)
    with pytest.raises(Unreachable, match="larger than"):
        client.newest_round()


def test_an_answer_that_unpacks_to_too_much_is_given_up(api: LyingApi, client: ApiClient) -> None:
    api.answers["GET /rounds"] = 200, gzip.compress(b" " * (64 << 20))
    api.headers["content-encoding"] = "gzip"
    with pytest.raises(Unreachable, match="larger than"):
        client.newest_round()


def test_an_answer_that_takes_for_ever_is_given_up(api: LyingApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "_WHOLE_S", -1.0)
    api.answers["GET /rounds"] = 200, []
    with pytest.raises(Unreachable, match="takes too long"):
        ApiClient(api.url).newest_round()


def test_a_gateway_that_is_told_to_stop_asks_nothing_more(api: LyingApi) -> None:
    api.answers["GET /rounds"] = 200, []
    stop = threading.Event()
    client = ApiClient(api.url, stop)
    assert client.newest_round() is None
    stop.set()
    with pytest.raises(Unreachable, match="this process is stopping"):
        client.newest_round()
    assert len(api.asked) == 1


def test_a_gateway_that_is_told_to_stop_leaves_an_answer_that_trickles(api: LyingApi) -> None:
    stop = threading.Event()
    api.endless = stop
    with pytest.raises(Unreachable, match="this process is stopping"):
        ApiClient(api.url, stop).newest_round()


def test_an_api_that_never_answers_is_not_waited_for_longer_than_it_may(
    api: LyingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = ApiClient(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Unreachable, match="ReadTimeout"):
            client.newest_round()


def test_the_api_answers_about_a_transaction_before_the_gateway_hangs_up() -> None:
    assert line._TIMEOUT.read is not None and line._TIMEOUT.read > RELAY_WAIT_S


def test_a_refusal_plays_no_tricks_on_a_terminal(api: LyingApi, client: ApiClient) -> None:
    api.answers["POST /claims"] = 409, {"error": "no\x1b[2J", "message": "all\r\nis \x1b]0;well\x07"}
    with pytest.raises(ApiRefused) as caught:
        client.claim(b"{}")
    assert str(caught.value).isprintable() and caught.value.code.isprintable()


def test_a_private_authority_is_believed_when_the_gateway_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_keys(tmp_path, ["127.0.0.1"], [])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    keys = KeyFolder(tmp_path)
    tls.load_cert_chain(keys.coordinator, keys.coordinator_key)
    with lying_api(tls) as api:
        api.answers["GET /rounds"] = 200, []
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            ApiClient(api.url).newest_round()
        monkeypatch.setenv("SSL_CERT_FILE", str(keys.authority))
        client_context.cache_clear()  # as in a process of its own
        assert ApiClient(api.url).newest_round() is None
    client_context.cache_clear()


def test_nobody_there_is_unreachable() -> None:
    client = ApiClient("http://127.0.0.1:9")
    with pytest.raises(Unreachable):
        client.newest_round()


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=JSON)
def test_junk_is_never_an_accident(api: LyingApi, client: ApiClient, told: Any) -> None:
    api.answers["GET /rounds"] = api.answers[f"GET /households/{ME}/signing"] = 200, told
    for ask in (client.newest_round, lambda: client.facts(ME)):
        with contextlib.suppress(Unreachable):
            ask()
