"""Files by id, over HTTP: ranges, strangers, and what the browser is told to do with them."""

from __future__ import annotations

import itertools
import re

import pytest

from geo_xmodal_app.registry import EVERYBODY, Registry
from geo_xmodal_app.routes import SMALL_BYTES
from geo_xmodal_app.sessions import new_id, session_path
from tests.app.running import RunningServer

CONTENT = bytes(range(256)) * 40
COUNT = itertools.count()


@pytest.fixture(scope="module")
def files(server: RunningServer) -> Registry:
    """The server's registry, as a page of it would use it."""
    return Registry(server.work)


def put(server: RunningServer, files: Registry, session: str, kind: str = "raster") -> str:
    path = session_path(server.work, session) / "maps" / f"{next(COUNT)}" / "map.tif"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return files.register(session, path, kind, "map of <b>berlin</b>.tif")  # type: ignore[arg-type]


def test_the_whole_file(server: RunningServer, files: Registry) -> None:
    session = server.new_session()
    answer = server.ask("GET", f"/files/{put(server, files, session)}", session=session)
    assert answer.status == 200
    assert answer.body == CONTENT
    assert answer.headers["content-type"] == "image/tiff"
    assert answer.headers["accept-ranges"] == "bytes"
    assert "private" in answer.headers["cache-control"]
    assert "content-disposition" not in answer.headers


def test_no_compression_where_bytes_are_counted(server: RunningServer, files: Registry) -> None:
    session = server.new_session()
    file = put(server, files, session)
    for headers in ({"Accept-Encoding": "gzip"}, {"Accept-Encoding": "gzip", "Range": "bytes=0-9000"}):
        answer = server.ask("GET", f"/files/{file}", session=session, headers=headers)
        assert CONTENT.startswith(answer.body)
        assert int(answer.headers["content-length"]) == len(answer.body) > 9000


def test_only_the_head(server: RunningServer, files: Registry) -> None:
    session = server.new_session()
    answer = server.ask("HEAD", f"/files/{put(server, files, session)}", session=session)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=100-199", slice(100, 200)),
        ("bytes=10000-", slice(10_000, None)),
        ("bytes=-16", slice(-16, None)),
        ("bytes=10000-999999999", slice(10_000, None)),
        ("bytes=-999999999", slice(0, None)),
    ],
)
def test_a_range(server: RunningServer, files: Registry, wanted: str, part: slice) -> None:
    session = server.new_session()
    file = put(server, files, session)
    answer = server.ask("GET", f"/files/{file}", session=session, headers={"Range": wanted})
    assert answer.status == 206
    assert answer.body == CONTENT[part]
    start, stop, _ = part.indices(len(CONTENT))
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(CONTENT)}"


def test_a_range_of_many_tiles(server: RunningServer, files: Registry) -> None:
    session = server.new_session()
    path = session_path(server.work, session) / "maps" / "large" / "map.tif"
    path.parent.mkdir(parents=True)
    content = CONTENT * (2 * SMALL_BYTES // len(CONTENT))
    path.write_bytes(content)
    address = f"/files/{files.register(session, path, 'raster')}"
    for size in (SMALL_BYTES, SMALL_BYTES + 1):
        answer = server.ask("GET", address, session=session, headers={"Range": f"bytes=7-{size + 6}"})
        assert answer.status == 206
        assert answer.body == content[7 : size + 7]


def test_several_ranges(server: RunningServer, files: Registry) -> None:
    session = server.new_session()
    headers = {"Range": "bytes=0-3,100-103"}
    answer = server.ask("GET", f"/files/{put(server, files, session)}", session=session, headers=headers)
    assert answer.status == 206
    boundary = re.fullmatch(r"multipart/byteranges; boundary=(\w+)", answer.headers["content-type"])
    assert boundary is not None
    parts = answer.body.split(f"--{boundary[1]}".encode())[1:-1]
    assert [part.partition(b"\r\n\r\n")[2].rstrip(b"\r\n") for part in parts] == [
        CONTENT[0:4],
        CONTENT[100:104],
    ]


@pytest.mark.parametrize(
    "wanted",
    [
        f"bytes={len(CONTENT)}-",
        "bytes=5-2",
        "bytes=-0",
        "bytes=",
        "bytes=-",
        "bytes=abc",
        "bytes=0x10-20",
        "bytes=١-٢".encode().decode("latin-1"),
        "bytes=1-2-3",
        "lines=1-2",
        f"bytes={'9' * 400}-",
        "bytes=0-1,99999999999-",
        "bytes=" + ",".join(f"{start}-" for start in range(200)),
    ],
)
def test_an_absurd_range_is_refused(server: RunningServer, files: Registry, wanted: str) -> None:
    session = server.new_session()
    file = put(server, files, session)
    answer = server.ask("GET", f"/files/{file}", session=session, headers={"Range": wanted})
    assert answer.status == 416
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert len(answer.body) < 100


def test_another_session_gets_nothing(server: RunningServer, files: Registry) -> None:
    anna, ben = server.new_session(), server.new_session()
    assert anna != ben
    file = put(server, files, anna)
    for session in (ben, None, "", "everybody", "local", anna[:-1], anna.upper()):
        for address in (f"/files/{file}", f"/files/{file}/download"):
            answer = server.ask("GET", address, session=session)
            assert (answer.status, answer.body) == (404, b"no such file\n")


def test_samples_are_everybodys(server: RunningServer, files: Registry) -> None:
    path = server.work / "shared" / "sample.tif"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(CONTENT)
    file = files.register(EVERYBODY, path, "raster")
    assert server.ask("GET", f"/files/{file}", session=server.new_session()).body == CONTENT


@pytest.mark.parametrize(
    "path",
    [
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/registry.sqlite",
        "..\\..\\registry.sqlite",
        "http://example.org/a.tif",
        "http:%2f%2fexample.org%2fa.tif",
        "/vsicurl/http://example.org/a.tif",
        "%2fetc%2fpasswd",
        "a%00b",
        "",
        "0" * 32,
        "0" * 31,
        "A" * 32,
        "0" * 5000,
        f"{'0' * 32}/..",
        "%F0%9F%8C%8D",
    ],
)
def test_what_is_no_id_is_not_found(server: RunningServer, path: str) -> None:
    answer = server.ask("GET", f"/files/{path}", session=server.new_session())
    assert answer.status == 404
    assert len(answer.body) < 100


def test_nothing_of_the_work_folder_is_served_by_name(server: RunningServer) -> None:
    session = server.new_session()
    for path in (
        "/registry.sqlite",
        "/lib/../registry.sqlite",
        "/lib/%2e%2e/settings.py",
        "/viewer-js/..%2fx.py",
    ):
        answer = server.ask("GET", path, session=session)
        assert b"SQLite" not in answer.body
        assert b"import" not in answer.body[:200] or b"<html" in answer.body[:2000]


def test_a_download_is_named_by_the_server(server: RunningServer, files: Registry) -> None:
    session = server.new_session()
    file = put(server, files, session, "other")
    answer = server.ask("GET", f"/files/{file}/download?name=evil.html&download=x.exe", session=session)
    assert answer.headers["content-disposition"] == (
        "attachment; filename*=utf-8''map%20of%20%3Cb%3Eberlin%3C/b%3E.tif"
    )
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_files_are_only_read(server: RunningServer, files: Registry, method: str) -> None:
    session = server.new_session()
    answer = server.ask(method, f"/files/{put(server, files, session)}", session=session, body=b"x")
    assert answer.status == 405


def test_the_libraries_of_the_browser(server: RunningServer, system_program) -> None:
    system_program("npm")
    for name, kind in (
        ("ol.js", "javascript"),
        ("geotiff.js", "javascript"),
        ("proj4.js", "javascript"),
        ("ol.css", "css"),
    ):
        answer = server.ask("GET", f"/lib/{name}")
        assert answer.status == 200, f"{name} is missing: make setup"
        assert kind in answer.headers["content-type"]
    again = server.ask(
        "GET", "/lib/ol.js", headers={"If-None-Match": server.ask("HEAD", "/lib/ol.js").headers["etag"]}
    )
    assert again.status == 304


def test_ids_are_hard_to_guess() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(bytes.fromhex(one)) == 16 for one in ids)
