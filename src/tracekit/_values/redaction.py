"""Redaction by name: whose value is never recorded.

A name is taken apart into words: at everything that is neither letter nor digit, between letters
and digits, and where camel case begins a new word. `X-Api-Key`, `apiKey` and `API_KEY` are the
words *api* and *key*. Whole words decide, so `tokenizer` and `max_tokens` stay readable. Only
names are looked at: a password inside a URL or a message is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, Union, cast

from tracekit._base.errors import ConfigurationError
from tracekit._values.limits import MAX_NAME

REDACTED = "[redacted]"
"""What is recorded in place of a sensitive value."""

_SINGLE = (
    "password passwords passwd pwd passphrase passcode "
    "secret secrets credential credentials token bearer jwt authorization "
    "cookie cookies sessionid phpsessid jsessionid "
    "csrf xsrf csrftoken xsrftoken csrfmiddlewaretoken "
    "apikey apikeys apitoken authkey authtoken accesskey accesstoken refreshtoken "
    "privatekey secretkey clientsecret sessionkey setcookie "
    "otp totp ssn cvv cvc creditcard cardnumber"
)
_IN_A_ROW = (
    "pass word,pass phrase,db pass,database pass,user pass,smtp pass,mysql pass,postgres pass,"
    "redis pass,api key,api keys,private key,access key,secret key,auth key,session key,"
    "signing key,encryption key,master key,shared key,account key,ssh key,"
    "auth code,security code,recovery code,backup code,session id,"
    "credit card,card number,social security,seed phrase,connection string"
)
# Too common inside longer names (`auth_type`, `pass_count`), telling when they stand alone.
_WHOLE_NAMES = frozenset({("auth",), ("pass",)})
# Language models have made "token" a unit: these say something about tokens and hold none.
_AFTER = "count counts limit limits length type usage budget"

_SINGLE_WORDS = frozenset(_SINGLE.split())
_SEQUENCES = frozenset(tuple(words.split()) for words in _IN_A_ROW.split(","))
_AFTER_TOKEN = frozenset(_AFTER.split())

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")
_ACCEPTED = "say True, False, a name, or an iterable of names that are redacted as well"

Words = tuple[str, ...]
_Given = Union["Redaction", bool, str, Iterable[str], None]


def is_sensitive(name: str, extra: frozenset[str] = frozenset()) -> bool:
    """Tell whether values under a name are redacted.

    Args:
        name: The name of an argument, field, key or attribute.
        extra: Further names; each matches where its words stand in `name` in a row.

    Returns:
        Whether the name holds one of the standard words or sequences, or an extra one.

    Example:
        >>> is_sensitive("http.request.header.authorization"), is_sensitive("max_tokens")
        (True, False)
    """
    if len(name) > MAX_NAME:
        # Long names are keys of the program's data; the cache must not hold on to them.
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
    """What is redacted: the standard names and some more, or nothing.

    Args:
        enabled: Whether anything is redacted at all.
        names: Names that are redacted besides the standard ones.
    """

    enabled: bool = True
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, value: _Given, /) -> Redaction:
        """Read the `redact` argument of `init_telemetry`.

        Args:
            value: `True` or `None` for the standard names, `False` for no redaction, a name or an
                iterable of names that are redacted besides the standard ones.

        Returns:
            The policy.

        Raises:
            ConfigurationError: The value is none of these, or a name holds no letter or digit.
        """
        if isinstance(value, Redaction):
            return value
        if value is None or isinstance(value, bool):
            return cls(enabled=value is not False)
        return cls(names=_read_names(value))

    def hides(self, name: str) -> bool:
        """Tell whether values under this name are redacted."""
        return self.enabled and is_sensitive(name, self.names)


def _read_names(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset({_read_name(value)})
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return frozenset(_read_name(name) for name in cast("Iterable[object]", value))
    raise ConfigurationError(f"redact={value!r} is not a redaction; {_ACCEPTED}")


def _read_name(name: object) -> str:
    if isinstance(name, str) and _words(name):
        return name
    raise ConfigurationError(f"redact: {name!r} is not a name that can be redacted; {_ACCEPTED}")


_current = Redaction()


def current_redaction() -> Redaction:
    """The policy that this process describes nested keys and fields by."""
    return _current


def set_redaction(policy: Redaction) -> None:
    """Put another policy in force, for values described from now on in any thread.

    Args:
        policy: The new policy.
    """
    global _current  # noqa: PLW0603 -- one policy a process is the point; set-up replaces it
    _current = policy
