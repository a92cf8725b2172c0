"""Redaction by name: values under sensitive names are not recorded.

A name is split into words: at each character that is neither a letter nor a digit, between letters
and digits, and at each new word of camel case. `X-Api-Key`, `apiKey` and `API_KEY` all consist of
the words *api* and *key*. Whole words decide, so that `tokenizer` and `max_tokens` are recorded.
Only names are examined: a password inside a URL or a message is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, Union, cast

from tracekit._base.errors import ConfigurationError
from tracekit._values.bounded_text import MAX_NAME

REDACTED = "[redacted]"
"""The text that replaces a sensitive value."""

_SINGLE_WORDS = frozenset(
    (
        "password passwords passwd pwd passphrase passcode "
        "secret secrets credential credentials token bearer jwt authorization "
        "cookie cookies sessionid phpsessid jsessionid "
        "csrf xsrf csrftoken xsrftoken csrfmiddlewaretoken "
        "apikey apikeys apitoken authkey authtoken accesskey accesstoken refreshtoken "
        "privatekey secretkey clientsecret sessionkey setcookie "
        "otp totp ssn cvv cvc creditcard cardnumber"
    ).split()
)
_SEQUENCES = frozenset(
    tuple(words.split())
    for words in (
        "pass word,pass phrase,db pass,database pass,user pass,smtp pass,mysql pass,postgres pass,"
        "redis pass,api key,api keys,private key,access key,secret key,auth key,session key,"
        "signing key,encryption key,master key,shared key,account key,ssh key,"
        "auth code,security code,recovery code,backup code,session id,"
        "credit card,card number,social security,seed phrase,connection string"
    ).split(",")
)
# Sensitive as the whole name, but too common inside longer names (`auth_type`, `pass_count`).
_WHOLE_NAMES = frozenset({("auth",), ("pass",)})
# Language models count in tokens: before these words, "token" is a unit and not a secret.
_AFTER_TOKEN = frozenset("count counts limit limits length type usage budget".split())

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")
_ACCEPTED = "expected True, False, a name, or an iterable of names that are redacted as well"

Words = tuple[str, ...]
_Accepted = Union["Redaction", bool, str, Iterable[str], None]


def is_sensitive(name: str, extra: frozenset[str] = frozenset()) -> bool:
    """Whether a name contains a standard word or sequence of words, or the words of an extra name.

    Example:
        >>> is_sensitive("http.request.header.authorization"), is_sensitive("max_tokens")
        (True, False)
    """
    if len(name) > MAX_NAME:
        # Long names are keys of the program's data, which the cache must not keep alive.
        name = f"{name[:MAX_NAME]} {name[-MAX_NAME:]}"
        return _is_sensitive.__wrapped__(name, extra)
    return _is_sensitive(name, extra)


@lru_cache(maxsize=4_096)
def _is_sensitive(name: str, extra: frozenset[str]) -> bool:
    words = _words(name)
    if words in _WHOLE_NAMES or any(map(_is_sensitive_word, words, (*words[1:], ""))):
        return True
    sequences = _SEQUENCES | _extra_sequences(extra)
    return any(part in sequences for part in _parts(words, max(map(len, sequences))))


def _is_sensitive_word(word: str, following: str) -> bool:
    return word in _SINGLE_WORDS and not (word == "token" and following in _AFTER_TOKEN)


def _parts(words: Words, longest: int) -> Iterable[Words]:
    for start in range(len(words)):
        for end in range(start + 1, min(start + longest, len(words)) + 1):
            yield words[start:end]


@lru_cache(maxsize=64)
def _extra_sequences(extra: frozenset[str]) -> frozenset[Words]:
    return frozenset(map(_words, extra))


def _words(name: str) -> Words:
    return tuple(word.casefold() for word in _WORD.findall(name))


class Redaction(NamedTuple):
    """A redaction policy: the standard names and the further `names`, or nothing."""

    enabled: bool = True
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, value: _Accepted, /) -> Redaction:
        """Parse the `redact` argument of `init_telemetry`.

        Args:
            value: `True` or `None` for the standard names, `False` for no redaction, a name or an
                iterable of names that are redacted in addition to the standard ones.

        Raises:
            ConfigurationError: The value is not one of these, or a name has no letter or digit.
        """
        if isinstance(value, Redaction):
            return value
        if value is None or isinstance(value, bool):
            return cls(enabled=value is not False)
        return cls(names=frozenset(map(_parse_name, _names_in(value))))

    def hides(self, name: str) -> bool:
        """Whether values under this name are redacted."""
        return self.enabled and is_sensitive(name, self.names)


def _names_in(value: object) -> Iterable[object]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return cast("Iterable[object]", value)
    raise ConfigurationError(f"redact={value!r} is not a redaction; {_ACCEPTED}")


def _parse_name(name: object) -> str:
    if isinstance(name, str) and _words(name):
        return name
    raise ConfigurationError(f"redact: {name!r} is not a name that can be redacted; {_ACCEPTED}")


class _Current:
    """The policy of this process."""

    redaction = Redaction()


def current_redaction() -> Redaction:
    """Return the policy by which this process redacts nested keys and fields."""
    return _Current.redaction


def set_redaction(policy: Redaction) -> None:
    """Apply another policy to the values that any thread describes from now on."""
    _Current.redaction = policy
