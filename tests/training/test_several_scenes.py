"""Runs on several scenes: what is reported of all and of each, and what a scene that is held out changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch

from geo_xmodal import bundle
from geo_xmodal.commands.app import run
from geo_xmodal.errors import ResumeError
from geo_xmodal.mapping.shares import known_shares
from geo_xmodal.scenes import Scene, open_scene
from geo_xmodal.training import TrainRequest, train_scene
from tests.tiny import write_other_scene, write_scene

QUICK = {
    "epochs": "2", "contrasts": "", "widths": "8,8", "embedding": "8", "teachers": "1", "unlabelled": "200",
    "batch_size": "128", "least_steps": "4",
}  # fmt: skip
TO_MODEL = {"tiny": {1: 1, 4: 4, 9: 9}, "other": {3: 3, 1: 4, 2: 9}}
"""Ids of each scene's classes in the model, joined by name."""


def request(**changes: Any) -> TrainRequest:
    return TrainRequest.model_validate({"method": "svm", **changes})


def read(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text())
    assert isinstance(value, dict)
    return value


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("scenes")
    return write_scene(folder / "tiny"), write_other_scene(folder / "other")


@pytest.fixture
def scenes(folders: tuple[Path, Path], tmp_path: Path) -> list[Scene]:
    """Copies that a test may change."""
    return [open_scene(shutil.copytree(folder, tmp_path / folder.name)) for folder in folders]


def confusion(model: Path, scene: Scene, files: tuple[str, ...]) -> np.ndarray[Any, Any]:
    """What the model makes of each labelled pixel, one by one, by the ids of its own classes."""
    trained = bundle.load(model)
    ids = [one.id for one in trained.card.classes]
    with rasterio.open(scene.path("sar")) as dataset:
        values = torch.from_numpy(dataset.read())[None]
    probabilities = trained.model.probabilities(values)[0].numpy()
    shares = known_shares(trained.card, None)
    best = (probabilities if shares is None else shares.changed(probabilities)).argmax(0)
    counts = np.zeros((len(ids), len(ids)), int)
    for file in files:
        with rasterio.open(scene.folder / file) as dataset:
            labels = dataset.read(1)
        for own, joined in TO_MODEL[scene.name].items():
            np.add.at(counts, (ids.index(joined), best[labels == own]), 1)
    return counts


@pytest.mark.parametrize("held_out", [False, True])
def test_the_confusion_of_all_is_the_sum_of_each_scenes(
    scenes: list[Scene], tmp_path: Path, held_out: bool
) -> None:
    out = tmp_path / "run"
    scores = train_scene(scenes, out, request(hold_out=("other",) if held_out else ())).metrics
    files = ("train.tif", "test.tif") if held_out else ("test.tif",)
    expected = {
        "tiny": confusion(out, scenes[0], ("test.tif",)),
        "other": confusion(out, scenes[1], files),
    }
    assert scores["scenes"].keys() == expected.keys()
    for name, counts in expected.items():
        one = scores["scenes"][name]
        np.testing.assert_array_equal(one["confusion"], counts)
        assert one["n"] == counts.sum() and one["oa"] == pytest.approx(np.trace(counts) / counts.sum())
        assert one["held_out"] == (held_out and name == "other")
    whole = sum(expected.values())
    np.testing.assert_array_equal(scores["confusion"], whole)
    assert scores["oa"] == pytest.approx(np.trace(whole) / np.sum(whole))


def test_what_was_joined_is_written_down(scenes: list[Scene], tmp_path: Path) -> None:
    out = tmp_path / "run"
    scores = train_scene(scenes, out, request()).metrics
    joined = [
        {"id": 1, "name": "Wheat", "scenes": {"tiny": 1}},
        {"id": 4, "name": "Maize", "scenes": {"tiny": 4, "other": 1}},
        {"id": 9, "name": "Water", "scenes": {"tiny": 9, "other": 2}},
        {"id": 3, "name": "Forest", "scenes": {"other": 3}},
    ]
    assert scores["joined_classes"] == read(out / "metrics.json")["joined_classes"] == joined
    config = read(out / "config.json")
    assert config["classes"] == joined and [one["name"] for one in config["scenes"]] == ["tiny", "other"]
    card = bundle.read_card(out)
    assert card.scene == "tiny and other" and [one.id for one in card.classes] == [1, 4, 9, 3]
    assert [(one.name, one.ids) for one in card.scenes] == list(TO_MODEL.items())
    page = (out / "report.html").read_text()
    assert "Scene by scene" in page and "Classes joined by name" in page
    assert "other: Map from sar alone" in page


def test_the_card_of_one_scene_says_nothing_of_several(scenes: list[Scene], tmp_path: Path) -> None:
    train_scene(scenes[:1], tmp_path / "list", request())
    train_scene(scenes[0], tmp_path / "scene", request())
    for file in ("config.json", "metrics.json", "report.html", "model/card.json", "model/model.safetensors"):
        assert (tmp_path / "list" / file).read_bytes() == (tmp_path / "scene" / file).read_bytes()
    assert not {"scenes", "joined_classes"} & read(tmp_path / "scene" / "metrics.json").keys()
    assert "scenes" not in read(tmp_path / "scene" / "model" / "card.json")


def spoil(scene: Scene) -> None:
    """Change every value and every label."""
    for file in ("sar.tif", "hsi.tif", "train.tif", "test.tif"):
        with rasterio.open(scene.folder / file, "r+") as dataset:
            old = dataset.read()
            dataset.write(old % 3 + 1 if old.dtype == np.uint8 else 7 * old + 1)


def test_nothing_of_a_scene_that_is_held_out_is_in_the_weights(scenes: list[Scene], tmp_path: Path) -> None:
    wanted = request(method="hgr", settings=QUICK, hold_out=("other",), control=True)
    train_scene(scenes, tmp_path / "before", wanted)
    spoil(scenes[1])
    train_scene(scenes, tmp_path / "after", wanted)
    for part in (".", "controls/target_only/seed-0", "controls/self_training/seed-0"):
        file = f"{part}/model/model.safetensors"
        assert (tmp_path / "before" / file).read_bytes() == (tmp_path / "after" / file).read_bytes()
    first, second = (read(tmp_path / name / "metrics.json")["scenes"] for name in ("before", "after"))
    assert first["tiny"]["confusion"] == second["tiny"]["confusion"]
    assert first["other"]["confusion"] != second["other"]["confusion"]


def test_unlabelled_pairs_of_another_scene_change_what_is_learned(
    scenes: list[Scene], tmp_path: Path
) -> None:
    place = scenes[1].folder / "scene.toml"
    place.write_text(place.read_text().partition("[labels.train]")[0])
    wanted = request(method="hgr", settings=QUICK)
    train_scene(scenes[0], tmp_path / "alone", wanted)
    scores = train_scene([scenes[0], open_scene(scenes[1].folder)], tmp_path / "both", wanted).metrics
    assert list(scores["scenes"]) == ["tiny"]  # the other has nothing to test
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("alone", "both")]
    assert weights[0] != weights[1]
    counts = [read(tmp_path / name / "config.json")["data"]["counts"] for name in ("alone", "both")]
    assert counts[0]["labelled_pairs"] == counts[1]["labelled_pairs"]


def test_seeds_and_gains_of_each_scene(scenes: list[Scene], tmp_path: Path) -> None:
    out = tmp_path / "run"
    scores = train_scene(scenes, out, request(method="cca", seeds=2, control=True)).metrics
    for name in ("tiny", "other"):
        own = [read(out / f"seed-{seed}" / "metrics.json")["scenes"][name] for seed in (0, 1)]
        one = scores["scenes"][name]
        assert one["oa"] == pytest.approx(np.mean([run["oa"] for run in own]))
        np.testing.assert_array_equal(
            one["confusion_pooled"], np.sum([run["confusion"] for run in own], axis=0)
        )
        (control,) = one["gain"]
        others = [
            read(out / "controls" / control / f"seed-{seed}" / "metrics.json")["scenes"][name]
            for seed in (0, 1)
        ]
        gains = np.subtract([run["oa"] for run in own], [run["oa"] for run in others])
        assert one["gain"][control]["oa"]["mean"] == pytest.approx(gains.mean())


class StopError(Exception):
    pass


def test_a_stopped_run_goes_on_and_knows_its_scenes(scenes: list[Scene], tmp_path: Path) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if done > 0.7 * total:
            raise StopError

    wanted = request(method="hgr", settings=QUICK, hold_out=("other",))
    resumed = wanted.model_copy(update={"resume": True})
    expected = train_scene(scenes, tmp_path / "whole", wanted).metrics
    with pytest.raises(StopError):
        train_scene(scenes, tmp_path / "run", wanted, stop)
    with pytest.raises(ResumeError, match="other options, data or version"):
        train_scene(scenes, tmp_path / "run", resumed.model_copy(update={"hold_out": ("tiny",)}))
    with pytest.raises(ResumeError, match="other options, data or version"):
        train_scene(scenes[0], tmp_path / "run", resumed.model_copy(update={"hold_out": ()}))
    assert train_scene(scenes, tmp_path / "run", resumed).metrics == expected
    weights = [tmp_path / name / "model" / "model.safetensors" for name in ("whole", "run")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert train_scene(scenes, tmp_path / "run", resumed).metrics == expected
    with rasterio.open(scenes[1].folder / "sar.tif", "r+") as dataset:  # what was tested is another scene now
        dataset.write(2 * dataset.read())
    with pytest.raises(ResumeError, match="other options, data or version"):
        train_scene(scenes, tmp_path / "run", resumed)


def test_from_the_command_line(
    scenes: list[Scene], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny, other = (str(one.folder) for one in scenes)
    assert run(["train", "--scene", tiny, "--scene", other, "--hold-out", other, "--method", "svm"]) == 0
    said = capsys.readouterr().out
    assert "scene by scene" in said and "other (held out)" in said and "classes, joined by name" in said
    out = tmp_path / "runs" / "tiny+other-svm"
    assert read(out / "config.json")["scenes"][1]["held_out"] is True
    assert run(["info", str(out)]) == 0
    assert "tiny (simulated)" in capsys.readouterr().out  # what it learned from
    for words, message in (
        (["--scene", tiny, "--scene", tiny], "is given twice"),
        (
            ["--scene", tiny, "--scene", other, "--hold-out", "elsewhere"],
            "none of the scenes: they are tiny, other",
        ),
        (["--scene", tiny, "--hold-out", "tiny"], "all scenes are held out"),
    ):
        assert run(["train", *words, "--out", "bad"]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert message in error
        assert not Path("bad").exists()
