"""What may be shown of an address."""

import pytest

from data.failures import masked


@pytest.mark.parametrize("password", ["kestrel93", "it's", "a@b", "a:b", "%2F'"])
def test_a_password_in_an_address_is_shown_nowhere(password: str) -> None:
    """An apostrophe may stand in an address as it is (RFC 3986, sub-delims), and let one with it through."""
    for text in ("{}", "at '{}'", '{{"url": "{}", "mail": "me@elm"}}', "[{}]"):
        said = text.format(f"postgresql://elm:{password}@db:5432/elm")
        assert masked(said) == text.format("postgresql://elm:***@db:5432/elm")


def test_an_address_without_a_password_is_shown_as_it_is() -> None:
    for text in ("http://127.0.0.1:8000/v1 and me@elm", '{"a": "http://h:80", "b": "me@elm"}', "p://elm@db/elm"):
        assert masked(text) == text
