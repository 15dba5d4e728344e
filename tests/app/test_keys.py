"""The way back to a session by a key: shown once, changed at will, and never followed by a link alone."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from geo_xmodal_app import keys
from geo_xmodal_app.settings import VARIABLE, Settings
from tests.app.running import Answer, RunningServer


@pytest.fixture
def session(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(VARIABLE, Settings(work=server.work).model_dump_json())
    return server.new_session()


def enter(server: RunningServer, key: str, **headers: str) -> Answer:
    body = urlencode({"key": key}).encode()
    return server.ask("POST", "/enter", session=server.new_session(), body=body, headers=headers)


def test_a_key_gives_the_cookie_to_any_browser(server: RunningServer, session: str) -> None:
    key = keys.new_key(session)
    assert keys.has_key(session)
    page = server.ask("GET", f"/enter/{key}", session=server.new_session(), headers={"Accept": "text/html"})
    assert page.status == 200
    assert f'value="{key}"' in page.text
    assert "set-cookie" not in page.headers
    assert page.headers["cache-control"] == "no-store"
    for given in (key, f" {server.url}/enter/{key} "):
        answer = enter(server, given)
        assert (answer.status, answer.headers["location"]) == (303, "/")
        assert re.match(rf"gx_session={session}; .*HttpOnly; SameSite=Strict", answer.headers["set-cookie"])


def test_another_site_puts_nobody_into_a_session(server: RunningServer, session: str) -> None:
    key = keys.new_key(session)
    assert enter(server, key, Origin="https://evil.example").status == 403
    assert enter(server, key, **{"Sec-Fetch-Site": "cross-site"}).status == 403


def test_a_newer_key_takes_the_place_of_the_older_and_only_digests_are_kept(
    server: RunningServer, session: str
) -> None:
    old, new = keys.new_key(session), keys.new_key(session)
    assert keys.session_of(old) is None
    assert keys.session_of(new) == session
    answer = enter(server, old)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers
    for file in (server.work / "keys").iterdir():
        assert new not in file.name + file.read_text()
    keys.forget_key(session)
    assert keys.session_of(new) is None


@pytest.mark.parametrize("key", ["", "../../x", '"><script>', "a" * 32, "%00"])
def test_what_is_no_key_is_refused_and_never_shown(server: RunningServer, session: str, key: str) -> None:
    assert enter(server, key).status == 403
    assert "<script" not in server.ask("GET", "/enter/%22%3E%3Cscript%3E").text
