"""The settings of an OTLP exporter, from its arguments or the environment, parsed and checked.

An argument counts before `OTEL_EXPORTER_OTLP_TRACES_*`, and that before `OTEL_EXPORTER_OTLP_*`. An
empty variable counts as unset. Everything is checked before a channel or a session is made. An
error names the setting as the user did: by the argument or by the variable.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, Literal, TypedDict
from urllib.parse import SplitResult, unquote, urlsplit

from tracekit._base.errors import ConfigurationError

# Exporter, language and version, as the specification of the protocol recommends.
USER_AGENT: Final = f"tracekit-OTLP-Exporter-Python/{version('otel-tracekit')}"

_DEFAULT_TIMEOUT: Final = 10.0
_PROTOCOLS: Final = {"grpc": "grpc", "http": "http", "http/protobuf": "http"}
_HEADER_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+\-.^_`|~]+")
_METADATA_NAME: Final = re.compile(r"[a-z0-9_.\-]+")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*")


class OtlpOptions(TypedDict, total=False):
    """The arguments of an OTLP exporter; one that is absent or None is read from the environment.

    `tracekit.exporters.otlp` documents them for users.
    """

    endpoint: str | None
    headers: Mapping[str, str] | str | None
    certificate: str | os.PathLike[str] | None
    client_certificate: str | os.PathLike[str] | None
    client_key: str | os.PathLike[str] | None
    compression: Literal["gzip", "deflate", "none"] | None
    timeout: float | None
    insecure: bool | None


@dataclass(frozen=True)
class Setting:
    """A value, and the argument or variable that it comes from."""

    source: str
    value: Any

    @property
    def from_environment(self) -> bool:
        """Whether it comes from a variable, which may have been set for another exporter."""
        return self.source.startswith("OTEL_")

    def error(self, why: str) -> ConfigurationError:
        """Return the error to raise, with source and value in front of the reason."""
        return ConfigurationError(f"{self.source}={self.value!r}: {why}")


def read_setting(name: str, argument: object) -> Setting | None:
    """Return the argument unless it is None, else the variable that counts; None without either.

    Args:
        name: The argument's name; in upper case, the end of the variables' names.
        argument: The argument's value.
    """
    if argument is not None:
        return Setting(name, argument)
    return read_variable("OTEL_EXPORTER_OTLP_", name.upper())


def read_variable(prefix: str, name: str) -> Setting | None:
    """Return the variable for traces, else the general one; None if neither is set."""
    for variable in (f"{prefix}TRACES_{name}", f"{prefix}{name}"):
        if text := os.environ.get(variable, "").strip():
            return Setting(variable, text)
    return None


def parse_protocol(argument: str | None) -> str:
    """Return `"grpc"`, which is the default, or `"http"`.

    Raises:
        ConfigurationError: It is another protocol.
    """
    setting = read_setting("protocol", argument) or Setting("protocol", "grpc")
    protocol = _PROTOCOLS.get(str(setting.value).lower())
    if protocol is None:
        http = "'http/protobuf'" if setting.from_environment else "'http'"
        raise setting.error(f"a protocol is 'grpc' or {http}")
    return protocol


def parse_url(endpoint: Setting, *, default_scheme: str | None = None) -> SplitResult:
    """Return the parts of an `http://` or `https://` URL.

    Args:
        endpoint: The URL.
        default_scheme: The scheme of a value without one; None if the value must have one.

    Raises:
        ConfigurationError: It is not such a URL, or its host or port is missing or impossible.
    """
    text = endpoint.value
    if not isinstance(text, str):
        raise endpoint.error("an endpoint is a string such as 'http://localhost:4317'")
    if re.search(r"[\s\x00-\x1f\x7f]", text):
        raise endpoint.error("an endpoint has no spaces or control characters")
    if default_scheme is not None and "://" not in text:
        text = f"{default_scheme}://{text}"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise endpoint.error(f"not a URL: {error}") from error
    if url.scheme not in {"http", "https"} or "://" not in text:
        raise endpoint.error("the scheme must be http:// or https://")
    if not url.hostname:
        raise endpoint.error("the host is missing")
    if port == 0:
        raise endpoint.error("the port must be between 1 and 65535")
    return url


def parse_timeout(argument: float | None) -> float:
    """Return the seconds that one export may take with all its retries.

    `OTEL_EXPORTER_OTLP_TIMEOUT` is in seconds too, as in OpenTelemetry's SDK for Python.

    Raises:
        ConfigurationError: It is not a finite number above 0.
    """
    setting = read_setting("timeout", argument)
    if setting is None:
        return _DEFAULT_TIMEOUT
    try:
        seconds = math.nan if isinstance(setting.value, bool) else float(setting.value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise setting.error("a timeout is a number of seconds above 0")
    return seconds


def parse_compression(argument: str | None, *, known: tuple[str, ...]) -> str:
    """Return the name of the compression; `"none"` by default.

    Raises:
        ConfigurationError: It is not one of `known`.
    """
    setting = read_setting("compression", argument)
    if setting is None:
        return "none"
    name = setting.value.strip().lower() if isinstance(setting.value, str) else None
    if name not in known:
        raise setting.error("compression is one of " + ", ".join(map(repr, known)))
    return name


def parse_insecure(argument: bool | None) -> Setting | None:
    """Return the setting that chooses plain text or TLS, with a bool as its value.

    Raises:
        ConfigurationError: The argument is not a bool, or the variable not `true` or `false`.
    """
    setting = read_setting("insecure", argument)
    if setting is None or isinstance(setting.value, bool):
        return setting
    word = setting.value.lower() if setting.from_environment else None
    if word not in {"true", "false"}:
        raise setting.error("insecure is true or false")
    return Setting(setting.source, word == "true")


def parse_headers(argument: Mapping[str, str] | str | None, *, grpc: bool) -> dict[str, str]:
    """Return the headers of every request, names in lower case.

    A string is `name=value,name=value` with percent-encoded values, as in the environment.

    Args:
        argument: The argument's value; empty counts as not given.
        grpc: Whether names follow gRPC's rule for metadata, or HTTP's for headers.

    Raises:
        ConfigurationError: A header cannot be sent. The message never shows a value, which may be
            an API key.
    """
    setting = read_setting("headers", argument or None)
    if setting is None:
        return {}
    rule = _METADATA_NAME if grpc else _HEADER_NAME
    return dict(_check_header(setting.source, *pair, rule) for pair in _header_pairs(setting))


def _header_pairs(setting: Setting) -> Iterator[tuple[object, object]]:
    source, value = setting.source, setting.value
    if isinstance(value, Mapping):
        yield from value.items()
        return
    if not isinstance(value, str):
        kind = type(value).__name__
        raise ConfigurationError(f"{source}: a mapping or a string is needed, not {kind}")
    for position, item in enumerate(value.split(","), start=1):
        if not item.strip():
            continue
        name, equals, content = item.partition("=")
        if not equals:
            raise ConfigurationError(
                f"{source}: item {position} has no '='; write name=value,name=value"
            )
        yield unquote(name.strip()), unquote(content.strip())


def _check_header(
    source: str, name: object, value: object, rule: re.Pattern[str]
) -> tuple[str, str]:
    if not isinstance(name, str):
        raise ConfigurationError(f"{source}: the name {name!r} is not a string")
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
