from __future__ import annotations

from pathlib import Path

import pytest

from geo_xmodal.errors import UsageError
from geo_xmodal_app.sessions import LOCAL, current_session, is_id, new_id, session_folder
from geo_xmodal_app.settings import VARIABLE, Settings


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, Settings(work=tmp_path).model_dump_json())
    return tmp_path


def test_a_script_without_a_server_has_a_session_that_no_cookie_can_claim() -> None:
    assert current_session() == LOCAL
    assert not is_id(LOCAL)


def test_where_a_server_runs_the_pages_a_session_comes_by_cookie_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, Settings(work=tmp_path, served=True).model_dump_json())
    with pytest.raises(UsageError, match="keeps no cookies"):
        current_session()


def test_folders_of_sessions_are_apart(work: Path) -> None:
    anna, ben = new_id(), new_id()
    mine = session_folder(anna, "scenes", "my scene-1.2")
    assert mine.is_dir()
    assert mine.is_relative_to(work / "sessions" / anna)
    assert not session_folder(ben, "scenes", make=False).exists()


@pytest.mark.parametrize(
    "session", ["..", "", "everybody", "a" * 31, "A" * 32, "../" + "a" * 32, "a" * 32 + "\n"]
)
def test_sessions_that_are_none(session: str) -> None:
    with pytest.raises(UsageError, match="no such session"):
        session_folder(session)


@pytest.mark.parametrize("part", ["..", ".", "", "a/b", "/etc", "a\0", ".hidden", "-x", "a" * 200, "a\n"])
def test_names_that_lead_elsewhere(part: str) -> None:
    with pytest.raises(UsageError, match="is no name for a folder"):
        session_folder(LOCAL, part)
