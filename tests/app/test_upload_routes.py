"""Uploads over HTTP: in slices, cut, by strangers, and of what is not what it says."""

from __future__ import annotations

import json
import socket
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import geo_xmodal as gx
from geo_xmodal_app.sessions import session_path
from tests.app.running import Answer, RunningServer
from tests.rasters import vrt_that_reads
from tests.waiting import wait_until

TIFF = b"II*\0" + bytes(range(256)) * 4000


def begin(server: RunningServer, session: str | None, size: int = len(TIFF), **other: Any) -> Answer:
    body = json.dumps({"name": "sar.tif", "size": size, "purpose": "raster", **other}).encode()
    return server.ask("POST", "/upload", session=session, body=body)


def patch(server: RunningServer, session: str, id_: str, offset: int, content: bytes) -> Answer:
    headers = {"Upload-Offset": str(offset)}
    return server.ask("PATCH", f"/upload/{id_}", session=session, body=content, headers=headers)


def files_of(server: RunningServer, session: str) -> list[Path]:
    return [path for path in session_path(server.work, session).rglob("*") if path.is_file()]


def test_a_file_in_slices(server: RunningServer) -> None:
    session = server.new_session()
    begun = begin(server, session)
    assert begun.status == 201
    id_, half = begun.json()["id"], len(TIFF) // 2
    first = patch(server, session, id_, 0, TIFF[:half])
    assert (first.status, first.json()["received"], first.json()["done"]) == (200, half, False)
    last = patch(server, session, id_, half, TIFF[half:])
    assert (last.status, last.json()["done"]) == (200, True)
    (path,) = [path for path in files_of(server, session) if path.suffix == ".tif"]
    assert path.read_bytes() == TIFF
    assert patch(server, session, id_, len(TIFF), b"more").status == 409
    assert path.read_bytes() == TIFF


def test_an_upload_that_is_cut_goes_on(server: RunningServer) -> None:
    session = server.new_session()
    id_ = begin(server, session).json()["id"]
    with socket.create_connection(server.address, timeout=120) as connection:
        head = [
            f"PATCH /upload/{id_} HTTP/1.1", "Host: localhost", f"Cookie: gx_session={session}",
            "Upload-Offset: 0", f"Content-Length: {len(TIFF)}",
        ]  # fmt: skip
        connection.sendall("\r\n".join([*head, "", ""]).encode() + TIFF[:300_000])
        time.sleep(0.3)  # the server has begun to read
    wait_until(lambda: server.ask("GET", f"/upload/{id_}", session=session).json()["received"])
    assert not [path for path in files_of(server, session) if path.suffix == ".tif"]
    again = patch(server, session, id_, 0, TIFF)
    received = again.json()["received"]
    assert again.status == 409 and 0 < received <= 300_000
    assert patch(server, session, id_, received, TIFF[received:]).json()["done"]
    (path,) = [path for path in files_of(server, session) if path.suffix == ".tif"]
    assert path.read_bytes() == TIFF


def test_the_first_wrong_bytes_end_it(server: RunningServer, tmp_path: Path) -> None:
    session = server.new_session()
    vrt = vrt_that_reads(tmp_path / "secret").encode().ljust(5000)
    id_ = begin(server, session, size=10**9).json()["id"]
    refused = patch(server, session, id_, 0, vrt)
    assert refused.status == 422
    assert "not a GeoTIFF" in refused.json()["error"]
    assert files_of(server, session) == []
    assert server.ask("GET", f"/upload/{id_}", session=session).status == 404


def test_more_than_announced_is_refused(server: RunningServer) -> None:
    session = server.new_session()
    id_ = begin(server, session, size=1000).json()["id"]
    assert patch(server, session, id_, 0, TIFF).status == 422
    assert files_of(server, session) == []


def test_a_session_cannot_reach_the_uploads_of_another(server: RunningServer) -> None:
    anna, ben = server.new_session(), server.new_session()
    id_ = begin(server, anna).json()["id"]
    assert server.ask("GET", f"/upload/{id_}", session=ben).status == 404
    assert patch(server, ben, id_, 0, TIFF).status == 404
    assert server.ask("DELETE", f"/upload/{id_}", session=ben).status == 204
    assert server.ask("GET", f"/upload/{id_}", session=None).status == 404
    assert server.ask("GET", f"/upload/{id_}", session=anna).json()["received"] == 0


def test_it_is_taken_back(server: RunningServer) -> None:
    session = server.new_session()
    id_ = begin(server, session).json()["id"]
    patch(server, session, id_, 0, TIFF[:1000])
    assert server.ask("DELETE", f"/upload/{id_}", session=session).status == 204
    assert files_of(server, session) == []


def test_without_a_session_nothing_is_taken(server: RunningServer) -> None:
    for session in (None, "local", "everybody", "../../x"):
        assert begin(server, session).status == 403
    assert not (server.work / "sessions" / "local").exists()


@pytest.mark.parametrize(
    "other",
    [
        {"purpose": "program"},
        {"size": "10"},
        {"size": 1.5},
        {"name": 7},
        {"path": "/etc"},
        {"name": "x" * 5000},
    ],
)
def test_announcements_that_are_none(server: RunningServer, other: dict[str, Any]) -> None:
    session = server.new_session()
    assert begin(server, session, **other).status in (400, 413)
    assert files_of(server, session) == []


@pytest.mark.parametrize("size", [0, -5, 10**15])
def test_sizes_that_are_none(server: RunningServer, size: int) -> None:
    answer = begin(server, server.new_session(), size=size)
    assert answer.status == 413
    assert answer.json()["error"]


@pytest.mark.parametrize("offset", ["", "x", "-1", "1e3", "9" * 30])
def test_offsets_that_are_none(server: RunningServer, offset: str) -> None:
    session = server.new_session()
    id_ = begin(server, session).json()["id"]
    headers = {"Upload-Offset": offset} if offset else {}
    answer = server.ask("PATCH", f"/upload/{id_}", session=session, body=TIFF, headers=headers)
    assert answer.status in (400, 409)
    assert server.ask("GET", f"/upload/{id_}", session=session).json()["received"] == 0


@pytest.mark.parametrize("id_", ["..", "..%2f..", "http:%2f%2fa", "a%00", "0" * 32])
def test_ids_that_are_none(server: RunningServer, id_: str) -> None:
    session = server.new_session()
    for method in ("GET", "PATCH"):
        assert (
            server.ask(method, f"/upload/{id_}", session=session, headers={"Upload-Offset": "0"}).status
            == 404
        )


def test_a_model_with_a_changed_byte_is_refused_in_one_line(server: RunningServer) -> None:
    session, shipped = server.new_session(), gx.list_models()[0].folder
    weights = bytearray((shipped / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("model.safetensors", bytes(weights))
        out.write(shipped / "card.json", "card.json")
    content = packed.getvalue()
    id_ = begin(server, session, size=len(content), name="m.zip", purpose="bundle").json()["id"]
    refused = patch(server, session, id_, 0, content)
    assert refused.status == 422
    message = refused.json()["error"]
    assert "sha256" in message
    assert "\n" not in message
    assert str(server.work) not in message
    assert files_of(server, session) == []
