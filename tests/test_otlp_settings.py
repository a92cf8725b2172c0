"""The settings of OTLP exporters: their sources, and the errors about them."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit._base.errors import ConfigurationError
from tracekit._otlp.settings import (
    Setting,
    parse_compression,
    parse_headers,
    parse_insecure,
    parse_timeout,
    parse_url,
    read_setting,
)

TRACES, GENERAL = "OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1).filter(
    lambda name: not (name.startswith("grpc-") or name.endswith("-bin"))
)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)).map(str.strip)


@pytest.fixture(autouse=True)
def _alone(no_otlp_environment):
    """Remove the variables of OTLP from the environment."""


def text_of(call, *args, **kwargs):
    with pytest.raises(ConfigurationError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


class TestSources:
    @pytest.mark.parametrize(
        ("argument", "traces", "general", "expected"),
        [
            ("a", "t", "g", Setting("timeout", "a")),
            ("", "t", "g", Setting("timeout", "")),
            (None, "t", "g", Setting(f"{TRACES}TIMEOUT", "t")),
            (None, " ", "g", Setting(f"{GENERAL}TIMEOUT", "g")),
            (None, None, " g ", Setting(f"{GENERAL}TIMEOUT", "g")),
            (None, "", "", None),
            (None, None, None, None),
        ],
    )
    def test_precedence(self, argument, traces, general, expected, monkeypatch):
        """An argument counts before the variable for traces, and that before the general one."""
        for prefix, value in ((TRACES, traces), (GENERAL, general)):
            if value is not None:
                monkeypatch.setenv(f"{prefix}TIMEOUT", value)
        assert expected == read_setting("timeout", argument)


class TestEndpoint:
    @pytest.mark.parametrize(
        ("value", "why"),
        [
            ("", "the scheme must be http:// or https://"),
            ("localhost:4318", "the scheme must be http:// or https://"),
            ("http:localhost", "the scheme must be http:// or https://"),
            ("ftp://host", "the scheme must be http:// or https://"),
            ("grpc://host:4317", "the scheme must be http:// or https://"),
            ("http://", "the host is missing"),
            ("http://:4318", "the host is missing"),
            ("http://my host:4318", "an endpoint has no spaces or control characters"),
            ("http://host:4318\n", "an endpoint has no spaces or control characters"),
            ("http://host:0", "the port must be between 1 and 65535"),
            ("http://host:65536", "not a URL: Port out of range 0-65535"),
            ("http://[::1", "not a URL: Invalid IPv6 URL"),
            (4318, "an endpoint is a string such as 'http://localhost:4317'"),
        ],
    )
    def test_an_invalid_endpoint(self, value, why):
        """The error has the name, the value and the reason."""
        assert f"endpoint={value!r}: {why}" == text_of(parse_url, Setting("endpoint", value))

    def test_a_port_that_is_not_a_number(self):
        """The error has the value and Python's own message."""
        text = text_of(parse_url, Setting("endpoint", "http://host:abc"))
        assert text.startswith("endpoint='http://host:abc': not a URL: Port could not be cast")

    def test_a_variable_is_named(self):
        """An error about a variable names the variable."""
        setting = Setting(f"{GENERAL}ENDPOINT", "http://")
        assert "OTEL_EXPORTER_OTLP_ENDPOINT='http://': the host is missing" == text_of(
            parse_url, setting
        )

    @given(st.text())
    def test_any_text(self, text):
        """Any text is accepted, or refused with a `ConfigurationError`."""
        refused = ""
        try:
            host = parse_url(Setting("endpoint", text), default_scheme="https").hostname
        except ConfigurationError as error:
            host, refused = None, str(error)
        assert host or refused.startswith(f"endpoint={text!r}: ")


class TestTimeout:
    @pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), True, "soon", "", []])
    def test_an_invalid_timeout(self, value):
        """A timeout is a finite number above 0."""
        expected = f"timeout={value!r}: a timeout is a number of seconds above 0"
        assert expected == text_of(parse_timeout, value)

    def test_a_variable_is_named(self, monkeypatch):
        """An error about a variable names the variable."""
        monkeypatch.setenv(f"{TRACES}TIMEOUT", "10s")
        assert (
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT='10s': a timeout is a number of seconds above 0"
            == text_of(parse_timeout, None)
        )

    @pytest.mark.parametrize(("variable", "seconds"), [(None, 10.0), ("2.5", 2.5), ("3", 3.0)])
    def test_seconds(self, variable, seconds, monkeypatch):
        """The variable is in seconds; the default is 10."""
        if variable is not None:
            monkeypatch.setenv(f"{GENERAL}TIMEOUT", variable)
        assert seconds == parse_timeout(None)


class TestCompression:
    def test_names(self, monkeypatch):
        """Case and white space do not matter; the default is `none`."""
        monkeypatch.setenv(f"{GENERAL}COMPRESSION", " GZip ")
        assert "gzip" == parse_compression(None, known=("none", "gzip"))
        monkeypatch.delenv(f"{GENERAL}COMPRESSION")
        assert "none" == parse_compression(None, known=("none", "gzip"))

    @pytest.mark.parametrize("value", ["zstd", "", 1])
    def test_an_unknown_one(self, value):
        """The error lists the known names."""
        expected = f"compression={value!r}: compression is one of 'none', 'gzip'"
        assert expected == text_of(parse_compression, value, known=("none", "gzip"))

    def test_a_variable_is_named(self, monkeypatch):
        """An error about a variable names the variable."""
        monkeypatch.setenv(f"{GENERAL}COMPRESSION", "zstd")
        text = text_of(parse_compression, None, known=("none",))
        assert "OTEL_EXPORTER_OTLP_COMPRESSION='zstd': compression is one of 'none'" == text


class TestInsecure:
    @pytest.mark.parametrize(
        ("variable", "expected"), [("true", True), ("TRUE", True), ("false", False)]
    )
    def test_a_variable(self, variable, expected, monkeypatch):
        """The values are the specification's, in upper or lower case."""
        monkeypatch.setenv(f"{TRACES}INSECURE", variable)
        assert Setting(f"{TRACES}INSECURE", expected) == parse_insecure(None)

    def test_nothing(self):
        """Without a setting there is no preference."""
        assert parse_insecure(None) is None

    def test_other_words(self, monkeypatch):
        """Any other value is refused, in a variable and in an argument."""
        assert "insecure='true': insecure is true or false" == text_of(parse_insecure, "true")
        monkeypatch.setenv(f"{GENERAL}INSECURE", "yes")
        assert "OTEL_EXPORTER_OTLP_INSECURE='yes': insecure is true or false" == text_of(
            parse_insecure, None
        )


class TestHeaders:
    @given(st.dictionaries(NAMES, VALUES, min_size=1))
    def test_text_and_mapping_agree(self, headers):
        """A mapping and its percent-encoded text give the same headers."""
        text = ",".join(f"{name}={quote(value, safe='')}" for name, value in headers.items())
        assert headers == parse_headers(text, grpc=True) == parse_headers(headers, grpc=True)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a=1", {"a": "1"}),
            (" a = 1 , B=2,", {"a": "1", "b": "2"}),
            ("authorization=Basic dTpw==", {"authorization": "Basic dTpw=="}),
            ("authorization=Bearer%20x%2Cy", {"authorization": "Bearer x,y"}),
            ("a=", {"a": ""}),
            ("", {}),
        ],
    )
    def test_text(self, text, expected):
        """Commas separate headers, and the first equals sign separates name and value."""
        assert expected == parse_headers(text, grpc=False)

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ("a=1,sEcReT", "headers: item 2 has no '='; write name=value,name=value"),
            ("=sEcReT", "headers: '' cannot be the name of a header"),
            ({"": "sEcReT"}, "headers: '' cannot be the name of a header"),
            ({"a:": "sEcReT"}, "headers: 'a:' cannot be the name of a header"),
            ({"clé": "sEcReT"}, "headers: 'clé' cannot be the name of a header"),
            ({1: "sEcReT"}, "headers: the name 1 is not a string"),
            ({"a": b"sEcReT"}, "headers: the value of 'a' must be a string, not bytes"),
            (["sEcReT"], "headers: a mapping or a string is needed, not list"),
            *(
                (
                    {"a": value},
                    "headers: the value of 'a' has a line break or another character "
                    "that is not printable ASCII",
                )
                for value in ("sEcReT\n", "sEcReT\x00", "sEcReT☃")
            ),
            (
                "a=sEcReT%0A",
                "headers: the value of 'a' has a line break or another character "
                "that is not printable ASCII",
            ),
        ],
    )
    @pytest.mark.parametrize("grpc", [True, False])
    def test_what_cannot_be_sent(self, headers, expected, grpc):
        """The error names the header, never its value."""
        text = text_of(parse_headers, headers, grpc=grpc)
        assert expected == text
        assert "sEcReT" not in text

    def test_a_variable_is_named(self, monkeypatch):
        """An error about a variable names the variable."""
        monkeypatch.setenv(f"{TRACES}HEADERS", "key")
        assert (
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS: item 1 has no '='; write name=value,name=value"
            == text_of(parse_headers, None, grpc=True)
        )
