"""Links to a map: what they give, to whom, and for how long."""

from __future__ import annotations

import pytest

from geo_xmodal_app import workspace
from geo_xmodal_app.links import find_link, links_to, make_link, withdraw
from geo_xmodal_app.registry import Registry
from geo_xmodal_app.sessions import new_id
from geo_xmodal_app.settings import VARIABLE, Settings
from tests.app.running import RunningServer


def test_a_link_gives_the_files_of_the_map_until_it_is_withdrawn(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, Settings(work=server.work).model_dump_json())
    owner, visitor = server.new_session(), server.new_session()
    item = workspace.new_item(owner, "maps", "town", {})
    for name in ("map.tif", "secret.tif"):
        (item / name).write_bytes(name.encode())
    registry = Registry(server.work)
    shown, secret = (registry.register(owner, item / name, "raster") for name in ("map.tif", "secret.tif"))
    link = make_link(owner, item.name).giving((shown,))

    def ask(token: str, file: str, method: str = "GET") -> int:
        return server.ask(method, f"/shared/{token}/{file}", session=visitor).status

    answer = server.ask(
        "GET", f"/shared/{link.token}/{shown}", session=visitor, headers={"Range": "bytes=0-2"}
    )
    assert (answer.status, answer.body) == (206, b"map")
    assert answer.headers["cache-control"] == "no-store"
    assert server.ask("GET", f"/files/{shown}", session=visitor).status == 404
    assert ask(link.token, secret) == 404
    assert ask(new_id(), shown) == 404
    assert ask("../" + link.token, shown) == 404
    assert ask(link.token, shown, "DELETE") in (404, 405)
    assert links_to(owner, "town") == (find_link(link.token),)
    assert links_to(visitor, "town") == ()
    withdraw(link)
    assert ask(link.token, shown) == 404
    assert links_to(owner, "town") == ()


@pytest.mark.parametrize("token", ["", "..", "a" * 32, "A" * 32, "0" * 31])
def test_what_is_no_link_leads_nowhere(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv(VARIABLE, Settings(work=server.work).model_dump_json())
    assert find_link(token) is None
