"""Drawing over HTTP: what is kept, what is refused, and by whom it may be asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest

import geo_xmodal as gx
from geo_xmodal_app import drawings
from geo_xmodal_app.drawings import MAX_BYTES, drawing_id
from geo_xmodal_app.settings import VARIABLE, Settings
from tests.app.running import Answer, RunningServer

SCENE = "sample:berlin"
ADDRESS = f"/drawing/{drawing_id(SCENE)}"
SQUARE = {"label": 1, "rings": [[[5, 5], [15, 5], [15, 15], [5, 15], [5, 5]]]}

Send = Callable[..., Answer]


@pytest.fixture
def session(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A session that draws on berlin."""
    monkeypatch.setenv(VARIABLE, Settings(work=server.work).model_dump_json())
    session = server.new_session()
    drawings.begin(session, SCENE, gx.open_scene("berlin"))
    return session


@pytest.fixture
def send(server: RunningServer, session: str) -> Send:
    def put(**other: Any) -> Answer:
        known = server.ask("GET", ADDRESS, session=session).json()
        whole = {key: known[key] for key in ("revision", "classes", "polygons")} | other
        return server.ask("PUT", ADDRESS, session=session, body=json.dumps(whole).encode())

    return put


def test_what_is_drawn_is_kept_and_comes_as_a_geopackage(
    server: RunningServer, session: str, send: Send, tmp_path: Path
) -> None:
    assert send(added=SQUARE).status == 200
    kept = server.ask("GET", ADDRESS, session=session).json()
    assert kept["revision"] == 1 and kept["pixels"] == {"1": 100}
    answer = server.ask("GET", f"{ADDRESS}/package", session=session)
    assert 'filename="berlin-labels.gpkg"' in answer.headers["content-disposition"]
    (tmp_path / "got.gpkg").write_bytes(answer.body)
    frame = geopandas.read_file(tmp_path / "got.gpkg", layer="labels")
    assert frame.crs.to_epsg() == 32633
    assert frame.area.sum() == pytest.approx(100 * abs(gx.open_scene("berlin").grid.affine.determinant))


def test_an_older_revision_is_answered_with_the_latest(send: Send) -> None:
    assert send(added=SQUARE).status == 200
    answer = send(added=SQUARE, revision=0)
    assert answer.status == 409
    assert answer.json()["revision"] == 1 and "another tab" in answer.json()["problem"]


def test_what_is_refused_is_one_line_and_changes_nothing(
    server: RunningServer, session: str, send: Send
) -> None:
    before = server.ask("GET", ADDRESS, session=session).json()
    for other, status in (
        ({"added": {**SQUARE, "label": 77}}, 422),
        ({"added": {"label": 1, "path": [[1e300, 0]], "radius": 3}}, 422),
        ({"polygons": "x"}, 422),
        ({"polygons": "x" * MAX_BYTES}, 413),
    ):
        answer = send(**other)
        assert answer.status == status
        assert answer.json()["problem"] and "\n" not in answer.json()["problem"]
    assert server.ask("PUT", ADDRESS, session=session, body=b"{").status == 422
    assert server.ask("GET", ADDRESS, session=session).json() == before


def test_nobody_else_reads_or_changes_it(server: RunningServer, session: str) -> None:
    other = server.new_session()
    for who in (other, None):
        for method, path in (("GET", ""), ("PUT", ""), ("GET", "/package"), ("GET", "/segments")):
            body = b"{}" if method == "PUT" else None
            assert server.ask(method, ADDRESS + path, session=who, body=body).status in (404, 422)
    foreign = {"Origin": "http://evil.example"}
    assert server.ask("PUT", ADDRESS, session=session, body=b"{}", headers=foreign).status == 403
    assert server.ask("GET", "/drawing/../../etc", session=session).status == 404


def test_segments_of_what_is_seen(server: RunningServer, session: str) -> None:
    def ask(**wanted: object) -> Answer:
        seen = {"left": 10, "top": 20, "right": 74, "bottom": 84, "pixels": 64, "sensor": "sar", **wanted}
        query = "&".join(f"{name}={value}" for name, value in seen.items())
        return server.ask("GET", f"{ADDRESS}/segments?{query}", session=session)

    found = ask().json()["segments"]
    assert 20 < len(found) < 200
    corners = [corner for rings in found for ring in rings for corner in ring]
    assert {min(xs) for xs in zip(*corners, strict=True)} == {10, 20}
    assert {max(xs) for xs in zip(*corners, strict=True)} == {74, 84}
    for wanted, message in (
        ({"right": "x"}, "whole numbers"),
        ({"left": 80}, "nothing of the scene"),
        ({"pixels": 1}, "segments of 1 pixels"),
    ):
        answer = ask(**wanted)
        assert answer.status == 422 and message in answer.json()["problem"]
