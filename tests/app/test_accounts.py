"""Accounts by a proxy's header: believed only where that is switched on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from geo_xmodal_app.accounts import Accounts
from geo_xmodal_app.guard import Guard, request_session
from geo_xmodal_app.sessions import is_id
from tests.app.running import RunningServer


def ask(accounts: Accounts | None, *headers: tuple[str, str]) -> tuple[int, str, list[str]]:
    """Status, the session that pages see, and cookies that are given out."""
    seen, sent = [], []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(request_session(HTTPConnection(scope)))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def keep(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in (("Host", "localhost"), *headers)]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": raw, "query_string": b""}
    guard = Guard(app, (), lambda session: {}, accounts)
    asyncio.run(guard(scope, None, keep))  # type: ignore[arg-type]
    cookies = [value.decode() for name, value in sent[0]["headers"] if name == b"set-cookie"]
    return sent[0]["status"], seen[0] if seen else "", cookies


def test_a_user_has_one_session_in_every_browser(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path, "X-User")
    status, anna, cookies = ask(accounts, ("X-User", "anna@example.org"), ("Accept", "text/html"))
    assert status == 200
    assert is_id(anna)
    assert cookies == []  # nothing that would outlast the user's being signed in
    ben = ask(accounts, ("X-User", "ben@example.org"))[1]
    assert ben != anna
    stolen = ask(accounts, ("X-User", "ben@example.org"), ("Cookie", f"a=b; gx_session={anna}"))
    assert stolen[1] == ben
    again = Accounts(tmp_path, "x-user")  # after a restart
    assert again.session(Headers({"X-User": "anna@example.org"})) == anna
    assert Accounts(tmp_path / "other", "X-User").session(Headers({"X-User": "anna@example.org"})) != anna
    assert (tmp_path / "accounts.key").stat().st_mode & 0o077 == 0


def test_who_is_not_named_once_is_refused(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path, "X-User")
    for headers in (
        [], [("X-User", "")], [("X-User", " ")], [("X-User", "a"), ("X-User", "b")], [("X-User", "a" * 201)],
        [("Cookie", f"gx_session={'0' * 32}")],
    ):  # fmt: skip
        assert ask(accounts, *headers) == (401, "", [])


def test_without_the_option_no_header_is_believed(server: RunningServer) -> None:
    mine, own = server.new_session(), ("X-Forwarded-User", "anna")
    assert ask(None, own, ("Cookie", f"gx_session={mine}"))[1] == mine
    answer = server.ask("GET", "/", session=mine, headers={"Accept": "text/html", own[0]: own[1]})
    assert "set-cookie" not in answer.headers
