"""Who may ask: hosts, origins, sessions; and the headers that hold the browser to it."""

from __future__ import annotations

import base64
import re
import socket

import pytest

from tests.app.running import RunningServer

PAGE = {"Accept": "text/html"}


def upgrade(server: RunningServer, **headers: str) -> str:
    """The first lines that answer a request for Streamlit's socket."""
    host = headers.pop("Host", "{}:{}".format(*server.address))
    lines = [
        "GET /_stcore/stream HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {base64.b64encode(b'0' * 16).decode()}",
        "Sec-WebSocket-Protocol: streamlit",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]  # fmt: skip
    with socket.create_connection(server.address, timeout=120) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return connection.recv(4096).decode("latin-1").partition("\r\n\r\n")[0]


def test_a_browser_gets_a_session_with_its_first_page(server: RunningServer) -> None:
    answer = server.ask("GET", "/", headers=PAGE)
    cookie = answer.headers["set-cookie"]
    assert re.match(r"gx_session=[0-9a-f]{32};", cookie)
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie  # a browser would drop it here, where there is no TLS
    assert (
        "Secure"
        in server.ask("GET", "/", headers={**PAGE, "X-Forwarded-Proto": "https"}).headers["set-cookie"]
    )


def test_it_keeps_its_session(server: RunningServer) -> None:
    session = server.new_session()
    assert "set-cookie" not in server.ask("GET", "/", session=session, headers=PAGE).headers


def test_a_session_that_we_did_not_make_is_replaced(server: RunningServer) -> None:
    for session in ("local", "everybody", "../../x", "a" * 31):
        assert "gx_session=" in server.ask("GET", "/", session=session, headers=PAGE).headers["set-cookie"]


def test_cookies_of_other_servers_on_this_machine_do_not_matter(server: RunningServer) -> None:
    others = 'a={"b":1}; c=é@,/; =; ;;'
    cookie = f"{others}; gx_session={server.new_session()}; {others}".encode().decode("latin-1")
    assert "set-cookie" not in server.ask("GET", "/", headers={**PAGE, "Cookie": cookie}).headers


def test_parts_of_a_page_start_no_session(server: RunningServer) -> None:
    for path in ("/lib/ol.js", "/_stcore/health", f"/files/{'0' * 32}"):
        assert "gx_session" not in server.ask("GET", path).headers.get("set-cookie", "")


def test_a_link_on_another_site_does_not_replace_the_session(server: RunningServer) -> None:
    answer = server.ask("GET", "/", headers={**PAGE, "Sec-Fetch-Site": "cross-site"})
    assert "set-cookie" not in answer.headers
    own = "http://{}:{}".format(*server.address)
    assert re.search(r"set-cookie: gx_session=[0-9a-f]{32};", upgrade(server, Origin=own))
    kept = upgrade(server, Origin=own, Cookie=f"gx_session={server.new_session()}")
    assert "101" in kept.splitlines()[0]
    assert "gx_session" not in kept


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8501", "127.0.0.1.evil.example", "", "a b", "[::1"]
)
def test_a_foreign_host_is_refused(server: RunningServer, host: str) -> None:
    answer = server.ask("GET", "/", headers={**PAGE, "Host": host})
    assert answer.status in (400, 403)
    assert len(answer.text.splitlines()) == 1
    assert "set-cookie" not in answer.headers
    assert "101" not in upgrade(server, Host=host).partition("\r\n")[0]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:1234", "[::1]:80", "192.168.1.7"])
def test_addresses_and_localhost_pass(server: RunningServer, host: str) -> None:
    assert server.ask("GET", "/_stcore/health", headers={"Host": host}).status == 200


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_foreign_origin_may_not_write(server: RunningServer, method: str, headers: dict[str, str]) -> None:
    answer = server.ask(method, "/upload", session=server.new_session(), headers=headers, body=b"{}")
    assert answer.status == 403
    assert len(answer.text.splitlines()) == 1
    assert "access-control-allow-origin" not in answer.headers


def test_a_foreign_origin_gets_no_socket(server: RunningServer) -> None:
    own = "http://{}:{}".format(*server.address)
    assert "101" in upgrade(server, Origin=own).splitlines()[0]
    for origin in ("http://evil.example", "null", "http://localhost:1"):
        assert "403" in upgrade(server, Origin=origin).splitlines()[0]


@pytest.mark.parametrize("path", ["/", "/lib/ol.css", f"/files/{'0' * 32}", "/files/..", "/upload/x"])
def test_every_answer_holds_the_browser_to_our_own_address(server: RunningServer, path: str) -> None:
    headers = server.ask("GET", path, headers=PAGE).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy["script-src"].replace("'wasm-unsafe-eval'", "")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
