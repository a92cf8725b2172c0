"""TLS files and credential providers of OTLP exporters."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
import requests
from opentelemetry.sdk.trace.export import SpanExportResult

from tests.receivers import GrpcReceiver, HttpReceiver, finished_spans
from tracekit._base.errors import ConfigurationError
from tracekit._otlp import credentials
from tracekit._otlp.credentials import TlsFiles, load_provided, parse_tls_files
from tracekit._otlp.grpc import OtlpGrpcExporter
from tracekit._otlp.http import OtlpHttpExporter
from tracekit._otlp.settings import Setting

if TYPE_CHECKING:
    from tests.receivers import TlsMaterial

TRACES, GENERAL = "OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"
HTTPS = Setting("endpoint", "https://host:4317")

pytestmark = pytest.mark.usefixtures("no_otlp_environment")


def text_of(call, *args, **kwargs):
    with pytest.raises(ConfigurationError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


class TestTlsFiles:
    def read(self, *, endpoint=HTTPS, plain_text=False, **files):
        return parse_tls_files(endpoint, files, plain_text=plain_text)

    def test_files(self, tls: TlsMaterial):
        """Paths of either type are returned as strings."""
        expected = TlsFiles(str(tls.authority), str(tls.client_certificate), str(tls.client_key))
        assert expected == self.read(
            certificate=tls.authority,
            client_certificate=str(tls.client_certificate),
            client_key=tls.client_key,
        )

    def test_nothing(self):
        """Without a file the default authorities are used."""
        assert TlsFiles() == self.read()
        assert not self.read()

    @pytest.mark.parametrize(
        ("value", "why"),
        [
            (b"/no/such/file", "the file cannot be read: No such file or directory"),
            ("/no/such/file", "the file cannot be read: No such file or directory"),
            (os.sep, "the file cannot be read: Is a directory"),
            ("", "the file cannot be read: Is a directory"),
            ("a\0b", "the file cannot be read: embedded null byte"),
            (__file__ + "x", "the file cannot be read: No such file or directory"),
            (42, "a path of a PEM file is needed"),
        ],
    )
    @pytest.mark.parametrize("name", ["certificate", "client_certificate", "client_key"])
    def test_files_that_cannot_be_read(self, name, value, why):
        """The error names the argument and the system's reason."""
        assert f"{name}={value!r}: {why}" == text_of(self.read, **{name: value})

    @pytest.mark.parametrize("name", ["certificate", "client_certificate", "client_key"])
    def test_a_file_that_is_not_pem(self, name, tmp_path):
        """The error names the kind of file that is needed."""
        path = tmp_path / "x"
        path.write_bytes(b"\x30\x82")
        assert f"{name}={path!r}: the file is not a PEM file" == text_of(self.read, **{name: path})

    def test_a_key_in_place_of_an_authority(self, tls):
        """A PEM file without a certificate is refused as an authority."""
        text = text_of(self.read, certificate=tls.client_key)
        assert text.startswith(f"certificate={tls.client_key!r}: no certificate in the PEM file: ")

    def test_a_key_alone(self, tls):
        """A key without its certificate is refused."""
        expected = f"client_key={tls.client_key!r}: a client key needs its client_certificate"
        assert expected == text_of(self.read, client_key=tls.client_key)

    def test_a_certificate_without_its_key(self, tls):
        """Without `client_key`, the certificate's file must contain the key."""
        text = text_of(self.read, client_certificate=tls.client_certificate)
        assert text.startswith(
            f"client_certificate={tls.client_certificate!r}: does not go with its private key "
            "in the same file (PEM, unencrypted): "
        )

    def test_a_key_of_another(self, tls):
        """A key that does not match its certificate is refused before the first connection."""
        text = text_of(
            self.read, client_certificate=tls.client_certificate, client_key=tls.server_key
        )
        expected = (
            f"client_certificate={tls.client_certificate!r}: does not go with "
            f"client_key={tls.server_key!r} (PEM, unencrypted): KEY_VALUES_MISMATCH"
        )
        assert expected == text

    def test_an_encrypted_key(self, tls, tmp_path):
        """An encrypted key is refused without a prompt for its password."""
        from cryptography.hazmat.primitives import serialization as keys

        key = keys.load_pem_private_key(tls.client_key.read_bytes(), None)
        path = tmp_path / "locked.key"
        path.write_bytes(
            key.private_bytes(
                keys.Encoding.PEM,
                keys.PrivateFormat.PKCS8,
                keys.BestAvailableEncryption(b"pass"),
            )
        )
        text = text_of(self.read, client_certificate=tls.client_certificate, client_key=path)
        assert f"does not go with client_key={path!r} (PEM, unencrypted): " in text

    def test_an_argument_for_plain_text(self, tls):
        """A file that a connection in plain text would not use is refused."""
        text = text_of(
            self.read,
            endpoint=Setting("endpoint", "http://host:4317"),
            plain_text=True,
            certificate=tls.authority,
        )
        expected = (
            f"certificate={tls.authority!r}: has no effect, endpoint='http://host:4317' is "
            "reached in plain text; use https://"
        )
        assert expected == text

    def test_a_variable_for_plain_text(self, monkeypatch):
        """A variable does not count, because it may be meant for another exporter."""
        monkeypatch.setenv(f"{GENERAL}CERTIFICATE", "/no/such/file")
        assert TlsFiles() == self.read(plain_text=True)

    def test_a_variable_is_named(self, monkeypatch, tls):
        """The error names both files of a bad pair by their argument or variable."""
        monkeypatch.setenv(f"{TRACES}CLIENT_KEY", str(tls.server_key))
        text = text_of(self.read, client_certificate=tls.client_certificate)
        assert f"with {TRACES}CLIENT_KEY={str(Path(tls.server_key))!r} (PEM" in text


def provide_channel_credentials():
    authority = Path(os.environ["TEST_AUTHORITY"]).read_bytes()
    return grpc.ssl_channel_credentials(root_certificates=authority)


def provide_session():
    session = requests.Session()
    session.verify = os.environ["TEST_AUTHORITY"]
    session.auth = ("me", "secret")
    return session


def fail_to_provide():
    raise OSError("no key store")


PROVIDERS = {
    "channel": provide_channel_credentials,
    "session": provide_session,
    "failing": fail_to_provide,
}


class TestProviders:
    """`OTEL_PYTHON_EXPORTER_OTLP_*_CREDENTIAL_PROVIDER`, as OpenTelemetry's exporters read it."""

    @pytest.fixture(autouse=True)
    def _installed(self, monkeypatch):
        def entry_points(*, group, name):
            assert "opentelemetry_otlp_credential_provider" == group
            value = f"{__name__}:{PROVIDERS[name].__name__}" if name in PROVIDERS else None
            return [EntryPoint(name, value, group)] if value else []

        monkeypatch.setattr(credentials, "entry_points", entry_points)

    @pytest.mark.parametrize("signal", ["", "TRACES_"])
    def test_over_grpc(self, signal, tls: TlsMaterial, monkeypatch):
        """The credentials of a provider open the channel."""
        monkeypatch.setenv("TEST_AUTHORITY", str(tls.authority))
        variable = f"OTEL_PYTHON_EXPORTER_OTLP_GRPC_{signal}CREDENTIAL_PROVIDER"
        monkeypatch.setenv(variable, "channel")
        with GrpcReceiver(tls=tls) as receiver:
            exporter = OtlpGrpcExporter(endpoint=receiver.endpoint)
            assert SpanExportResult.SUCCESS == exporter.export(finished_spans())
            exporter.shutdown()

    def test_over_http(self, tls: TlsMaterial, monkeypatch):
        """The session of a provider sends the requests, with its own authority and user."""
        for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            # `requests` prefers these to the authority of a session.
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("TEST_AUTHORITY", str(tls.authority))
        monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER", "session")
        with HttpReceiver(tls=tls) as receiver:
            exporter = OtlpHttpExporter(endpoint=receiver.endpoint)
            assert SpanExportResult.SUCCESS == exporter.export(finished_spans())
            exporter.shutdown()
        assert "Basic bWU6c2VjcmV0" == receiver.received[0].headers["authorization"]

    def test_files_count_first(self, tls: TlsMaterial, monkeypatch):
        """A certificate that is given leaves the provider unused."""
        monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_GRPC_CREDENTIAL_PROVIDER", "failing")
        OtlpGrpcExporter(endpoint="https://host:4317", certificate=tls.authority).shutdown()

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            (
                "missing",
                "no installed package has this entry point of "
                "opentelemetry_otlp_credential_provider",
            ),
            ("failing", "the credential provider fails: OSError('no key store')"),
            ("session", "the provider returns a Session, not a ChannelCredentials"),
        ],
    )
    def test_a_provider_that_cannot_be_used(self, name, why, tls: TlsMaterial, monkeypatch):
        """The error names the variable and the provider."""
        monkeypatch.setenv("TEST_AUTHORITY", str(tls.authority))
        variable = "OTEL_PYTHON_EXPORTER_OTLP_GRPC_CREDENTIAL_PROVIDER"
        monkeypatch.setenv(variable, name)
        text = text_of(load_provided, "GRPC", grpc.ChannelCredentials)
        assert f"{variable}='{name}': {why}" == text

    def test_no_provider(self):
        """Without the variable there is nothing to load."""
        assert None is load_provided("HTTP", requests.Session)
