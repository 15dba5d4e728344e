"""`geo-xmodal import`: a copy of a scene, trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geo_xmodal.commands.app import run
from tests.published import copies
from tests.published.copies import SCENES


def result_of(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    capsys.readouterr()
    assert run([str(one) for one in arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_import_then_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copies.write_copy(tmp_path / "copy", "trento")
    scene = tmp_path / "scene"
    report = result_of(capsys, "import", "trento", tmp_path / "copy", "--out", scene, "--json")
    assert report["target"] == "lidar" and report["out"] == str(scene)
    assert report["shapes"] == {"lidar": [1, 24, 32], "hsi": [63, 24, 32]}
    assert report["files"]["labels.test"] == "TSLabel.mat: TSLabel"
    assert report["counts"][0]["name"] == "Apple trees" and report["counts"][0]["expected"] == 129
    assert any(line.startswith("hsi: 63 bands of 24 x 32") for line in report["differences"])
    trained = result_of(
        capsys,
        "train",
        "--scene",
        scene,
        "--method",
        "cnn",
        "--epochs",
        "1",
        "--out",
        tmp_path / "run",
        "--json",
    )
    assert 0 <= trained["oa"] <= 1 and trained["n"] == sum(
        count["found"] for count in report["counts"] if count["split"] == "test"
    )


def test_differences_are_said_and_strict_refuses_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies.write_copy(tmp_path / "copy", "trento")
    place = [str(tmp_path / "copy"), "--out", str(tmp_path / "scene")]
    assert run(["import", "trento", *place, "--strict"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: ") and "not as trento is published" in line
    assert not (tmp_path / "scene").exists()
    assert run(["import", "trento", *place]) == 0
    said = capsys.readouterr().out
    assert "not as published: lidar: 1 band of 24 x 32 pixels, published 1 or 2 bands of 166 x 600" in said
    assert "checked against: Italy_lidar.mat" in said


def test_list_names_every_scene_and_says_what_was_checked(capsys: pytest.CaptureFixture[str]) -> None:
    listed = result_of(capsys, "import", "--list", "--json")["scenes"]
    assert [scene["name"] for scene in listed] == list(SCENES)
    berlin = listed[0]
    assert ["TrainImage", "TestImage"] in berlin["labels"]
    assert berlin["sensors"][0]["files"] == [["data_SAR_HR"], ["berlin_sar"]]
    assert berlin["checked"] == "no real file: none could be had"
    assert run(["import", "--list"]) == 0
    assert "data_HS_LR" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["import"], ["import", "berlin"], ["import", "berlin", "folder"], ["import", "--list", "berlin"]],
)
def test_wrong_usage_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
