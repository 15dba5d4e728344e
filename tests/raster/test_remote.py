from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from geo_xmodal.errors import RasterError
from geo_xmodal.raster.files import open_raster
from geo_xmodal.raster.reader import aligned_reader, remote_reader
from geo_xmodal.raster.remote import RemoteFile, find_remote
from geo_xmodal.types import Window
from tests.file_server import LOG, WHOLE, FileServer, served
from tests.rasters import utm_grid, write_positions

GRID = utm_grid(200, 300)
EVERYTHING = Window(0, 0, 200, 300)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    with served(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture
def server(running: FileServer, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """The server, also as an object store, with one file and nothing asked yet."""
    (running.folder / "bucket" / "a folder").mkdir(parents=True, exist_ok=True)
    write_positions(running.folder / "bucket" / "x.tif", GRID)
    (running.folder / LOG).unlink(missing_ok=True)
    monkeypatch.setenv("AWS_S3_ENDPOINT", running.address)
    monkeypatch.setenv("AWS_HTTPS", "NO")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTING", "FALSE")
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    return running


@pytest.mark.parametrize("address", ["http://{}/bucket/x.tif", "s3://bucket/x.tif"])
def test_values_are_those_of_the_file_and_nothing_else_is_fetched(address: str, server: FileServer) -> None:
    for name in ("x.tif.ovr", "x.tif.aux.xml", "x.tif.msk", "x.tfw"):
        (server.folder / "bucket" / name).write_text("sidecar")
    remote = find_remote(address.format(server.address))
    reader = pickle.loads(pickle.dumps(remote_reader(remote, kind="sar")))
    expected = aligned_reader(server.folder / "bucket" / "x.tif")
    np.testing.assert_array_equal(reader.read(EVERYTHING, 2), expected.read(EVERYTHING, 2))
    assert reader.grid == expected.grid
    assert server.paths == {"/bucket/x.tif"}
    assert remote.size == (server.folder / "bucket" / "x.tif").stat().st_size


def test_only_a_part_of_a_large_file_travels(server: FileServer) -> None:
    large = utm_grid(2000, 2000)
    file = write_positions(server.folder / "bucket" / "large.tif", large, compress="none")
    reader = remote_reader(find_remote(f"http://{server.address}/bucket/large.tif"))
    assert (reader.read(Window(1000, 1000, 10, 10))[0, :, 0] == np.arange(1000, 1010) + 0.5).all()
    ranges = [request["range"] for request in server.asked if request["range"]]
    spans = [text.removeprefix("bytes=").split("-") for text in ranges]
    assert sum(int(last) - int(first) for first, last in spans) < file.stat().st_size / 20
    assert all(request["range"] for request in server.asked if request["method"] == "GET")


def test_a_replaced_object_is_another_and_is_not_mixed_with_the_old(server: FileServer) -> None:
    address = f"http://{server.address}/bucket/x.tif"
    before = find_remote(address)
    reader = remote_reader(before)
    reader.read(EVERYTHING)
    write_positions(server.folder / "bucket" / "x.tif", utm_grid(50, 40), compress="none")
    assert find_remote(address) != before
    with pytest.raises(RasterError, match="has changed"):
        reader.read(EVERYTHING)
    assert remote_reader(find_remote(address)).grid.shape == (50, 40)


def test_credentials_sign_every_request(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("botocore")
    monkeypatch.delenv("AWS_NO_SIGN_REQUEST")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not to be seen")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    remote = find_remote("s3://bucket/x.tif")
    remote_reader(remote).read(EVERYTHING)
    signed = [request["authorization"] for request in server.asked]
    assert len(signed) > 1
    assert all(one.startswith("AWS4-HMAC-SHA256 Credential=KEY/") and "eu-central-1" in one for one in signed)
    assert "not to be seen" not in repr(remote)


def test_a_signature_in_an_address_is_not_shown(server: FileServer) -> None:
    remote = find_remote(f"http://{server.address}/bucket/x.tif?token=hidden")
    assert remote_reader(remote).read(EVERYTHING).shape == (2, 200, 300)
    assert "hidden" not in remote.name
    with pytest.raises(RasterError) as caught:
        find_remote(f"http://{server.address}/bucket/none.tif?token=hidden")
    assert "hidden" not in str(caught.value)


def test_what_is_no_geotiff_is_one_line(server: FileServer) -> None:
    base = f"http://{server.address}"
    (server.folder / "page.tif").write_text("<html>Sign in</html>")
    (server.folder / "empty.tif").write_bytes(b"")
    (server.folder / "vrt.tif").write_text("<VRTDataset/>")
    (server.folder / f"{WHOLE}.tif").write_bytes((server.folder / "bucket" / "x.tif").read_bytes())
    wrong = {
        f"{base}/none.tif": r"no such file on the server \(404\)",
        f"{base}/secret.tif": r"does not allow it \(403\)",
        f"{base}/page.tif": "not a GeoTIFF but an HTML or XML page",
        f"{base}/vrt.tif": "not a GeoTIFF",
        f"{base}/empty.tif": "an empty file",
        f"{base}/{WHOLE}.tif": "does not give parts of a file; download it",
        "s3://bucket/none.tif": "404",
        "http://host.invalid/x.tif": "cannot be reached: .*check the address",
        "http://127.0.0.1:1/x.tif": "cannot be reached: Connection refused",
        "ftp://127.0.0.1/x.tif": "expected https://HOST/FILE.tif",
        "https:///x.tif": "expected https://HOST/FILE.tif",
        "s3://bucket": "expected https://HOST/FILE.tif",
        "http://me:word@127.0.0.1/x.tif": "no password",
        f"{base}/a folder/x.tif": "%20",
    }
    for address, message in wrong.items():
        with pytest.raises(RasterError, match=message) as caught:
            find_remote(address)
        assert "\n" not in str(caught.value), address


def test_a_broken_geotiff_is_one_line(server: FileServer) -> None:
    (server.folder / "broken.tif").write_bytes(b"II*\0" + b"\xff" * 200)
    with pytest.raises(RasterError, match=r"broken.tif: cannot be read as a GeoTIFF"):
        remote_reader(find_remote(f"http://{server.address}/broken.tif"))


def test_without_credentials_the_line_says_what_to_do(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("botocore")
    monkeypatch.delenv("AWS_NO_SIGN_REQUEST")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(RasterError, match="no AWS credentials found; for public data set AWS_NO"):
        find_remote("s3://bucket/x.tif")
    assert not server.asked


def test_the_door_for_files_stays_shut(server: FileServer) -> None:
    address = f"http://{server.address}/bucket/x.tif"
    for path in (address, f"/vsicurl/{address}", "s3://bucket/x.tif", "/vsis3/bucket/x.tif"):
        with pytest.raises(RasterError), open_raster(path):
            pass
        with pytest.raises(RasterError):
            aligned_reader(path)
    assert not server.asked


def test_a_remote_file_is_known_by_size_and_version() -> None:
    address = "https://host/x.tif"
    one = RemoteFile(address, 10, '"a"', f"{address}?signature=first")
    assert one == RemoteFile(address, 10, '"a"', f"{address}?signature=second")
    assert one != RemoteFile(address, 10, '"b"', address) != RemoteFile(address, 11, '"b"', address)
    assert "signature" not in repr(one)
