"""What an OTLP exporter is told, by argument or by environment, read and checked.

An argument counts before `OTEL_EXPORTER_OTLP_TRACES_*`, and that before `OTEL_EXPORTER_OTLP_*`;
an empty variable is no variable. Everything is checked before a channel or a session is made, and
what is wrong is reported under the name that the user gave it: the argument's or the variable's.
"""

from __future__ import annotations

import math
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from tracekit._base.errors import ConfigurationError

DEFAULT_TIMEOUT: Final = 10.0

_ENVIRONMENT_PREFIXES: Final = ("OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_")
_HEADER_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+\-.^_`|~]+")
_METADATA_NAME: Final = re.compile(r"[a-z0-9_.\-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True)
class Setting:
    """A value and the name under which the user gave it."""

    source: str
    value: Any

    @property
    def from_environment(self) -> bool:
        """Whether it is a variable that may have been set for another exporter."""
        return self.source.startswith("OTEL_")

    def wrong(self, why: str) -> ConfigurationError:
        """Return the error to raise, with name and value in front of `why`."""
        return ConfigurationError(f"{self.source}={self.value!r}: {why}")


def read(name: str, argument: object) -> Setting | None:
    """Return the argument if there is one, else the variable of the environment that counts.

    Args:
        name: The argument's name; in capitals it ends the variables' names.
        argument: What the caller gave; None for nothing.

    Returns:
        The value and where it came from, or None if nobody set it.
    """
    if argument is not None:
        return Setting(name, argument)
    for prefix in _ENVIRONMENT_PREFIXES:
        variable = prefix + name.upper()
        if text := os.environ.get(variable, "").strip():
            return Setting(variable, text)
    return None


def split_url(endpoint: Setting, *, default_scheme: str | None = None) -> SplitResult:
    """Return the parts of an `http://` or `https://` URL.

    Args:
        endpoint: The URL.
        default_scheme: What to put before a value that names none; None if it must name one.

    Raises:
        ConfigurationError: It is no such URL, or its host or port cannot be.
    """
    text = endpoint.value
    if not isinstance(text, str):
        raise endpoint.wrong("an endpoint is a string such as 'http://localhost:4317'")
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise endpoint.wrong("an endpoint has no spaces or control characters")
    if default_scheme is not None and "://" not in text:
        text = f"{default_scheme}://{text}"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise endpoint.wrong(f"not a URL: {error}") from error
    if url.scheme not in {"http", "https"} or "://" not in text:
        raise endpoint.wrong("the scheme must be http:// or https://")
    if not url.hostname:
        raise endpoint.wrong("the host is missing")
    if port == 0:
        raise endpoint.wrong("the port must be between 1 and 65535")
    return url


def parse_timeout(argument: float | None) -> float:
    """Return the time that one export may take with all its retries, in seconds.

    `OTEL_EXPORTER_OTLP_TIMEOUT` is read as seconds too, as OpenTelemetry's SDK for Python does.

    Raises:
        ConfigurationError: It is not a finite number above 0.
    """
    setting = read("timeout", argument)
    if setting is None:
        return DEFAULT_TIMEOUT
    try:
        seconds = math.nan if isinstance(setting.value, bool) else float(setting.value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise setting.wrong("a timeout is a number of seconds above 0")
    return seconds


def parse_compression(argument: str | None, *, known: tuple[str, ...]) -> str:
    """Return the name of the compression, `"none"` where nothing is asked for.

    Raises:
        ConfigurationError: It is not one of `known`.
    """
    setting = read("compression", argument)
    if setting is None:
        return "none"
    name = setting.value.strip().lower() if isinstance(setting.value, str) else None
    if name not in known:
        raise setting.wrong("compression is one of " + ", ".join(map(repr, known)))
    return name


def parse_insecure(argument: bool | None) -> Setting | None:
    """Return the wish for plain text or for TLS, its value a bool.

    Raises:
        ConfigurationError: The argument is no bool, or the variable neither `true` nor `false`.
    """
    setting = read("insecure", argument)
    if setting is None or isinstance(setting.value, bool):
        return setting
    word = setting.value.lower() if setting.from_environment else None
    if word not in {"true", "false"}:
        raise setting.wrong("insecure is true or false")
    return Setting(setting.source, word == "true")


def parse_headers(argument: Mapping[str, str] | str | None, *, grpc: bool) -> dict[str, str]:
    """Return the headers of every request, names in lower case.

    A string is `name=value,name=value` with percent-encoded values, as in the environment.

    Args:
        argument: What the caller gave; empty counts as nothing.
        grpc: Whether names follow gRPC's rule for metadata or HTTP's for headers.

    Raises:
        ConfigurationError: A header cannot be sent. The text never shows a value: it may be a key.
    """
    setting = read("headers", argument or None)
    if setting is None:
        return {}
    rule = _METADATA_NAME if grpc else _HEADER_NAME
    return dict(_check_header(setting.source, *pair, rule) for pair in _header_pairs(setting))


def _header_pairs(setting: Setting) -> Iterator[tuple[object, object]]:
    if isinstance(setting.value, str):
        yield from _split_headers(setting.source, setting.value)
    elif isinstance(setting.value, Mapping):
        yield from setting.value.items()  # pyright: ignore[reportUnknownMemberType] - checked next
    else:
        kind = type(setting.value).__name__
        raise ConfigurationError(f"{setting.source}: a mapping or a string is needed, not {kind}")


def _split_headers(source: str, text: str) -> Iterator[tuple[str, str]]:
    for position, item in enumerate(text.split(","), start=1):
        if not item.strip():
            continue
        name, equals, value = item.partition("=")
        if not equals:
            raise ConfigurationError(
                f"{source}: item {position} has no '='; write name=value,name=value"
            )
        yield unquote(name.strip()), unquote(value.strip())


def _check_header(
    source: str, name: object, value: object, rule: re.Pattern[str]
) -> tuple[str, str]:
    if not isinstance(name, str):
        raise ConfigurationError(f"{source}: the name {name!r} is no string")
    lowered = name.strip().lower()
    if not rule.fullmatch(lowered):
        raise ConfigurationError(f"{source}: {name!r} cannot be the name of a header")
    if rule is _METADATA_NAME and (lowered.startswith("grpc-") or lowered.endswith("-bin")):
        raise ConfigurationError(f"{source}: {name!r} is a name that gRPC keeps to itself")
    if not isinstance(value, str):
        kind = type(value).__name__
        raise ConfigurationError(f"{source}: the value of {name!r} must be a string, not {kind}")
    if not _HEADER_VALUE.fullmatch(value):
        raise ConfigurationError(
            f"{source}: the value of {name!r} has a line break or another character "
            "that is not printable ASCII"
        )
    return lowered, value.strip()


@dataclass(frozen=True)
class TlsFiles:
    """Paths of PEM files, each None where the default serves."""

    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    def __bool__(self) -> bool:
        return any((self.certificate, self.client_certificate, self.client_key))


def parse_tls_files(
    endpoint: Setting, arguments: Mapping[str, object], *, plain_text: bool
) -> TlsFiles:
    """Return the files for TLS once OpenSSL has been able to read them.

    Args:
        endpoint: Where the spans go; named in an error.
        arguments: `certificate`, `client_certificate` and `client_key`, each a path or None.
        plain_text: Whether the endpoint is reached without TLS. Files that the environment names
            are then left alone, as they may be another exporter's.

    Raises:
        ConfigurationError: A file cannot be read, is no PEM, does not fit the other, or is given
            as an argument for a connection that would not use it.
    """
    settings = {name: read(name, value) for name, value in arguments.items()}
    given = [setting for setting in settings.values() if setting is not None]
    if plain_text:
        for setting in given:
            if not setting.from_environment:
                raise setting.wrong(
                    f"has no effect, {endpoint.source}={endpoint.value!r} is reached in plain text;"
                    " use https://"
                )
        return TlsFiles()
    paths = {name: _read_pem(setting) if setting else None for name, setting in settings.items()}
    _check_authority(settings["certificate"])
    _check_identity(settings["client_certificate"], settings["client_key"])
    return TlsFiles(**paths)


def _read_pem(setting: Setting) -> str:
    try:
        path = os.fsdecode(setting.value)
        content = Path(path).read_bytes()
    except TypeError as error:
        raise setting.wrong("a path of a PEM file is needed") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise setting.wrong(f"the file cannot be read: {reason}") from error
    if b"-----BEGIN " not in content:
        raise setting.wrong("the file is no PEM file")
    return path


def _check_authority(certificate: Setting | None) -> None:
    if certificate is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate.value)
    except ssl.SSLError as error:
        raise certificate.wrong(f"no certificate in the PEM file: {error.reason}") from error


def _check_identity(certificate: Setting | None, key: Setting | None) -> None:
    if certificate is None:
        if key is not None:
            raise key.wrong("a client key needs its client_certificate")
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # Without a password OpenSSL would ask for one on the terminal and wait.
        context.load_cert_chain(certificate.value, key.value if key else None, password="")
    except ssl.SSLError as error:
        where = f"{key.source}={key.value!r}" if key else "its private key in the same file"
        raise certificate.wrong(
            f"does not go with {where} (PEM, unencrypted): {error.reason}"
        ) from error
