from __future__ import annotations

from pathlib import Path

import pytest

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal_app.registry import EVERYBODY, Registry
from geo_xmodal_app.sessions import is_id, new_id, session_path

ANNA, BEN = new_id(), new_id()


@pytest.fixture
def files(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def file_of(work: Path, session: str, name: str = "a.tif", content: bytes = b"one") -> Path:
    path = session_path(work, session) / "maps" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_session_gets_its_file_by_id(files: Registry, tmp_path: Path) -> None:
    path = file_of(tmp_path, ANNA)
    file = files.register(ANNA, path, "raster", "map of berlin.tif")
    assert is_id(file)
    found = files.entry(ANNA, file)
    assert found is not None
    assert (found.path, found.kind, found.name, found.size) == (path, "raster", "map of berlin.tif", 3)
    assert files.resolve(ANNA, file) == path
    assert files.register(ANNA, path, "raster", "map of berlin.tif") == file


def test_another_session_does_not_get_it(files: Registry, tmp_path: Path) -> None:
    file = files.register(ANNA, file_of(tmp_path, ANNA), "raster")
    assert files.entry(BEN, file) is None
    assert files.entry("", file) is None
    assert files.entry(EVERYBODY, file) is None
    with pytest.raises(UsageError, match="load the page again"):
        files.resolve(BEN, file)


def test_ids_survive_a_restart(files: Registry, tmp_path: Path) -> None:
    file = files.register(ANNA, file_of(tmp_path, ANNA), "raster")
    assert Registry(tmp_path).resolve(ANNA, file).name == "a.tif"


def test_a_changed_file_needs_a_new_id(files: Registry, tmp_path: Path) -> None:
    path = file_of(tmp_path, ANNA)
    before = files.register(ANNA, path, "raster")
    path.write_bytes(b"three")
    assert files.entry(ANNA, before) is None
    after = files.register(ANNA, path, "raster")
    assert after != before
    files.forget_missing()
    assert files.resolve(ANNA, after) == path
    path.unlink()
    assert files.entry(ANNA, after) is None


def test_a_session_cannot_register_the_files_of_another(files: Registry, tmp_path: Path) -> None:
    path = file_of(tmp_path, BEN)
    for session in (ANNA, EVERYBODY):
        with pytest.raises(UsageError, match="not a file of this session"):
            files.register(session, path, "raster")


def test_nothing_outside_is_registered(files: Registry, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("s")
    inside = session_path(tmp_path, ANNA)
    inside.mkdir(parents=True)
    link = inside / "link.tif"
    link.symlink_to(secret)
    for path in (secret, link, inside / ".." / ".." / "secret.txt", Path("/etc/passwd"), inside):
        with pytest.raises(UsageError):
            files.register(ANNA, path, "other")


def test_a_file_that_becomes_a_link_is_not_followed(files: Registry, tmp_path: Path) -> None:
    path = file_of(tmp_path, ANNA, content=b"12345")
    file = files.register(ANNA, path, "raster")
    secret = tmp_path / "secret"
    path.rename(secret)  # its size and time of change stay
    path.symlink_to(secret)
    assert files.entry(ANNA, file) is None


def test_data_folders_and_samples_are_readable(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "sar.tif").write_bytes(b"II*\0")
    files = Registry(tmp_path / "work", (data,))
    assert files.resolve(ANNA, files.register(ANNA, data / "sar.tif", "raster")) == data / "sar.tif"
    sample = next(one.folder for one in gx.list_scenes() if one.source == "sample")
    file = files.register(EVERYBODY, sample / "scene.toml", "other")
    assert files.resolve(BEN, file) == (sample / "scene.toml").resolve()


@pytest.mark.parametrize(
    "id_", ["../../etc/passwd", "http://a/b", "a" * 31, "A" * 32, "a\0", "' OR 1=1 --", ""]
)
def test_what_is_no_id_leads_nowhere(files: Registry, tmp_path: Path, id_: str) -> None:
    files.register(ANNA, file_of(tmp_path, ANNA), "raster")
    assert files.entry(ANNA, id_) is None


def test_last_use_is_known_by_folder(files: Registry, tmp_path: Path) -> None:
    path = file_of(tmp_path, ANNA)
    files.register(ANNA, path, "raster")
    assert files.last_used(path.parent) > 0
    assert files.last_used(path.parent / "a") == 0
    assert files.last_used(path.parents[1] / "map") == 0
