"""Who may talk to the viewer."""

from __future__ import annotations

import http.client
from pathlib import Path

import httpx
import pytest

from tests.viewer.clients import PROTOBUF, make_span, request_of
from tracekit._viewer.api.security import HostRules
from tracekit._viewer.server import Settings, Viewer


def get(port, path, **headers):
    """A request whose headers are exactly these."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def bearer(viewer):
    return f"Bearer {viewer.token.value}"


@pytest.mark.parametrize(
    "path",
    [
        "/api/status",
        "/api/traces",
        "/api/durations",
        "/api/live",
        "/api/nothing",
        "/api/traces/" + "0" * 32,
        "/api",
        "//api/status",
        "/api/../api/status",
    ],
)
def test_the_api_needs_the_token(viewer, path):
    """Every address of the API is closed without the token, and with a wrong one."""
    host = f"127.0.0.1:{viewer.port}"
    response = get(viewer.port, path, Host=host)
    # A path that is not the API's leads to the page, which holds nothing.
    assert response.status == 401 or response.headers["content-type"] != "application/json"
    for wrong in ("Bearer wrong", "Bearer ", "Basic x", f"Bearer {viewer.token.value}x"):
        assert get(viewer.port, "/api/status", Host=host, Authorization=wrong).status == 401


def test_changes_need_the_token(viewer):
    """So are the requests that change something."""
    base = f"http://127.0.0.1:{viewer.port}"
    assert httpx.delete(f"{base}/api/traces").status_code == 401
    assert httpx.post(f"{base}/api/files", content=b"").status_code == 401


def test_the_first_visit(viewer):
    """The token of the printed address becomes a cookie, and leaves the address."""
    with httpx.Client(base_url=f"http://127.0.0.1:{viewer.port}") as client:
        response = client.get(f"/trace/abc?a=1&token={viewer.token.value}&b=%20x")
        assert response.status_code == 303
        assert response.headers["location"] == "/trace/abc?a=1&b=+x"
        cookie = response.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert client.get("/api/status").status_code == 200


def test_the_redirect_stays_on_this_host(viewer):
    """A path with two slashes is not the address of another host."""
    url = f"//evil.example/%2e%2e?token={viewer.token.value}"
    response = get(viewer.port, url, Host=f"127.0.0.1:{viewer.port}")
    assert response.status == 303
    assert response.headers["location"].startswith("/evil.example/")


def test_a_wrong_token_sets_no_cookie(viewer):
    """A wrong token in the address is ignored."""
    response = httpx.get(f"http://127.0.0.1:{viewer.port}/?token=wrong")
    assert "set-cookie" not in response.headers


HOSTILE_HOSTS = (
    "evil.example",
    "evil.example:4319",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.168.1.5",
    "",
    "localhost@evil.example",
    "[::ffff:8.8.8.8]:80",
)


@pytest.mark.parametrize("host", HOSTILE_HOSTS)
def test_hosts_that_are_not_this_machine(viewer, host):
    """A rebound name is refused on both HTTP ports, with the token as well."""
    assert get(viewer.port, "/api/status", Host=host, Authorization=bearer(viewer)).status == 403
    assert get(viewer.port, "/", Host=host).status == 403
    assert get(viewer.http_port, "/v1/traces", Host=host).status == 403


def test_a_request_without_a_host(viewer):
    """HTTP/1.0 allows a request without a host; the viewer does not."""
    connection = http.client.HTTPConnection("127.0.0.1", viewer.port, timeout=20)
    connection.sock = None
    connection.connect()
    connection.sock.sendall(b"GET /api/status HTTP/1.0\r\n\r\n")
    assert b" 403 " in connection.sock.recv(1000)
    connection.close()


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:80", "a.localhost"]
)
def test_hosts_that_are_this_machine(viewer, host):
    """Loopback names and addresses are allowed, with any port: it may be forwarded."""
    assert get(viewer.port, "/api/status", Host=host, Authorization=bearer(viewer)).status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:1",
    ],
)
def test_foreign_origins(viewer, origin):
    """A request of another page is refused, with the cookie as well; no CORS header is sent."""
    headers = {
        "Host": f"127.0.0.1:{viewer.port}",
        "Origin": origin.format(port=viewer.port),
        "Authorization": bearer(viewer),
    }
    response = get(viewer.port, "/api/status", **headers)
    assert response.status == 403
    assert not [name for name in response.headers if name.lower().startswith("access-control")]


def test_the_own_origin(viewer):
    """The page's own requests are accepted."""
    host = f"127.0.0.1:{viewer.port}"
    headers = {"Host": host, "Origin": f"http://{host}", "Authorization": bearer(viewer)}
    assert get(viewer.port, "/api/status", **headers).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:{port}", "null"])
def test_no_page_sends_spans(viewer, origin):
    """The port of OTLP accepts no request of any page, and answers no preflight."""
    url = f"http://127.0.0.1:{viewer.http_port}/v1/traces"
    headers = {"Origin": origin.format(port=viewer.http_port)}
    body = request_of(make_span()).SerializeToString()
    assert httpx.post(url, content=body, headers={**PROTOBUF, **headers}).status_code == 403
    preflight = httpx.options(url, headers={**headers, "Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 403
    assert "access-control-allow-origin" not in preflight.headers


@pytest.mark.parametrize("path", ["/", "/api/status", "/trace/x", "/assets/none.js"])
def test_headers_of_every_response(viewer, path):
    """Every response on the page's port carries the policy, errors too."""
    headers = httpx.get(f"http://127.0.0.1:{viewer.port}{path}").headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path", ["/assets/..%2f..%2fserver.py", "/assets/%2e%2e", "/..%2fserver.py"]
)
def test_no_file_outside_of_the_page(viewer, path):
    """Names that lead out of the page's directory find nothing of it."""
    response = httpx.get(f"http://127.0.0.1:{viewer.port}{path}")
    assert b"uvicorn" not in response.content


def test_rules_for_other_interfaces():
    """A viewer that listens elsewhere accepts addresses, and the names that it is given."""
    rules = HostRules(allowed_hosts=["Dev-Box.example."], any_address=True)
    assert rules.allows_host("192.168.1.5:4319")
    assert rules.allows_host("dev-box.example:4319")
    assert not rules.allows_host("evil.example")


def test_allowed_hosts():
    """A name that is allowed is accepted."""
    settings = Settings(port=0, grpc_port=0, http_port=0, allowed_hosts=["dev.example"])
    with Viewer(settings) as viewer:
        assert get(viewer.port, "/", Host="dev.example").status in {200, 503}


def test_only_loopback_listens(viewer):
    """No port is open on another interface."""
    for port in (viewer.port, viewer.http_port, viewer.grpc_port):
        addresses = {
            line.split()[1].partition(":")[0]
            for table in ("/proc/net/tcp", "/proc/net/tcp6")
            for line in Path(table).read_text().splitlines()[1:]
            if line.split()[3] == "0A" and int(line.split()[1].partition(":")[2], 16) == port
        }
        # gRPC listens on the same address in the form for IPv6.
        assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}
