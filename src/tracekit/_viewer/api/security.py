"""Who may talk to the viewer.

A page of any site can send requests to this machine. Three things keep it out: the `Host` header
must name this machine (DNS rebinding), an `Origin` must be the viewer's own (cross-site requests),
and the API needs the token that the terminal printed.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class HostRules:
    """Which names of this machine a request may be for, and which origins may send it."""

    def __init__(self, *, allowed_hosts: Iterable[str] = (), any_address: bool = False) -> None:
        """Make the rules.

        Args:
            allowed_hosts: Names that are allowed beside `localhost` and the loopback addresses.
            any_address: Whether every literal address is allowed, as for a viewer that listens on
                other interfaces. An address cannot be rebound; a name can.
        """
        self._names = {"localhost", *(name.lower().rstrip(".") for name in allowed_hosts)}
        self._any_address = any_address

    def allows_host(self, host: str) -> bool:
        """Return whether a `Host` header names this machine."""
        name = _without_port(host).lower().rstrip(".")
        if name in self._names or name.endswith(".localhost"):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._any_address or address.is_loopback

    @staticmethod
    def is_same_origin(origin: str, host: str) -> bool:
        """Return whether an `Origin` header is the origin that `Host` names."""
        return origin.lower() == f"http://{host.lower()}"


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


class GuardedHost:
    """Refuses requests by `Host` and `Origin`, on every HTTP port."""

    def __init__(self, app: ASGIApp, rules: HostRules, *, own_origin: bool) -> None:
        """Guard an application.

        Args:
            app: The application.
            rules: The rules.
            own_origin: Whether requests of the viewer's own page are expected.
        """
        self._app = app
        self._rules = rules
        self._own_origin = own_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        response: Response | None = None
        if not self._rules.allows_host(host):
            response = PlainTextResponse(
                f"The host {host!r} is not this viewer's. Allow it with --allow-host.", 403
            )
        elif origin is not None and not (
            self._own_origin and self._rules.is_same_origin(origin, host)
        ):
            response = PlainTextResponse("Requests of other pages are refused.", 403)
        await (response or self._app)(scope, receive, send)


class Token:
    """The secret that the terminal prints as a part of the page's address."""

    def __init__(self, value: str | None = None) -> None:
        self.value: Final = value or secrets.token_urlsafe(32)

    def matches(self, value: str) -> bool:
        """Return whether a value is the token, in constant time."""
        return hmac.compare_digest(value.encode(), self.value.encode())


class GuardedPage:
    """Asks for the token, takes it from the first address into a cookie, and sets the headers."""

    def __init__(self, app: ASGIApp, token: Token) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._respond(scope)(scope, receive, send_with_headers)

    def _respond(self, scope: Scope) -> ASGIApp:
        # Cookies are not kept apart by port; another viewer's is not this one's.
        cookie = f"tracekit-viewer-{scope['server'][1]}"
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token")
        if given is not None and scope["method"] == "GET" and self._token.matches(given):
            rest = urlencode([pair for pair in query if pair[0] != "token"])
            # One slash, or the address would be that of another host.
            path = "/" + scope["path"].lstrip("/")
            response = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
            response.set_cookie(
                cookie, self._token.value, httponly=True, samesite="strict", path="/"
            )
            response.headers["cache-control"] = "no-store"
            return response
        if scope["path"].startswith("/api") and not self._is_authorised(scope, cookie):
            return PlainTextResponse(
                "The token is missing. Open the address that `tracekit view` printed.", 401
            )
        return self._app

    def _is_authorised(self, scope: Scope, cookie: str) -> bool:
        headers = Headers(scope=scope)
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._token.matches(bearer.strip())
        found = SimpleCookie(headers.get("cookie", "")).get(cookie)
        return found is not None and self._token.matches(found.value)
