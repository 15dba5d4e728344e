"""Training pixels of several scenes: whose they are, how many, and what a scene that is held out gives."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from geo_xmodal.errors import LabelError
from geo_xmodal.samples import GatherOptions, gather
from geo_xmodal.samples.pools import drawn, drawn_of_scenes, position_keys
from geo_xmodal.samples.statistics import band_statistics
from geo_xmodal.scenes import Scene, SceneSet, join_scenes, open_scene
from geo_xmodal.types import PixelGroup, TrainingData
from tests.tiny import HSI_COLUMNS, write_other_scene, write_scene

GROUPS = ("labelled_pairs", "labelled_target", "unlabelled_pairs", "unlabelled_target", "validation")


def options(**given: Any) -> GatherOptions:
    return GatherOptions(**({"margin": 1, "unlabelled": 200, "unlabelled_target": 100} | given))


def centres(group: PixelGroup) -> np.ndarray[Any, np.dtype[np.float32]]:
    return group.target.cropped(0).take(np.arange(len(group)))[:, :, 0, 0]


def values(scene: Scene, name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    with rasterio.open(scene.path(name)) as dataset:
        return np.asarray(dataset.read())


def without_labels(folder: Path) -> Scene:
    text = (folder / "scene.toml").read_text()
    (folder / "scene.toml").write_text(text[: text.index("[labels.train]")])
    return open_scene(folder)


@pytest.fixture
def tiny(tmp_path: Path) -> Scene:
    return open_scene(write_scene(tmp_path / "tiny"))


@pytest.fixture
def other(tmp_path: Path) -> Scene:
    return open_scene(write_other_scene(tmp_path / "other"))


@pytest.fixture
def both(tiny: Scene, other: Scene) -> SceneSet:
    return join_scenes([tiny, other])


def parts(data: TrainingData, name: str) -> list[PixelGroup]:
    """A group, scene by scene."""
    group: PixelGroup = getattr(data, name)
    counts = [one["counts"][name] for one in data.notes["scenes"].values()]
    assert sum(counts) == len(group)
    return [group.take(part) for part in np.split(np.arange(len(group)), np.cumsum(counts)[:-1])]


def test_every_pixel_is_one_of_its_scene(both: SceneSet) -> None:
    data = gather(both, options())
    index = {one.name: place for place, one in enumerate(data.classes)}
    theirs = {"tiny": {1: "Wheat", 4: "Maize", 9: "Water"}, "other": {3: "Forest", 1: "Maize", 2: "Water"}}
    for name in GROUPS:
        for member, group in zip(both.members, parts(data, name), strict=True):
            assert len(group) > 0 or name.endswith("_target")
            rows, cols = group.position.T
            np.testing.assert_array_equal(centres(group), values(member.scene, "sar")[:, rows, cols].T)
            if group.auxiliary is not None and len(group):
                auxiliary = group.auxiliary.take(np.arange(len(group)))[:, :, 0, 0]
                np.testing.assert_array_equal(auxiliary, values(member.scene, "hsi")[:, rows, cols].T)
            if group.label is not None:
                with rasterio.open(member.scene.folder / "train.tif") as labels:
                    own = labels.read(1)[rows, cols]
                assert group.label.tolist() == [index[theirs[member.name][int(id_)]] for id_ in own]


def test_statistics_are_those_of_all_training_pixels(both: SceneSet) -> None:
    data = gather(both, options())
    trained = [centres(getattr(data, name)) for name in GROUPS if name != "validation"]
    assert data.target.statistics == band_statistics(np.concatenate(trained), ["band 1", "band 2"], "sar")


def test_as_many_labels_of_a_class_as_asked_for_over_all_scenes(both: SceneSet) -> None:
    data = gather(both, options(labels_per_class=30, validation=0))
    labelled = (data.labelled_pairs.label, data.labelled_target.label)
    label = np.concatenate([one for one in labelled if one is not None])
    assert np.bincount(label).tolist() == [30, 30, 30, 30]
    counts = data.notes["scenes"]["tiny"]["per_class"]["labelled_pairs"]
    assert counts["Wheat"] == 30 and 0 < counts["Maize"] < 30 and counts["Forest"] == 0


def test_unlabelled_pixels_are_drawn_from_all_scenes_alike(tiny: Scene, tmp_path: Path) -> None:
    """Both have as many pixels with both sensors; of the first scene's, some lie near test labels."""
    folder = write_other_scene(tmp_path / "other")
    with rasterio.open(folder / "test.tif", "r+") as labels:
        labels.write(np.zeros_like(labels.read()))
    data = gather(join_scenes([tiny, open_scene(folder)]), options(unlabelled=1000, validation=0))
    first, second = parts(data, "unlabelled_pairs")
    assert len(first) + len(second) == 1000
    free = {}
    for place in (tiny.folder, folder):
        with rasterio.open(place / "train.tif") as train, rasterio.open(place / "test.tif") as test:
            blocked = np.pad(test.read(1) > 0, 1)
            near = np.any([np.roll(blocked, (r, c), (0, 1)) for r in (-1, 0, 1) for c in (-1, 0, 1)], axis=0)
            free[place] = ((train.read(1) == 0) & ~near[1:-1, 1:-1])[:, :HSI_COLUMNS].sum()
    share = free[tiny.folder] / sum(free.values())
    assert len(first) / 1000 == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 1000))


def test_what_is_drawn_together_has_the_smallest_keys() -> None:
    rng = np.random.default_rng(0)
    places = [np.unique(rng.integers(0, 50, (count, 2)), axis=0) for count in (300, 40)]
    keys = np.concatenate([position_keys(one, seed) for one, seed in zip(places, (3, 5), strict=True)])
    chosen = drawn_of_scenes(places, 60, (3, 5))
    assert sum(map(len, chosen)) == 60
    together = np.concatenate([chosen[0], chosen[1] + len(places[0])])
    assert set(keys[together]) == set(np.sort(keys)[:60])
    assert set(drawn(places[0], 20, 3)) == set(np.argsort(position_keys(places[0], 3))[:20])


def same(first: TrainingData, second: TrainingData) -> bool:
    if (first.target, first.auxiliary) != (second.target, second.auxiliary):
        return False
    for name in GROUPS:
        one, two = getattr(first, name), getattr(second, name)
        if not np.array_equal(one.position, two.position) or not np.array_equal(centres(one), centres(two)):
            return False
        if one.label is not None and not np.array_equal(one.label, two.label):
            return False
    return True


def test_a_scene_that_is_held_out_gives_nothing(tiny: Scene, other: Scene) -> None:
    def gathered() -> TrainingData:
        return gather(join_scenes([tiny, open_scene(other.folder)], hold_out=["other"]), options())

    before = gathered()
    for file in ("sar.tif", "hsi.tif", "train.tif", "test.tif"):
        with rasterio.open(other.folder / file, "r+") as dataset:
            old = dataset.read()
            dataset.write(old % 3 + 1 if old.dtype == np.uint8 else 7 * old + 1)
    after = gathered()
    assert same(before, after)
    assert before.notes["scenes"]["other"] != after.notes["scenes"]["other"]  # a resumed run finds out
    (other.folder / "hsi.tif").unlink()
    assert same(before, gathered())


def test_unlabelled_pairs_may_come_from_a_scene_without_labels(tiny: Scene, other: Scene) -> None:
    alone = gather(tiny, options(unlabelled=100))
    data = gather(join_scenes([tiny, without_labels(other.folder)]), options(unlabelled=5000))
    assert len(parts(data, "unlabelled_pairs")[1]) > 0
    for name in ("labelled_pairs", "labelled_target", "validation"):
        np.testing.assert_array_equal(getattr(data, name).position, getattr(alone, name).position)
    assert data.target.statistics != alone.target.statistics


def test_a_scene_without_the_auxiliary_sensor_is_seen_by_the_target_alone(tiny: Scene, other: Scene) -> None:
    (other.folder / "hsi.tif").unlink()
    data = gather(join_scenes([open_scene(other.folder), tiny]), options())
    assert len(parts(data, "labelled_pairs")[0]) == 0
    assert len(parts(data, "labelled_target")[0]) > 0
    assert data.auxiliary is not None and data.labelled_pairs.auxiliary is not None
    assert len(data.labelled_pairs.auxiliary) == len(data.labelled_pairs)


def test_no_labels_left_to_train_on(tiny: Scene, other: Scene) -> None:
    with pytest.raises(LabelError, match="no labels for 'train'"):
        gather(join_scenes([tiny, without_labels(other.folder)], hold_out=["tiny"]), options())


def test_one_class_over_all_scenes_is_said(tiny: Scene, other: Scene) -> None:
    for scene, id_ in ((tiny, 4), (other, 1)):
        with rasterio.open(scene.folder / "train.tif", "r+") as labels:
            ids = labels.read(1)
            labels.write(np.where(ids == id_, ids, 0).astype(ids.dtype), 1)
    with pytest.raises(LabelError, match="are of class 'Maize'; at least two classes are needed"):
        gather(join_scenes([tiny, other]), options())


def test_two_scenes_may_have_one_class_each(tiny: Scene, other: Scene) -> None:
    for scene, id_ in ((tiny, 4), (other, 3)):
        with rasterio.open(scene.folder / "train.tif", "r+") as labels:
            ids = labels.read(1)
            labels.write(np.where(ids == id_, ids, 0).astype(ids.dtype), 1)
    data = gather(join_scenes([tiny, other]), options())
    assert data.labelled_pairs.label is not None
    assert set(data.labelled_pairs.label.tolist()) == {1, 3}


@pytest.mark.parametrize("shift", [0, 3])
def test_patches_of_two_scenes_on_the_same_ground_are_found(tiny: Scene, tmp_path: Path, shift: int) -> None:
    """The second scene is the first one, whose grid begins some columns further west; all of it tests."""
    folder = shutil.copytree(tiny.folder, tmp_path / "twin")
    place = folder / "scene.toml"
    place.write_text(place.read_text().replace('name = "tiny"', 'name = "twin"'))
    for file in folder.glob("*.tif"):
        with rasterio.open(file, "r+") as dataset:
            dataset.transform = dataset.transform @ Affine.translation(-shift, 0)
    together = join_scenes([tiny, open_scene(folder)], hold_out=["twin"])
    assert any("tiny and twin lie on the same ground" in line for line in together.notes)
    data = gather(together, options(margin=0, validation=0))
    trained = np.concatenate([data.labelled_pairs.position, data.labelled_target.position])
    there = {(row, col + shift) for row, col in trained.tolist()}
    tested = [tuple(one) for one in together.members[1].labels("test").position.tolist()]
    share = np.mean([one in there for one in tested])
    assert share > 0
    assert data.notes["scenes"]["twin"]["overlap_share"] == pytest.approx(share)
    own = data.notes["scenes"]["tiny"]["test_pixels"]  # far from its own training pixels
    assert data.notes["overlap_share"] == pytest.approx(share * len(tested) / (len(tested) + own))


def test_scenes_elsewhere_have_no_ground_in_common(both: SceneSet) -> None:
    data = gather(both, options())
    assert data.notes["overlap_share"] == 0 and not any("ground" in line for line in both.notes)


def test_the_same_places_of_two_scenes_are_drawn_apart(tiny: Scene, tmp_path: Path) -> None:
    twin = open_scene(write_other_scene(tmp_path / "twin", seed=0))  # the same labels on the same pixels
    data = gather(join_scenes([tiny, twin]), options(unlabelled=300, labels_per_class=20, validation=0))
    for name in ("unlabelled_pairs", "labelled_pairs"):
        first, second = ({tuple(one) for one in part.position.tolist()} for part in parts(data, name))
        assert min(len(first), len(second)) > 10 and len(first & second) < len(first) / 2
