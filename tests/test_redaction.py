"""Redaction decides by whole words of a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit._base.errors import ConfigurationError
from tracekit._values.redaction import (
    Redaction,
    _is_sensitive,
    current_redaction,
    is_sensitive,
    set_redaction,
)

SENSITIVE = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "DB_PASSWORD",
    "db-password-2",
    "password1",
    "userPassword",
    "user_pass_word",
    "pass",
    "db_pass",
    "token",
    "accessToken",
    "ACCESS_TOKEN",
    "auth_token",
    "OAuth2Token",
    "refresh.token",
    "apikey",
    "api_key",
    "X-Api-Key",
    "APIKey",
    "my apiKeys",
    "private_key",
    "aws_secret_access_key",
    "AWSAccessKeyId",
    "client_secret",
    "http.request.header.authorization",
    "Proxy-Authorization",
    "Set-Cookie",
    "cookies",
    "sessionid",
    "session_key",
    "credit_card",
    "cardNumber",
    "ssn",
    "cvv2",
    "jwt",
    "csrfmiddlewaretoken",
    "X-XSRF-TOKEN",
    "credentials",
    "app/secret",
    "auth",
    "connection_string",
]
HARMLESS = [
    "",
    "user",
    "tokens",
    "max_tokens",
    "tokenizer",
    "token_count",
    "input.token.usage",
    "passenger",
    "pass_count",
    "compass",
    "auth_type",
    "author",
    "authorized",
    "secretary",
    "cookiecutter",
    "key",
    "keyboard",
    "primary_key",
    "api",
    "key_api",
    "card",
    "number_card",
    "session",
    "monkey_patch",
    "ключ",
    "42",
    "___",
]


@pytest.mark.parametrize("name", SENSITIVE)
def test_sensitive_names(name: str) -> None:
    """A name with a sensitive word or sequence of words is sensitive, however it is spelled."""
    assert is_sensitive(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_names(name: str) -> None:
    """A name that merely contains the letters of a sensitive word is not sensitive."""
    assert not is_sensitive(name)


@pytest.mark.parametrize(
    ("extra", "name", "expected"),
    [
        ("iban", "customer_IBAN", True),
        ("iban", "iban2", True),
        ("iban", "ibanez", False),
        ("internal_note", "user.internalNote", True),
        ("internalNote", "INTERNAL-NOTE", True),
        ("internal_note", "note_internal", False),
        ("a_b_c_d_e", "x-a.b c/dE", True),
        ("schlüssel", "api-Schlüssel2", True),
        ("ключ", "api.ключ", True),
    ],
)
def test_extra_names(extra: str, name: str, expected: bool) -> None:
    """An extra name matches its words in the same order, without others between them."""
    assert expected == is_sensitive(name, frozenset({extra}))


def test_extra_names_add() -> None:
    """Extra names do not replace the standard names."""
    assert is_sensitive("password", frozenset({"iban"}))


@pytest.mark.parametrize("name", ["password" + "x_" * 10_000, "x_" * 10_000 + "password"])
def test_long_names(name: str) -> None:
    """The ends of a very long name decide, and the cache does not keep it."""
    before = _is_sensitive.cache_info().currsize
    assert is_sensitive(name.replace("passwordx", "password_x"))
    assert before == _is_sensitive.cache_info().currsize


def test_cache_is_bounded() -> None:
    """The cache of names has a limited size."""
    for number in range(5_000):
        is_sensitive(f"name{number}")
    assert _is_sensitive.cache_info().currsize <= 4_096


@given(st.text(max_size=300), st.frozensets(st.text(max_size=20), max_size=3))
def test_any_name(name: str, extra: frozenset[str]) -> None:
    """Any text is a valid name, and a repeated check has the same result."""
    assert is_sensitive(name, extra) == is_sensitive(name, extra)


@given(st.text(alphabet="abcxyz", max_size=8), st.sampled_from("_-./ "))
def test_separators(other: str, separator: str) -> None:
    """Every separator divides words."""
    assert is_sensitive(f"{other}{separator}password{separator}{other}")


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        (None, Redaction()),
        (True, Redaction()),
        (False, Redaction(enabled=False)),
        ("iban", Redaction(names=frozenset({"iban"}))),
        (["iban", "note"], Redaction(names=frozenset({"iban", "note"}))),
        ({"iban"}, Redaction(names=frozenset({"iban"}))),
        ((), Redaction()),
        (Redaction(enabled=False), Redaction(enabled=False)),
    ],
)
def test_redaction_of(given_value: object, expected: Redaction) -> None:
    """The argument `redact` is parsed in each of its forms."""
    assert expected == Redaction.of(given_value)


@pytest.mark.parametrize("wrong", [1, 0, b"iban", "", "***", ["iban", 3], [""], [b"x"], object()])
def test_redaction_of_wrong(wrong: object) -> None:
    """A wrong value raises an error with the argument's name and the accepted values."""
    with pytest.raises(ConfigurationError, match=r"redact.*expected True, False, a name"):
        Redaction.of(wrong)


@pytest.mark.parametrize(
    ("policy", "name", "expected"),
    [
        (Redaction(), "password", True),
        (Redaction(), "iban", False),
        (Redaction.of("iban"), "iban", True),
        (Redaction.of(False), "password", False),
    ],
)
def test_hides(policy: Redaction, name: str, expected: bool) -> None:
    """A policy hides the standard names and its own, or nothing when it is off."""
    assert expected == policy.hides(name)


def test_redaction_is_immutable() -> None:
    """A policy cannot be changed in place."""
    with pytest.raises(AttributeError):
        Redaction().enabled = False  # type: ignore[misc]


def test_current_redaction() -> None:
    """The policy that was set last is the current one."""
    before = current_redaction()
    try:
        set_redaction(Redaction.of("iban"))
        assert Redaction.of("iban") == current_redaction()
    finally:
        set_redaction(before)
