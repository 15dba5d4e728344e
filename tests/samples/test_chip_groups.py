"""Training data of chips: what is drawn, and that its values are those of the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from geo_xmodal.chips import ChipSource, chips_for, numbers_of, open_chips
from geo_xmodal.errors import ChipError, LabelError, TrainingDataError, UsageError
from geo_xmodal.samples import GatherOptions, gather, storage_for
from geo_xmodal.types import PixelGroup
from tests.chips import sets

SIDE = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sets.fields(tmp_path / "set", train=8, test=2, side=SIDE)


def chip_ids(source: ChipSource, group: PixelGroup) -> set[str]:
    return {source.chips.chips[number].id for number in numbers_of(group.position).tolist()}


def padded(path: Path, margin: int) -> np.ndarray:
    """What lies in a file, with NaN around it."""
    with rasterio.open(path) as dataset:
        values = dataset.read().astype(np.float32)
    return np.pad(values, ((0, 0), (margin, margin), (margin, margin)), constant_values=np.nan)


def test_values_are_those_of_the_files_and_end_at_the_edge_of_a_chip(folder: Path) -> None:
    source = chips_for(open_chips(folder))
    data = gather(source, GatherOptions(margin=2, auxiliary_margin=1, labels_per_class=40, unlabelled=50))
    assert (data.target.name, data.auxiliary and data.auxiliary.name) == ("sar", "msi")
    edges = 0
    for group in (data.labelled_pairs, data.unlabelled_pairs, data.validation):
        patches = group.target.take(np.arange(len(group)))
        auxiliaries = None if group.auxiliary is None else group.auxiliary.take(np.arange(len(group)))
        for place, number in enumerate(numbers_of(group.position).tolist()):
            id_ = source.chips.chips[number].id
            row, col = group.position[place] % 8192
            expected = padded(folder / f"sar/{id_}.tif", 2)[:, row : row + 5, col : col + 5]
            np.testing.assert_array_equal(patches[place], expected)
            edges += int(np.isnan(expected).any())
            if auxiliaries is not None:
                auxiliary = padded(folder / f"msi/{id_}.png", 1)[:, row : row + 3, col : col + 3]
                np.testing.assert_array_equal(auxiliaries[place], auxiliary)
            if group.label is not None:
                with rasterio.open(folder / f"labels/{id_}.png") as labels:
                    value = labels.read(1)[row, col]
                assert data.classes[group.label[place]].id == {1: 1, 2: 2, 3: 2}[value]
    assert edges > 0


def test_labels_are_drawn_class_by_class_and_validation_from_whole_chips(folder: Path) -> None:
    source = chips_for(open_chips(folder))
    data = gather(source, GatherOptions(margin=0, labels_per_class=50, validation=0.2, unlabelled=100))
    assert data.notes["per_class"]["labelled_pairs"] == {"Wheat": 40, "Maize": 40}
    assert data.notes["per_class"]["validation"] == {"Wheat": 10, "Maize": 10}
    assert (len(data.unlabelled_pairs), len(data.unlabelled_target)) == (100, 0)
    held = chip_ids(source, data.validation)
    learned = chip_ids(source, data.labelled_pairs) | chip_ids(source, data.unlabelled_pairs)
    assert len(held) == 2  # a fifth of eight
    assert not held & learned
    assert not (held | learned) & {"b0", "b1"}
    labelled = {tuple(one) for one in data.labelled_pairs.position.tolist()}
    assert not labelled & {tuple(one) for one in data.unlabelled_pairs.position.tolist()}


def test_chips_that_lie_together_are_held_out_together(tmp_path: Path) -> None:
    sets.geonrw(tmp_path, cities={"aachen": 2, "bonn": 2, "essen": 2, "neuss": 1})
    source = chips_for(open_chips(tmp_path))
    for seed in range(3):
        options = GatherOptions(margin=0, labels_per_class=50, validation=0.3, seed=seed)
        held = {id_.split("/")[0] for id_ in chip_ids(source, gather(source, options).validation)}
        learned = {id_.split("/")[0] for id_ in chip_ids(source, gather(source, options).labelled_pairs)}
        assert len(held) == 1
        assert len(learned) == 2
        assert not held & learned


def test_the_chips_of_a_validation_split_validate(folder: Path) -> None:
    text = (folder / "chips.toml").read_text()
    (folder / "chips.toml").write_text(
        text.replace('ids = ["a*"]', 'rest = true\n[splits.validation]\nids = ["a0", "a3"]')
    )
    source = chips_for(open_chips(folder))
    data = gather(source, GatherOptions(margin=0, labels_per_class=50))
    assert chip_ids(source, data.validation) == {"a0", "a3"}


def test_the_same_seed_draws_the_same_and_another_draws_others(folder: Path) -> None:
    source = chips_for(open_chips(folder))

    def drawn(seed: int) -> np.ndarray:
        options = GatherOptions(margin=0, labels_per_class=20, unlabelled=0, seed=seed)
        return gather(source, options).labelled_pairs.position

    np.testing.assert_array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))


def test_few_labels_leave_none_for_validation(folder: Path) -> None:
    source = chips_for(open_chips(folder))
    data = gather(source, GatherOptions(margin=0, labels_per_class=10))
    assert len(data.validation) == 0
    assert data.notes["per_class"]["labelled_pairs"] == {"Wheat": 10, "Maize": 10}
    assert "no chip is held out for validation" in data.notes["drawn"]


def test_chips_without_a_sensor_or_labels_go_where_they_serve(folder: Path) -> None:
    for number in range(4):
        (folder / f"msi/a{number}.png").unlink()
    for number in (0, 7):
        (folder / f"labels/a{number}.png").unlink()
    source = chips_for(open_chips(folder))
    options = GatherOptions(
        margin=0, labels_per_class=100, validation=0, unlabelled=10_000, unlabelled_target=10_000
    )
    data = gather(source, options)
    assert chip_ids(source, data.labelled_pairs) == {"a4", "a5", "a6"}
    assert chip_ids(source, data.labelled_target) == {"a1", "a2", "a3"}
    assert chip_ids(source, data.unlabelled_pairs) == {"a4", "a5", "a6", "a7"}
    assert chip_ids(source, data.unlabelled_target) == {"a0", "a1", "a2", "a3"}
    total = sum(data.notes["counts"].values())
    assert total == 8 * SIDE * SIDE  # every pixel is in one group


def test_pixels_without_data_are_left_out_and_counted(folder: Path) -> None:
    with rasterio.open(folder / "sar/a0.tif", "r+") as dataset:
        values = dataset.read()
        values[:, :5] = np.nan
        dataset.write(values)
    source = chips_for(open_chips(folder))
    data = gather(source, GatherOptions(margin=0, labels_per_class=5_000, validation=0))
    assert data.notes["labelled_without_target_data"] == 5 * SIDE
    assert data.notes["counts"]["labelled_pairs"] == 8 * SIDE * SIDE - 5 * SIDE


def test_so_many_chips_are_read_and_no_more(folder: Path) -> None:
    source = chips_for(open_chips(folder))
    data = gather(source, GatherOptions(margin=0, labels_per_class=50, validation=0, chips=3))
    assert len(chip_ids(source, data.labelled_pairs)) == 3
    assert (
        "3 of 8 training chips are read, drawn at random (the setting chips=N reads N)" in data.notes["drawn"]
    )


def test_values_that_do_not_fit_into_memory_lie_in_a_store(folder: Path, tmp_path: Path) -> None:
    source = chips_for(open_chips(folder))
    options = GatherOptions(margin=2, auxiliary_margin=1, labels_per_class=40, unlabelled=50)
    held = gather(source, options)
    with storage_for(tmp_path / "run", None, lambda line: None) as storage:
        stored = gather(source, options.model_copy(update={"memory": 0.0}), None, storage)
        assert stored.notes["values"] == "store"
        for name in ("labelled_pairs", "unlabelled_pairs", "validation"):
            one, other = (getattr(data, name).target for data in (held, stored))
            index = np.arange(len(one))
            np.testing.assert_array_equal(one.take(index), other.take(index))
        assert stored.target == held.target


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ({"transductive": True}, "transductive=True is for scenes"),
        ({"validation_block": 8}, "validation_block=8 is for scenes"),
        ({"memory": 1e-6}, "patches of .* more than memory"),
    ],
)
def test_options_that_chips_do_not_have(folder: Path, setting: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        gather(chips_for(open_chips(folder)), GatherOptions.model_validate(setting))


def test_labels_of_one_class(folder: Path) -> None:
    for path in (folder / "labels").glob("a*.png"):
        sets.write(path, np.ones((SIDE, SIDE), np.uint8), "PNG")
    with pytest.raises(LabelError, match="all labelled training pixels with data are of class 'Wheat'"):
        gather(chips_for(open_chips(folder)), GatherOptions())


def test_a_target_without_data(folder: Path) -> None:
    for path in (folder / "sar").glob("a*.tif"):
        sets.write(path, np.full((2, SIDE, SIDE), np.nan, np.float32))
    with pytest.raises(TrainingDataError, match="sar has no value in every band at any of"):
        gather(chips_for(open_chips(folder)), GatherOptions())


def test_sets_that_cannot_be_learned_from(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ChipError, match="has no modality 'hsi'; it has sar, msi"):
        chips_for(open_chips(folder), target="hsi")
    with pytest.raises(UsageError, match="both the target and the auxiliary"):
        chips_for(open_chips(folder), auxiliary="sar")
    with pytest.raises(ChipError, match="2 chips train and none has labels"):
        chips_for(open_chips(sets.bigearthnet_v1(tmp_path / "pairs")))
    (folder / "test.txt").write_text("b7\n")
    with pytest.raises(ChipError, match="no chip with labels tests"):
        chips_for(open_chips(folder))
