"""Windows of chips as samples: any at any time, the same whoever asks."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import rasterio

from geo_xmodal.chips import ChipSource, chips_for, open_chips
from geo_xmodal.samples import UNLABELLED, ChipSamples
from tests.chips import sets

SIDE, SIZE = 24, 10


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ChipSource:
    folder = sets.fields(tmp_path_factory.mktemp("set"), train=6, test=2, side=SIDE)
    (folder / "msi/a1.png").unlink()
    (folder / "labels/a2.png").unlink()
    return chips_for(open_chips(folder))


def test_a_window_is_cut_from_all_files_of_its_chip(source: ChipSource) -> None:
    samples = ChipSamples(source, size=SIZE, per_chip=2)
    assert len(samples) == 12
    found = samples.take(np.arange(12), seed=3)
    folder = source.chips.folder
    assert found.auxiliary is not None
    for sample in range(12):
        name = f"a{sample // 2}"
        with rasterio.open(folder / f"sar/{name}.tif") as dataset:
            values = dataset.read()
        places = [
            (row, col)
            for row in range(SIDE - SIZE + 1)
            for col in range(SIDE - SIZE + 1)
            if np.array_equal(values[:, row : row + SIZE, col : col + SIZE], found.target[sample])
        ]
        assert len(places) == 1
        (row, col), across = places[0], slice(None)
        part = (slice(row, row + SIZE), slice(col, col + SIZE))
        if name == "a1":
            assert np.isnan(found.auxiliary[sample]).all()
        else:
            with rasterio.open(folder / f"msi/{name}.png") as dataset:
                np.testing.assert_array_equal(dataset.read()[(across, *part)], found.auxiliary[sample])
        if name == "a2":
            assert (found.label[sample] == UNLABELLED).all()
        else:
            with rasterio.open(folder / f"labels/{name}.png") as dataset:
                np.testing.assert_array_equal(np.minimum(dataset.read(1)[part], 2) - 1, found.label[sample])


def test_a_sample_does_not_depend_on_what_is_taken_with_it(source: ChipSource) -> None:
    samples = ChipSamples(source, size=SIZE, per_chip=2)
    together = samples.take(np.array([7, 3, 9]), seed=1, epoch=4)
    alone = samples.take(np.array([3]), seed=1, epoch=4)
    np.testing.assert_array_equal(together.target[1], alone.target[0])
    other = samples.take(np.array([3]), seed=1, epoch=5)
    assert not np.array_equal(other.target, alone.target)


def test_an_epoch_draws_every_sample_once(source: ChipSource) -> None:
    samples = ChipSamples(source, size=SIZE, per_chip=3)
    drawn = [samples.drawn(0, 2, step, 4) for step in range(5)]
    assert sorted(np.concatenate(drawn).tolist()) == list(range(18))
    np.testing.assert_array_equal(samples.drawn(0, 2, 3, 4), drawn[3])
    assert not np.array_equal(samples.drawn(0, 3, 0, 4), drawn[0])


def test_a_chip_smaller_than_its_window(source: ChipSource) -> None:
    found = ChipSamples(source, split="test", size=SIDE + 4).take(np.array([1]))
    assert np.isfinite(found.target[0, :, :SIDE, :SIDE]).all()
    assert np.isnan(found.target[0, :, SIDE:]).all()
    assert np.isnan(found.target[0, :, :, SIDE:]).all()
    assert (found.label[0, :SIDE, :SIDE] >= 0).all()
    assert (found.label[0, SIDE:] == UNLABELLED).all()


def test_only_chips_with_labels(source: ChipSource) -> None:
    samples = ChipSamples(source, size=SIZE, labelled=True)
    assert len(samples) == 5
    assert (samples.take(np.arange(5)).label >= 0).all()
    with pytest.raises(IndexError, match="sample 5 of 5"):
        samples.take(np.array([5]))


def test_memory_does_not_grow_with_what_was_read(source: ChipSource) -> None:
    samples = ChipSamples(source, size=300, per_chip=50)  # large, beside what libraries keep

    def peak(batches: int) -> int:
        tracemalloc.start()
        for step in range(batches):
            samples.take(samples.drawn(0, 0, step, 4))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)  # what is imported and cached at first
    assert peak(10) < 1.2 * peak(3)
