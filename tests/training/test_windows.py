"""Networks on windows from a scene and from chips: what is gathered, tested and mapped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import geo_xmodal as gx
from geo_xmodal import bundle
from geo_xmodal.chips import chips_for
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.mapping.model import Model
from geo_xmodal.samples import GatherOptions, gather
from geo_xmodal.scenes import labelled_pixels
from geo_xmodal.types import NO_LABEL, Window
from tests import tiny
from tests.chips import sets

SIDE = 24
QUICK = {"tile": "32", "overlap": "0", "least_steps": "2", "label_batch": "2"}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> gx.Scene:
    return gx.open_scene(tiny.write_scene(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> gx.ChipSet:
    return gx.open_chips(sets.fields(tmp_path_factory.mktemp("set"), train=4, test=2, side=SIDE))


def gathered(source: Any, **settings: Any) -> Any:
    data = gather(source, GatherOptions(margin=0, tile=32, overlap=16, unlabelled=0, **settings))
    assert data.windows is not None and data.windows.train is not None
    return data


def test_windows_of_a_scene_hold_the_labels_of_its_training_pixels_and_no_other(scene: gx.Scene) -> None:
    data = gathered(scene, validation=0.3, validation_block=12, memory=1e-4)  # windows are read when needed
    seen, held_out = (
        {tuple(place) for place in group.position.tolist()}
        for group in (data.labelled_pairs, data.validation)
    )
    pixels = labelled_pixels(scene, "train")
    ids = {
        tuple(place): id_ for place, id_ in zip(pixels.position.tolist(), pixels.label.tolist(), strict=True)
    }
    windows = data.windows.train.target.windows
    assert {window.height for window in windows} == {128}
    found: set[tuple[int, int]] = set()
    for window, label in zip(windows, data.windows.train.label, strict=True):
        corner = (window.row, window.col)
        for row, col in np.argwhere(label != NO_LABEL).tolist():
            place = (row + corner[0], col + corner[1])
            assert place in seen | {tuple(p) for p in data.labelled_target.position.tolist()}
            assert data.classes[label[row, col]].id == ids[place]
            found.add(place)
    assert found == {
        tuple(p) for g in (data.labelled_pairs, data.labelled_target) for p in g.position.tolist()
    }
    assert not found & held_out
    held = data.windows.held_out
    assert held is not None and held.target.shape[1:] == (2, 64, 64)
    assert (held.label != NO_LABEL).sum() == len(data.validation)
    assert (held.label[:, :16] == NO_LABEL).all() and (held.label[:, :, 48:] == NO_LABEL).all()


def test_windows_that_do_not_fit_into_memory_are_read_when_they_are_needed(scene: gx.Scene) -> None:
    held, read = gathered(scene), gathered(scene, memory=1e-4)
    assert held.windows.train.target.held is not None and read.windows.train.target.held is None
    index = np.arange(len(held.windows.train))
    np.testing.assert_array_equal(
        held.windows.train.target.take(index), read.windows.train.target.take(index)
    )


def test_chips_give_all_of_their_labels_or_those_that_are_drawn(chips: gx.ChipSet) -> None:
    source = chips_for(chips)
    dense = gathered(source, validation=0.25)
    assert dense.windows.dense
    labels = dense.windows.train.label
    assert (labels != NO_LABEL).sum() == 3 * SIDE * SIDE  # one of four chips is held out
    assert labels.shape[1] == 64
    drawn = gathered(source, labels_per_class=20, validation=0)
    assert not drawn.windows.dense
    assert (drawn.windows.train.label != NO_LABEL).sum() == 40


def test_a_run_on_chips_is_tested_as_its_map_is(chips: gx.ChipSet, tmp_path: Path) -> None:
    request = gx.TrainRequest(method="fcn", epochs=2, settings=QUICK)
    metrics = gx.train_scene(chips, tmp_path / "run", request).metrics
    assert metrics["n"] == 2 * SIDE * SIDE
    assert metrics["shares"]["drawn"] == "as they lie"
    trained = bundle.load(tmp_path / "run")
    right = 0
    for chip in chips.of("test"):
        values = chips.reader(chip, "sar").read(Window(0, 0, SIDE, SIDE))
        right += int((Model(trained).predict(values).classes == chips.labels(chip)).sum())
    assert metrics["oa"] == pytest.approx(right / metrics["n"], abs=1e-6)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["options"]["tile"] == 32
    assert "images of 32 x 32 pixels" in (tmp_path / "run" / "report.html").read_text()


def test_a_map_that_is_resumed_or_cut_otherwise_is_the_same(scene: gx.Scene, tmp_path: Path) -> None:
    request = gx.TrainRequest(method="segformer", epochs=1, settings={**QUICK, "width": "8", "overlap": "16"})
    gx.train_scene(scene, tmp_path / "run", request)
    maps = []
    for window in (96, 41):
        out = tmp_path / f"{window}.tif"
        gx.map_scene(tmp_path / "run", scene.reader("sar"), out, window=window, engine="torch")
        with rasterio.open(out) as file:
            maps.append(file.read(1))
    np.testing.assert_array_equal(*maps)


def test_points_have_no_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scene: gx.Scene) -> None:
    monkeypatch.setattr(type(scene), "points", property(lambda self: object()), raising=False)
    with pytest.raises(TrainingDataError, match="holds single pixels, and the method looks at 32 x 32"):
        gather(scene, GatherOptions(margin=0, tile=32, overlap=0, unlabelled=0))
