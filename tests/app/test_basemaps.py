"""A session's own basemap: what is an address, and whose page may ask it."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import ValidationError

from geo_xmodal_app.basemaps import MAX_BYTES, OwnBasemap
from tests.app.running import Answer, RunningServer

TILES = "https://tiles.example.org:8443/a/{z}/{x}/{y}.png?key=1"


@pytest.mark.parametrize(
    "address",
    [
        "", "tiles/{z}/{x}/{y}", "file:///etc/{z}/{x}/{y}", "javascript:alert(1)//{z}{x}{y}",
        "https://a.example; script-src */{z}/{x}/{y}", "https://a.example;img-src/{z}/{x}/{y}",
        "https://a.example,b.example/{z}/{x}/{y}", "https://*/{z}/{x}/{y}", "https://'unsafe-inline'/{z}/{x}/{y}",
        "https://{s}.example.org/{z}/{x}/{y}", "https://user:word@example.org/{z}/{x}/{y}",
        "https://example.org:99999/{z}/{x}/{y}", "https://[::1/{z}/{x}/{y}", "https:///{z}/{x}/{y}",
        "https://example.org/{z}/{x}", "https://exämple.org/{z}/{x}/{y}", "https://example.org/{z}/{x}/{y}\n",
        f"https://example.org/{{z}}/{{x}}/{{y}}{'a' * 1000}",
    ],
)  # fmt: skip
def test_what_is_no_address_of_tiles_is_refused(address: str) -> None:
    with pytest.raises(ValidationError):
        OwnBasemap(kind="xyz", address=address)


def test_an_origin_is_scheme_host_and_port() -> None:
    assert OwnBasemap(kind="xyz", address=TILES).origin == "https://tiles.example.org:8443"
    assert OwnBasemap(kind="xyz", address="http://[::1]:1/{z}/{x}/{-y}").origin == "http://[::1]:1"
    wms = OwnBasemap(kind="wms", address="https://WMS.example.org/wms?map=a", layers="one,two")
    assert wms.origin == "https://wms.example.org"
    with pytest.raises(ValidationError, match="names of its layers"):
        OwnBasemap(kind="wms", address="https://wms.example.org/wms")


def policy(server: RunningServer, session: str) -> dict[str, str]:
    answer = server.ask("GET", "/view", session=session, headers={"Accept": "text/html"})
    parts = [part.strip().partition(" ") for part in answer.headers["content-security-policy"].split(";")]
    return {name: value for name, _, value in parts}


def test_only_the_page_of_that_session_may_ask_it(server: RunningServer) -> None:
    own, other = server.new_session(), server.new_session()
    before = policy(server, own)

    def put(session: str | None, body: object, **headers: str) -> Answer:
        return server.ask("PUT", "/basemap", session=session, body=json.dumps(body).encode(), headers=headers)

    wanted = {"kind": "xyz", "address": TILES}
    assert put(own, wanted, Origin="https://evil.example").status == 403
    assert put(None, wanted).status == 403
    assert put(own, {**wanted, "address": "x" * MAX_BYTES}).status == 413
    refused = put(own, {**wanted, "address": "https://a b/{z}/{x}/{y}"})
    assert refused.status == 422
    assert len(refused.json()["problem"].splitlines()) == 1
    assert policy(server, own) == before
    assert put(own, wanted).status == 200
    after = policy(server, own)
    assert after.pop("img-src") == f"{before['img-src']} https://tiles.example.org:8443"
    assert after == {name: value for name, value in before.items() if name != "img-src"}
    assert policy(server, other) == before
    asset = server.ask("GET", "/lib/ol.js", session=own).headers["content-security-policy"]
    assert not re.search("tiles", asset)
    assert server.ask("DELETE", "/basemap", session=own).status == 200
    assert policy(server, own) == before
