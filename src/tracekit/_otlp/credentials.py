"""TLS files and credential providers, checked before a connection is opened."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal, TypeVar

from tracekit._otlp.settings import OtlpOptions, Setting, read_setting, read_variable

_Credentials = TypeVar("_Credentials")


@dataclass(frozen=True)
class TlsFiles:
    """Paths of PEM files, each None for the default."""

    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    def __bool__(self) -> bool:
        return any((self.certificate, self.client_certificate, self.client_key))

    @property
    def identity(self) -> str | tuple[str, str] | None:
        """The client's certificate and key: one file with both, two files, or None."""
        if self.client_certificate and self.client_key:
            return self.client_certificate, self.client_key
        return self.client_certificate


def parse_tls_files(endpoint: Setting, options: OtlpOptions, *, plain_text: bool) -> TlsFiles:
    """Return the files for TLS, after OpenSSL has read them.

    Args:
        endpoint: The receiver; named in an error.
        options: The options of the exporter.
        plain_text: Whether the endpoint is reached without TLS. Files that the environment names
            are then ignored, because they may be meant for another exporter.

    Raises:
        ConfigurationError: A file cannot be read, is not a PEM file, does not match the other, or
            is given as an argument for a connection that would not use it.
    """
    names = ("certificate", "client_certificate", "client_key")
    certificate, client_certificate, client_key = settings = [
        read_setting(name, options.get(name)) for name in names
    ]
    if plain_text:
        for setting in settings:
            if setting is not None and not setting.from_environment:
                raise setting.error(
                    f"has no effect, {endpoint.source}={endpoint.value!r} is reached in plain text;"
                    " use https://"
                )
        return TlsFiles()
    files = TlsFiles(*(None if setting is None else _read_pem(setting) for setting in settings))
    if certificate is not None:
        _check_authority(certificate)
    if client_certificate is not None:
        _check_identity(client_certificate, client_key)
    elif client_key is not None:
        raise client_key.error("a client key needs its client_certificate")
    return files


def _read_pem(setting: Setting) -> str:
    try:
        path = os.fsdecode(setting.value)
        content = Path(path).read_bytes()
    except TypeError as error:
        raise setting.error("a path of a PEM file is needed") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise setting.error(f"the file cannot be read: {reason}") from error
    if b"-----BEGIN " not in content:
        raise setting.error("the file is not a PEM file")
    return path


def _check_authority(certificate: Setting) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate.value)
    except ssl.SSLError as error:
        raise certificate.error(f"no certificate in the PEM file: {error.reason}") from error


def _check_identity(certificate: Setting, key: Setting | None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # Without a password OpenSSL would ask for one on the terminal and wait.
        context.load_cert_chain(certificate.value, key.value if key else None, password="")
    except ssl.SSLError as error:
        where = f"{key.source}={key.value!r}" if key else "its private key in the same file"
        raise certificate.error(
            f"does not go with {where} (PEM, unencrypted): {error.reason}"
        ) from error


def load_provided(
    transport: Literal["GRPC", "HTTP"], kind: type[_Credentials]
) -> _Credentials | None:
    """Return what the credential provider that the environment names makes, None if it names none.

    The variables and the entry points are those of OpenTelemetry's own exporters.

    Args:
        transport: The part of the variable's name that stands for the protocol.
        kind: The type that a provider for this transport must return.

    Raises:
        ConfigurationError: The provider is unknown, fails, or returns another type.
    """
    setting = read_variable(f"OTEL_PYTHON_EXPORTER_OTLP_{transport}_", "CREDENTIAL_PROVIDER")
    if setting is None:
        return None
    group = "opentelemetry_otlp_credential_provider"
    found = list(entry_points(group=group, name=setting.value))
    if not found:
        raise setting.error(f"no installed package has this entry point of {group}")
    try:
        provided = found[0].load()()
    except Exception as error:
        raise setting.error(f"the credential provider fails: {error!r}") from error
    if not isinstance(provided, kind):
        found_kind = type(provided).__name__
        raise setting.error(f"the provider returns a {found_kind}, not a {kind.__name__}")
    return provided
