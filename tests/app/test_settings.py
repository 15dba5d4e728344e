from __future__ import annotations

from pathlib import Path

import pytest

from geo_xmodal.errors import UsageError
from geo_xmodal_app.settings import VARIABLE, Settings, settings


def test_a_server_listens_to_this_machine_alone_unless_told_otherwise() -> None:
    assert Settings().host == "127.0.0.1"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, Settings(work=tmp_path, slots=3).model_dump_json())
    assert settings().work == tmp_path
    assert settings().slots == 3
    monkeypatch.delenv(VARIABLE)
    assert settings().slots == 1


def test_folders_are_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = Settings(work=Path("here"), data=(Path("there"),))
    assert chosen.work == tmp_path / "here"
    assert chosen.data == (tmp_path / "there",)


@pytest.mark.parametrize("text", ["not json", '{"slots": 0}', '{"unknown": 1}', '{"port": 70000}'])
def test_settings_that_are_none_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UsageError, match=VARIABLE) as refused:
        settings()
    assert "\n" not in str(refused.value)
