from __future__ import annotations

import filecmp
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.ndimage import distance_transform_cdt

from geo_xmodal.errors import OutputError, UsageError
from geo_xmodal.scenes.config import read_config
from geo_xmodal.simulate import PRESETS, simulate_scene

SAMPLES = Path(__file__).resolve().parents[2] / "sample_scenes"
MIN_GAP = 8


def _read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_scene(tmp_path_factory.mktemp("scenes") / "small", "berlin", rows=150, cols=170, seed=5)


def test_the_folder_is_a_scene(small: Path) -> None:
    config = read_config(small)
    assert config.simulated and config.target == "sar" and config.name == "berlin"
    assert "not the Berlin" in config.description and "--rows 150 --cols 170 --seed 5" in config.description
    assert [entry.name for entry in config.legend] == [
        *("Forest", "Residential Area", "Industrial Area", "Low Plants"),
        *("Soil", "Allotment", "Commercial Area", "Water"),
    ]
    with rasterio.open(small / "sar.tif") as sar, rasterio.open(small / "hsi.tif") as hsi:
        assert (sar.shape, sar.count, sar.dtypes[0], sar.crs.to_epsg()) == ((150, 170), 4, "float32", 32633)
        assert sar.descriptions == ("C11", "C22", "Re C12", "Im C12")
        assert sar.res == pytest.approx((13.89, 13.89))
        assert (hsi.count, hsi.res, hsi.dtypes[0], hsi.nodata) == (244, (30.0, 30.0), "int16", -32768)
        assert hsi.tags(1)["wavelength"] == "400" and hsi.tags(244)["wavelength"] == "2500"
        # the hyperspectral strip: all rows but the last incomplete pixel, some of the columns
        assert hsi.bounds.right < sar.bounds.left + 0.4 * (sar.bounds.right - sar.bounds.left)
        assert hsi.bounds.left >= sar.bounds.left and hsi.bounds.bottom >= sar.bounds.bottom
        assert hsi.height == int(150 * 13.89 / 30)


def test_truth_explains_the_labels(small: Path) -> None:
    train, test, truth = (_read(small / f"{name}.tif")[0] for name in ("train", "test", "truth"))
    assert np.array_equal(train[train > 0], truth[train > 0])
    assert np.array_equal(test[test > 0], truth[test > 0])
    assert (test > 0).sum() > 10 * (train > 0).sum()
    assert len(np.unique(train)) >= 7


@pytest.mark.parametrize("folder", ["small", "berlin", "houston"])
def test_test_pixels_are_apart_from_training_and_from_the_strip(folder: str, small: Path) -> None:
    scene = small if folder == "small" else SAMPLES / folder
    train, test = (_read(scene / f"{name}.tif")[0] for name in ("train", "test"))
    distance = distance_transform_cdt(train == 0, metric="chessboard")
    assert distance[test > 0].min() >= MIN_GAP
    with rasterio.open(scene / "train.tif") as grid, rasterio.open(scene / "hsi.tif") as strip:
        first = np.flatnonzero((test > 0).any(axis=0))[0]
        touched = int(np.ceil((strip.bounds.right - grid.bounds.left) / grid.res[0])) - 1
        assert first - touched >= MIN_GAP
        left, bottom, right, top = strip.bounds
        for row, col in np.argwhere(train > 0):
            west, north = grid.transform @ (col, row)
            assert left <= west and west + grid.res[0] <= right
            assert bottom <= north - grid.res[1] and north <= top


@pytest.mark.parametrize("name", ["berlin", "houston"])
def test_samples_have_the_balance_of_the_published_table(name: str) -> None:
    preset = PRESETS[name]
    train, test = (_read(SAMPLES / name / f"{split}.tif")[0] for split in ("train", "test"))
    classes = len(preset.classes)
    share = train.size / preset.table_pixels
    wanted = np.maximum(np.round(np.array(preset.train) * share), preset.least)
    counts = np.bincount(train.ravel(), minlength=classes + 1)[1:]
    assert np.all(counts <= wanted) and np.all(counts >= 0.75 * wanted)
    table = np.array(preset.test) / sum(preset.test)
    found = np.bincount(test.ravel(), minlength=classes + 1)[1:] / (test > 0).sum()
    assert np.abs(found - table).max() < 0.012
    assert np.all(found > 0.5 * table)


def test_the_berlin_sample_is_labelled_as_densely_as_the_benchmark() -> None:
    test = _read(SAMPLES / "berlin" / "test.tif")[0]
    first = np.flatnonzero((test > 0).any(axis=0))[0]
    assert (test[:, first:] > 0).mean() == pytest.approx(0.57, abs=0.02)


def test_samples_are_small_enough_to_ship() -> None:
    sizes = {
        name: sum(file.stat().st_size for file in (SAMPLES / name).iterdir())
        for name in ("berlin", "houston")
    }
    assert sizes["berlin"] < 5e6 and sizes["houston"] < 3e6


def test_the_same_command_gives_the_same_bytes_and_another_seed_does_not(small: Path, tmp_path: Path) -> None:
    again = simulate_scene(tmp_path / "again", "berlin", rows=150, cols=170, seed=5)
    names = sorted(path.name for path in small.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert filecmp.cmpfiles(small, again, names, shallow=False) == (names, [], [])
    other = simulate_scene(tmp_path / "other", "berlin", rows=64, cols=64, seed=6)
    first = simulate_scene(tmp_path / "first", "berlin", rows=64, cols=64, seed=7)
    for name in ("sar.tif", "hsi.tif", "truth.tif", "train.tif"):
        assert not np.array_equal(_read(other / name), _read(first / name)), name


def test_progress_ends_at_its_total(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    simulate_scene(
        tmp_path / "scene",
        "houston",
        rows=64,
        cols=130,
        progress=lambda done, total, _: told.append((done, total)),
    )
    assert [done for done, _ in told] == list(range(1, len(told) + 1))
    assert {total for _, total in told} == {len(told)}


def test_interrupted_work_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int, message: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_scene(tmp_path / "scene", "houston", rows=64, cols=64, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"like": "paris"}, "like=paris: unknown kind of scene; known: berlin, houston"),
        ({"like": "berlin", "rows": 63}, "rows=63"),
        ({"like": "berlin", "cols": 10**6}, "cols=1000000"),
        ({"like": "berlin", "seed": -1}, "seed=-1"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        simulate_scene(tmp_path / "scene", **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "scene").mkdir()
    kept = tmp_path / "scene" / "thesis.txt"
    kept.write_text("dear")
    with pytest.raises(OutputError, match="is in the way"):
        simulate_scene(tmp_path / "scene", "houston", rows=64, cols=64)
    with pytest.raises(OutputError, match="is in the way"):
        simulate_scene(kept, "houston", rows=64, cols=64)
    assert kept.read_text() == "dear" and [path.name for path in tmp_path.iterdir()] == ["scene"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    simulate_scene(tmp_path, "houston", rows=64, cols=64)
    assert read_config(tmp_path).target == "lidar"


_MEASURE = """
import sys
from pathlib import Path
from geo_xmodal.simulate import simulate_scene
from tests.memory import peak_kib
simulate_scene(Path(sys.argv[1]), "berlin", rows=int(sys.argv[2]), cols=int(sys.argv[3]))
print(peak_kib() // 1024)
"""


def test_memory_does_not_grow_with_the_scene(tmp_path: Path) -> None:
    peaks = []
    for cols in (128, 640):
        command = [sys.executable, "-c", _MEASURE, str(tmp_path / str(cols)), "64", str(cols)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=120, cwd=SAMPLES.parent
        )
        peaks.append(int(done.stdout))
    # MiB; five times the pixels would be 150 MiB more of fine samples alone
    assert peaks[1] < 400
    assert peaks[1] - peaks[0] < 60
