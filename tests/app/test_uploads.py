"""Uploads without a server: what is taken, what is refused, and what is left after a cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from geo_xmodal.errors import UsageError
from geo_xmodal_app.sessions import new_id, session_path
from geo_xmodal_app.settings import VARIABLE, Settings
from geo_xmodal_app.uploads import Purpose, Upload, UploadConflictError, Uploads, check_head

ANNA, BEN = new_id(), new_id()
TIFF = b"II*\0" + bytes(range(256)) * 8
GEOPACKAGE = (b"SQLite format 3\0" + bytes(52) + b"GPKG").ljust(600, b"\0")
VRT = b'<VRTDataset rasterXSize="8" rasterYSize="8"></VRTDataset>'


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = Settings(work=tmp_path, upload_bytes=10_000, session_bytes=12_000, total_bytes=20_000)
    monkeypatch.setenv(VARIABLE, made.model_dump_json())
    return made


@pytest.fixture
def store(chosen: Settings) -> Uploads:
    return Uploads(chosen)


def send(store: Uploads, content: bytes, purpose: Purpose = "raster", session: str = ANNA) -> Upload:
    begun = store.begin(session, purpose, "a.tif", len(content))
    with store.writing(session, begun.id, 0) as write:
        write(content)
    return store.finish(session, begun.id)


def test_a_file_is_seen_once_it_is_whole(store: Uploads, tmp_path: Path) -> None:
    begun = store.begin(ANNA, "raster", "sar.tif", len(TIFF))
    with store.writing(ANNA, begun.id, 0) as write:
        write(TIFF[:1000])
    half = store.upload(ANNA, begun.id)
    assert half is not None
    assert (half.received, half.path) == (1000, None)
    assert store.uploads(ANNA) == ()
    assert not list(tmp_path.rglob("*.tif"))
    with pytest.raises(UsageError, match=r"cut off, 1\.0 kB of .* have come: upload it again"):
        store.finish(ANNA, begun.id)
    with store.writing(ANNA, begun.id, 1000) as write:
        write(TIFF[1000:])
    done = store.finish(ANNA, begun.id)
    assert done.path is not None
    assert done.path.read_bytes() == TIFF
    assert (done.name, done.path.name) == ("sar.tif", "data.tif")
    assert store.uploads(ANNA) == (done,)


def test_it_goes_on_after_a_restart(store: Uploads, chosen: Settings) -> None:
    begun = store.begin(ANNA, "raster", "sar.tif", len(TIFF))
    with pytest.raises(ConnectionError), store.writing(ANNA, begun.id, 0) as write:
        write(TIFF[:700])
        raise ConnectionError
    again = Uploads(chosen)
    found = again.upload(ANNA, begun.id)
    assert found is not None
    with again.writing(ANNA, begun.id, found.received) as write:
        write(TIFF[found.received :])
    done = again.finish(ANNA, begun.id)
    assert done.path is not None
    assert done.path.read_bytes() == TIFF


def test_bytes_that_do_not_follow_are_refused(store: Uploads) -> None:
    begun = store.begin(ANNA, "raster", "sar.tif", len(TIFF))
    for offset in (1, -1, 10**9):
        with (
            pytest.raises(UploadConflictError, match="the next byte is 0"),
            store.writing(ANNA, begun.id, offset),
        ):
            pass
    with store.writing(ANNA, begun.id, 0), pytest.raises(UploadConflictError, match="being written"):  # noqa: SIM117
        with store.writing(ANNA, begun.id, 0):
            pass


def test_more_than_announced_is_refused(store: Uploads) -> None:
    begun = store.begin(ANNA, "raster", "sar.tif", 10)
    with store.writing(ANNA, begun.id, 0) as write, pytest.raises(UsageError, match="more than the 10 bytes"):
        write(TIFF)


@pytest.mark.parametrize("size", [1, 7, 511, 512, 513])
def test_the_first_bytes_decide_however_they_come(store: Uploads, size: int) -> None:
    begun = store.begin(ANNA, "raster", "evil.tif", 2000)
    content = VRT.ljust(2000)
    with (
        store.writing(ANNA, begun.id, 0) as write,
        pytest.raises(UsageError, match="not a GeoTIFF") as refused,
    ):
        for start in range(0, len(content), size):
            write(content[start : start + size])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("purpose", "head", "suffix"),
    [
        ("raster", b"II*\0", ".tif"),
        ("raster", b"MM\0+", ".tif"),
        ("labels", b"II+\0", ".tif"),
        ("labels", GEOPACKAGE, ".gpkg"),
        ("labels", b'\xef\xbb\xbf \n{"type": "FeatureCollection"}', ".geojson"),
        ("area", b"{}", ".geojson"),
        ("bundle", b"PK\x03\x04", ".zip"),
        ("labels", b"PK\x03\x04", ".zip"),
        ("area", b'<?xml version="1.0"?>\n<kml xmlns="x">', ".kml"),
    ],
)
def test_what_is_taken(purpose: Purpose, head: bytes, suffix: str) -> None:
    assert check_head(purpose, "a", head) == suffix


@pytest.mark.parametrize(
    ("purpose", "head"),
    [
        ("raster", VRT),
        ("raster", GEOPACKAGE),
        ("raster", b"PK\x03\x04"),
        ("raster", b"\x89HDF\r\n\x1a\n"),
        ("raster", b""),
        ("labels", b"<OGRVRTDataSource>"),
        ("labels", b"lon,lat,class\n1,2,a\n"),
        ("area", b"\0\0\x27\x0a"),
        ("labels", b"SQLite format 3\0".ljust(600, b"\0")),
        ("area", b"II*\0"),
        ("bundle", b"\x80\x04\x95"),
        ("bundle", b"II*\0"),
    ],
)
def test_what_is_not(purpose: Purpose, head: bytes) -> None:
    with pytest.raises(UsageError, match=r"not a|zip it with its \.dbf"):
        check_head(purpose, "a", head)


def test_what_it_is_instead_is_said() -> None:
    with pytest.raises(UsageError, match=r"a\.tif: this is a PDF, not a GeoTIFF$"):
        check_head("raster", "a.tif", b"%PDF-1.7 ...")


def test_a_text_table_is_known_by_its_name() -> None:
    head = b"lon,lat,class\n1,2,a\n"
    assert check_head("labels", "points.CSV", head) == ".csv"
    for purpose, content in (("area", head), ("raster", head), ("labels", head + b"\0")):
        with pytest.raises(UsageError, match="not a"):
            check_head(purpose, "points.csv", content)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\maps\\sar.tif", "sar.tif"),
        ("a\0b\x1b[2J\n.tif", "a?b?[2J?.tif"),
        ("", "unnamed"),
        ("x" * 1000, "x" * 200),
        ("<script>alert(1)</script>.tif", "script>.tif"),
    ],
)
def test_names_are_only_shown(store: Uploads, tmp_path: Path, name: str, shown: str) -> None:
    begun = store.begin(ANNA, "raster", name, 10)
    assert begun.name == shown
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {".partial", "upload.json"}


def test_sessions_do_not_see_each_others(store: Uploads) -> None:
    done = send(store, TIFF)
    assert store.upload(BEN, done.id) is None
    assert store.uploads(BEN) == ()
    store.remove(BEN, done.id)
    assert store.upload(ANNA, done.id) == done
    begun = store.begin(ANNA, "raster", "b.tif", 10)
    with pytest.raises(UsageError, match="no such upload"), store.writing(BEN, begun.id, 0):
        pass
    store.remove(ANNA, done.id)
    assert store.upload(ANNA, done.id) is None


@pytest.mark.parametrize("id_", ["..", "../../x", "", "a" * 32, "a\0"])
def test_what_is_no_upload(store: Uploads, chosen: Settings, id_: str) -> None:
    send(store, TIFF)
    assert store.upload(ANNA, id_) is None
    store.remove(ANNA, id_)
    assert session_path(chosen.work, ANNA).is_dir()
    with pytest.raises(UsageError), store.writing(ANNA, id_, 0):
        pass


def test_quotas_count_what_is_promised(store: Uploads) -> None:
    for size in (0, -1):
        with pytest.raises(UsageError, match="empty"):
            store.begin(ANNA, "raster", "a.tif", size)
    with pytest.raises(UsageError, match=r"10\.0 kB that an upload may have"):
        store.begin(ANNA, "raster", "a.tif", 10_001)
    store.begin(ANNA, "raster", "a.tif", 8_000)  # not a byte of it has come
    with pytest.raises(UsageError, match="your files take"):
        store.begin(ANNA, "raster", "b.tif", 6_000)
    store.begin(BEN, "raster", "a.tif", 9_000)
    with pytest.raises(UsageError, match="all files on this server"):
        store.begin(new_id(), "raster", "c.tif", 6_000)


def test_room_comes_back(store: Uploads) -> None:
    begun = store.begin(ANNA, "raster", "a.tif", 9_000)
    with pytest.raises(UsageError):
        store.begin(ANNA, "raster", "b.tif", 9_000)
    store.remove(ANNA, begun.id)
    store.begin(ANNA, "raster", "b.tif", 9_000)
