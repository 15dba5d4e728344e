"""What every request passes before anything else: who asks, from where, and what the browser may do with it.

A page of another site can make the browser send requests here, and a name of another site can be made to
lead here. So names are checked, not addresses; whatever writes must come from our own pages; and the
session's cookie is not sent with requests of other sites.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geo_xmodal_app.accounts import Accounts
from geo_xmodal_app.sessions import COOKIE, is_id, new_id

_READING = ("GET", "HEAD")
_BY_ID = ("/files/", "/upload/", "/drawing/", "/shared/")
_ADDRESS = re.compile(
    r"/files/[0-9a-f]{32}(/download)?|/upload/[0-9a-f]{32}|/drawing/[0-9a-f]{32}(/segments|/package)?"
    r"|/shared/[0-9a-f]{32}/[0-9a-f]{32}",
    re.ASCII,
)
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_YEAR = 365 * 24 * 3600


class Guard:
    """Middleware: refuses foreign hosts and origins, gives out session cookies, sets security headers.

    Args:
        app: What is guarded.
        hosts: Names (without port) that lead here; addresses and `localhost` always do.
        headers: Of every answer, by the session whose page is asked for; of what is no page, the empty text.
        accounts: Where a proxy says who asks, whose sessions take the place of those of cookies.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str],
        headers: Callable[[str], Mapping[str, str]],
        accounts: Accounts | None = None,
    ) -> None:
        self._app = app
        self._hosts = frozenset({"localhost", *(host.lower() for host in hosts)})
        self._headers = headers
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _refuse(*refusal, scope, receive, self._with_headers(send, self._headers(""), None))
            return
        if self._accounts is not None:
            named = self._accounts.session(headers)
            if named is None:
                why = "nobody is signed in: open the app through the proxy that says who you are"
                await _refuse(401, why, scope, receive, self._with_headers(send, self._headers(""), None))
                return
            scope["headers"] = _with_cookie(scope["headers"], named)
        fresh, session = None, request_session(HTTPConnection(scope))
        if not session and _may_start(scope, headers):
            fresh = new_id()
            scope["headers"] = _with_cookie(scope["headers"], fresh)
        shown = self._headers(session if _asks_for_page(scope, headers) else "")
        await self._app(
            scope, receive, self._with_headers(send, shown, fresh and session_cookie(fresh, headers))
        )

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if not self._known(host):
            return 403, f"unknown host {host[:80]!r}: use the address that geo-xmodal serve printed"
        if scope["path"].startswith(_BY_ID) and _ADDRESS.fullmatch(scope["path"]) is None:
            return 404, "nothing has such an id"
        if scope["type"] == "http" and scope["method"] in _READING:
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, f"origin {origin[:80]!r} may not write here: open the app at its own address"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "another site may not write here: open the app at its own address"
        return None

    def _known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _with_headers(self, send: Send, shown: Mapping[str, str], cookie: str | None) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=message)
                if message["type"] == "http.response.start":
                    headers.update(shown)
                if cookie is not None:
                    headers.append("set-cookie", cookie)
            await send(message)

        return with_headers


def request_session(request: HTTPConnection) -> str:
    """The session in a request's cookie; without one, the empty text, which is nobody's."""
    found = request.cookies.get(COOKIE, "")
    return found if is_id(found) else ""


def security_headers(images: Collection[str], page: str, own_image: str = "") -> dict[str, str]:
    """Headers of every answer.

    Args:
        images: Origins beside our own from which a page may load images (the basemap's).
        page: Streamlit's page; the scripts that it holds may run, and no others beside those of files.
        own_image: One more such origin: that of a session's own basemap.

    Streamlit sets styles from scripts and loads components as modules from blobs; GeoTIFF tiles are
    decoded in workers from blobs, some codecs of them in WebAssembly.
    """
    inline = [b64encode(sha256(script.encode()).digest()).decode() for script in _INLINE.findall(page)]
    policy = {
        "default-src": "'self'",
        "script-src": " ".join(("'self' blob: 'wasm-unsafe-eval'", *(f"'sha256-{one}'" for one in inline))),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": " ".join(("'self' data: blob:", *images, *own_image.split())),
        "font-src": "'self' data:",
        "connect-src": " ".join(("'self'", *images)),
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        # the basemap's servers want to know which site asks, and need no more than that
        "referrer-policy": "strict-origin-when-cross-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }


def _may_start(scope: Scope, headers: Headers) -> bool:
    """Whether this request may start a session.

    A page that another site links to is asked for without our cookie although there may be one; a session
    given out then would hide the old one. Such a page gets its session with its socket, which is ours.
    """
    if scope["type"] == "websocket":
        return True
    return _asks_for_page(scope, headers) and headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def _asks_for_page(scope: Scope, headers: Headers) -> bool:
    return (
        scope["type"] == "http" and scope["method"] in _READING and "text/html" in headers.get("accept", "")
    )


def _with_cookie(headers: list[tuple[bytes, bytes]], session: str) -> list[tuple[bytes, bytes]]:
    """The request's headers as if the browser had sent the cookie, for those who answer it."""
    kept = [(name, value) for name, value in headers if name != b"cookie"]
    others = [value for name, value in headers if name == b"cookie"]
    parts = [part for value in others for part in value.split(b";") if not _is_ours(part)]
    return [
        *kept,
        (b"cookie", b"; ".join([*(part.strip() for part in parts), f"{COOKIE}={session}".encode()])),
    ]


def _is_ours(part: bytes) -> bool:
    return re.match(rb"\s*" + COOKIE.encode() + rb"\s*=", part) is not None


def session_cookie(session: str, headers: Headers) -> str:
    """What tells a browser that it is in a session; scripts cannot read it, other sites cannot send it."""
    secure = "; Secure" if headers.get("x-forwarded-proto") == "https" else ""
    return f"{COOKIE}={session}; Path=/; Max-Age={_YEAR}; HttpOnly; SameSite=Strict{secure}"


async def _refuse(status: int, why: str, scope: Scope, receive: Receive, send: Send) -> None:
    response = PlainTextResponse(why + "\n", status_code=status)
    if scope["type"] == "http":
        await response(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
