"""Runs that learn from values on disk: the same as from values in memory, in memory that does not grow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from geo_xmodal.comparison.cells import gather_pixels, run_cells
from geo_xmodal.comparison.request import CompareRequest, resolve_comparison, resolve_folds
from geo_xmodal.methods import METHODS
from geo_xmodal.samples import GatherOptions, Storage, gather
from geo_xmodal.scenes import open_scene
from geo_xmodal.training import TrainRequest, train_scene
from geo_xmodal.training.files import recorded_store
from geo_xmodal.training.request import Variant
from tests.tiny import write_scene

QUICK = {
    "epochs": "2", "contrasts": "3", "widths": "8", "kernels": "3", "embedding": "8",
    "unlabelled": "300", "unlabelled_target": "100", "batch_size": "64", "least_steps": "2",
}  # fmt: skip
METHODS_ON_DISK = {
    "hgr": {**QUICK, "soft_shares": "unlabelled"},
    "cnn": {**QUICK, "mode": "self_training", "soft_shares": "unlabelled"},
    "bimodal_dae": {"epochs": "2", "least_steps": "2", "unlabelled": "300", "unlabelled_target": "100"},
    "cca": {"unlabelled": "300"},
}


@pytest.fixture(scope="module")
def scene_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("scene") / "tiny")


def trained(
    scene_folder: Path, out: Path, method: str, settings: dict[str, str], **asked: Any
) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    request = TrainRequest.model_validate({"method": method, "settings": settings, **asked})
    progress = asked.pop("progress", None)
    return train_scene(open_scene(scene_folder), out, request, progress, note=notes.append).metrics, notes


def config(out: Path) -> dict[str, Any]:
    value = json.loads((out / "config.json").read_text())
    assert isinstance(value, dict)
    return value


def losses(out: Path) -> list[float]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [value for row in rows for _, value in sorted(row["loss"].items())]


@pytest.mark.parametrize("method", METHODS_ON_DISK)
def test_values_on_disk_teach_what_values_in_memory_teach(
    scene_folder: Path, tmp_path: Path, method: str
) -> None:
    settings = METHODS_ON_DISK[method]
    held, no_notes = trained(scene_folder, tmp_path / "held", method, settings)
    stored, notes = trained(scene_folder, tmp_path / "stored", method, {**settings, "memory": "0"})
    assert "values" not in config(tmp_path / "held")["data"]
    assert config(tmp_path / "stored")["data"]["values"] == "store"
    assert not any("on disk" in line for line in no_notes)
    said = [line for line in notes if "on disk" in line]
    assert len(said) == 1 and "more than memory = 0" in said[0] and ".stored.samples" in said[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["held", "stored"]
    if (tmp_path / "held" / "log.jsonl").exists():
        np.testing.assert_allclose(
            losses(tmp_path / "stored"), losses(tmp_path / "held"), rtol=0.01, atol=2e-3
        )
    assert stored["oa"] == pytest.approx(held["oa"], abs=0.02)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("hgr", QUICK),
        ("hgr", {**QUICK, "encoder": "resnet18", "patch": "3"}),
        ("cnn", METHODS_ON_DISK["cnn"]),
    ],
)
def test_nothing_that_a_learner_keeps_grows_with_its_pixels(
    scene_folder: Path, tmp_path: Path, method: str, settings: dict[str, str]
) -> None:
    """Neither in the checkpoint, nor in its pools."""
    own = {key: value for key, value in settings.items() if key in METHODS[method].Options.model_fields}
    options = METHODS[method].Options.model_validate(own)
    asked = GatherOptions(
        margin=options.margin,
        auxiliary_margin=options.auxiliary_margin,
        unlabelled=311,
        unlabelled_target=0,
        memory=0,
    )
    data = gather(open_scene(scene_folder), asked, None, Storage(tmp_path / "run"))
    data = Variant(method, METHODS[method], options).seen(data)
    learner = METHODS[method].learner(data, options, 0)
    assert len(learner.unlabelled) == 311 and not learner.unlabelled.held and not learner.labelled.held
    sizes = {len(learner.unlabelled), len(learner.labelled), len(learner.unlabelled) + len(learner.labelled)}
    for name, value in learner.state_dict().items():
        assert not sizes & set(value.shape), name
    batch = learner.unlabelled.draw(torch.tensor([5, 3]))
    assert len(batch.target) == 2 and batch.target.isfinite().all()


class Stop:
    """Interrupts a run after so many steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, done: int, total: int, message: str) -> None:
        if total and done >= self.steps:
            raise KeyboardInterrupt


def model(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("store", ["kept", "lost", "truncated"])
def test_an_interrupted_run_goes_on_to_the_same_bytes(scene_folder: Path, tmp_path: Path, store: str) -> None:
    """With the store that it left, or another one; and it stays on disk, whatever `memory` says then."""
    scene, settings = open_scene(scene_folder), {**METHODS_ON_DISK["cnn"], "memory": "0"}
    request = TrainRequest(method="cnn", settings=settings)
    train_scene(scene, tmp_path / "whole", request)
    out, place = tmp_path / "run", tmp_path / ".run.samples"
    with pytest.raises(KeyboardInterrupt):
        train_scene(scene, out, request, Stop(25))
    assert place.is_dir()
    notes: list[str] = []
    match store:
        case "lost":
            shutil.rmtree(place)
        case "truncated":
            values = next(place.glob("*/values"))
            values.write_bytes(values.read_bytes()[:-9])
    again = request.model_copy(update={"resume": True, "settings": {**settings, "memory": "8"}})
    train_scene(scene, out, again, note=notes.append)
    assert model(out) == model(tmp_path / "whole")
    assert not place.exists()
    assert any("was damaged" in line for line in notes) == (store == "truncated")
    assert any("the run was begun so" in line for line in notes)


def test_a_run_in_memory_goes_on_in_memory(scene_folder: Path, tmp_path: Path) -> None:
    scene, request = open_scene(scene_folder), TrainRequest(method="cnn", settings=QUICK)
    train_scene(scene, tmp_path / "whole", request)
    with pytest.raises(KeyboardInterrupt):
        train_scene(scene, tmp_path / "run", request, Stop(25))
    again = request.model_copy(update={"resume": True, "settings": {**QUICK, "memory": "0"}})
    train_scene(scene, tmp_path / "run", again)
    assert model(tmp_path / "run") == model(tmp_path / "whole")


def test_a_comparison_shares_one_store(scene_folder: Path, tmp_path: Path) -> None:
    """Over seeds and cells; finished runs stay what they are where values would now fit into memory."""
    scene, out = open_scene(scene_folder), tmp_path / "out"
    settings = {"unlabelled": "200", "memory": "0"}
    request = CompareRequest(methods=("cca",), seeds=2, settings=settings)
    folds, plan = resolve_folds(scene, request), resolve_comparison(request, "sar")
    storage = Storage(out)
    first = gather_pixels(folds[0].scenes, plan, 0, None, storage)
    made = run_cells(folds, out, plan, first, storage=storage)
    assert len(list(storage.place.iterdir())) == 2  # one a sensor
    begun = Storage(out, recorded_store(out))
    assert begun.begun and not Storage(tmp_path / "other", recorded_store(tmp_path / "other")).begun
    first = gather_pixels(folds[0].scenes, plan, 0, None, begun)
    again = run_cells(folds, out, plan, first, storage=begun)
    assert {name: [one.metrics for one in runs] for name, runs in again.items()} == {
        name: [one.metrics for one in runs] for name, runs in made.items()
    }
