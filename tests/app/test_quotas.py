from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from geo_xmodal.errors import UsageError
from geo_xmodal_app.quotas import check_room, folder_bytes, sweep
from geo_xmodal_app.sessions import new_id, session_path
from geo_xmodal_app.settings import Settings

DAY = 86_400.0
ANNA = new_id()


def item(work: Path, place: str, days: float, name: str = "a.tif", size: int = 100) -> Path:
    """An item that was last written `days` ago."""
    folder = session_path(work, ANNA) / place
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(bytes(size))
    then = time.time() - days * DAY
    for path in (folder / name, folder, session_path(work, ANNA)):
        os.utime(path, (then, then))
    return folder


def never(folder: Path) -> float:
    return 0.0


def test_what_nobody_used_is_removed_as_a_whole(tmp_path: Path) -> None:
    chosen = Settings(work=tmp_path, days=10)
    old, fresh = item(tmp_path, "maps/old", 11), item(tmp_path, "maps/fresh", 9)
    assert sweep(chosen, [], never) == [old]
    assert not old.exists()
    assert fresh.exists()


def test_nothing_of_a_session_that_is_there(tmp_path: Path) -> None:
    item(tmp_path, "maps/old", 11)
    os.utime(session_path(tmp_path, ANNA))
    assert sweep(Settings(work=tmp_path, days=10), [], never) == []


def test_what_was_looked_at_stays(tmp_path: Path) -> None:
    old = item(tmp_path, "maps/old", 11)
    assert sweep(Settings(work=tmp_path, days=10), [], lambda folder: time.time() - DAY) == []
    assert old.exists()


def test_one_new_file_keeps_the_folder(tmp_path: Path) -> None:
    old = item(tmp_path, "runs/old", 11)
    (old / "deep").mkdir()
    (old / "deep" / "new").touch()
    assert sweep(Settings(work=tmp_path, days=10), [], never) == []


def test_what_a_job_names_stays(tmp_path: Path) -> None:
    used, other = item(tmp_path, "uploads/used", 99), item(tmp_path, "uploads/other", 99)
    command = f"geo-xmodal map --input={used / 'a.tif'}"
    assert sweep(Settings(work=tmp_path, days=10), [command], never) == [other]
    assert used.exists()


def test_an_upload_that_was_cut_goes_after_a_day(tmp_path: Path) -> None:
    cut = item(tmp_path, "uploads/cut", 1.5, name=".partial")
    recent = item(tmp_path, "uploads/recent", 0.5, name=".partial")
    whole = item(tmp_path, "uploads/whole", 1.5)
    assert sweep(Settings(work=tmp_path, days=10), [], never) == [cut]
    assert recent.exists()
    assert whole.exists()


def test_a_session_without_anything_goes(tmp_path: Path) -> None:
    item(tmp_path, "uploads/old", 11)
    folder = session_path(tmp_path, ANNA)
    os.utime(folder, (time.time() - 9 * DAY,) * 2)
    sweep(Settings(work=tmp_path, days=10), [], never)
    assert folder.exists()
    assert not any(folder.glob("uploads/*"))
    assert sweep(Settings(work=tmp_path, days=10), [], never, now=time.time() + 11 * DAY) == [folder]


def test_a_link_is_removed_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    old = item(tmp_path, "maps/old", 11)
    (old / "link").symlink_to(outside)
    sweep(Settings(work=tmp_path, days=10), [], never, now=time.time() + 20 * DAY)
    assert not old.exists()
    assert (outside / "kept").exists()


def test_bytes_are_counted_without_following_links(tmp_path: Path) -> None:
    folder = item(tmp_path, "maps/a", 0, size=1000)
    (folder / "link").symlink_to("/dev/zero")
    assert 1000 <= folder_bytes(folder) < 1100
    assert folder_bytes(tmp_path / "nothing") == 0


def test_a_disk_that_is_nearly_full_takes_nothing(tmp_path: Path) -> None:
    chosen = Settings(work=tmp_path, upload_bytes=2**62, session_bytes=2**62, total_bytes=2**62)
    check_room(chosen, ANNA, 1)
    with pytest.raises(UsageError, match="free on the server's disk"):
        check_room(chosen, ANNA, 2**61)
