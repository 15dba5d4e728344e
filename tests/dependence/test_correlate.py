"""`correlate`: known answers, what takes no part, and what it says to files that are none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from geo_xmodal.dependence.arrays import read_pairs
from geo_xmodal.dependence.estimates import leading_components
from geo_xmodal.dependence.pixels import Layout, pair_of, window_features
from geo_xmodal.errors import TrainingDataError, UsageError
from geo_xmodal.samples.statistics import band_statistics
from geo_xmodal.types import Window
from tests import tiny

N = 2000


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scene(tmp_path_factory.mktemp("scenes") / "tiny")


def gaussian(rho: float, n: int = N, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x, e = np.random.default_rng(seed).standard_normal((2, n, 1))
    return x, rho * x + (1 - rho**2) ** 0.5 * e


def saved(folder: Path, **arrays: np.ndarray) -> list[str]:
    """Options `--NAME FILE` of arrays written to .npy files."""
    options = []
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
        options += [f"--{name}", str(folder / f"{name}.npy")]
    return options


def result_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    status = run(["correlate", *arguments, "--json"])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    return json.loads(captured.out)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that the command ends with."""
    capsys.readouterr()
    assert run(["correlate", *arguments]) == 2
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if not line.startswith("[")]
    assert len(lines) == 1 and lines[0].startswith("error: "), captured.err
    return lines[0]


# --- two files


def test_correlated_gaussians(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = gaussian(0.8)
    found = result_of(capsys, *saved(tmp_path, x=x, y=y))
    low, high = found["interval"]
    assert low < 0.8 < high
    assert high - low < 0.08
    assert found["estimate"] == pytest.approx(0.8, abs=0.03)
    assert found["spectrum"][:3] == pytest.approx([0.8, 0.64, 0.512], abs=0.09)
    assert found["p_value"] == 1 / 200
    assert max(found["null"]) < 0.2
    assert found["held_out"] is True and found["shown"] is True
    assert "lower estimate" in found["reading"]
    assert found["views"][0]["methods"]["cca"]["estimate"] == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_independent_files_show_nothing(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(seed)
    options = saved(tmp_path, x=rng.standard_normal((N, 6)), y=rng.standard_normal((N, 4)))
    for estimate in result_of(capsys, *options)["views"][0]["methods"].values():
        assert estimate["shown"] is False
        assert abs(estimate["estimate"]) < 4 / N**0.5


def test_a_curve_is_found_that_lines_miss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).standard_normal((N, 1))
    methods = result_of(capsys, *saved(tmp_path, x=x, y=x**2))["views"][0]["methods"]
    assert abs(methods["cca"]["estimate"]) < 0.15
    assert methods["ace"]["estimate"] > 0.95


def test_blocks_widen_what_is_known_by_block_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = np.repeat(np.arange(25), N // 25)
    x, y = (z[ids] for z in gaussian(0.8, 25))
    noise = 0.1 * np.random.default_rng(1).standard_normal((2, N, 1))
    options = saved(tmp_path, x=x + noise[0], y=y + noise[1], blocks=ids)
    whole = result_of(capsys, *options)
    alone = result_of(capsys, *options[:4])
    assert whole["data"]["blocks"] == 25 and alone["data"]["blocks"] is None
    assert np.ptp(whole["interval"]) > 3 * np.ptp(alone["interval"])


def test_rows_with_missing_values_are_dropped_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = gaussian(0.8)
    x[:7], y[5:9] = np.nan, np.inf
    options = saved(tmp_path, x=x, y=y)
    assert result_of(capsys, *options)["data"]["dropped_rows"] == 9
    assert run(["correlate", *options]) == 0
    shown = capsys.readouterr().out
    assert "9 rows with NaN or infinity dropped" in shown
    assert "lower estimates" in shown and "HGR" in shown


def test_large_files_are_sampled_and_stay_paired(tmp_path: Path) -> None:
    rows = np.arange(5000.0)[:, None]
    saved(tmp_path, x=rows, y=-rows, blocks=np.arange(5000))
    files = [tmp_path / f"{name}.npy" for name in ("x", "y", "blocks")]
    pairs = read_pairs(*files, samples=300, seed=1)
    assert pairs.x.shape == (300, 1)
    np.testing.assert_array_equal(pairs.x, -pairs.y)
    np.testing.assert_array_equal(pairs.x[:, 0], pairs.blocks)
    assert not np.array_equal(pairs.x, read_pairs(*files, samples=300, seed=2).x)
    np.testing.assert_array_equal(pairs.x, read_pairs(*files, samples=300, seed=1).x)


def test_the_same_seed_gives_the_same_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = gaussian(0.5, 400)
    options = saved(tmp_path, x=x, y=y)
    assert result_of(capsys, *options) == result_of(capsys, *options)
    assert result_of(capsys, *options)["null"] != result_of(capsys, *options, "--seed", "1")["null"]


def _text(path: Path) -> None:
    path.write_text("1 2 3")


def _pickled(path: Path) -> None:
    np.save(path, np.array([[{}], [1]], dtype=object), allow_pickle=True)


def _truncated(path: Path) -> None:
    np.save(path, np.ones((500, 3)))
    path.write_bytes(path.read_bytes()[:900])


def _array(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.save(path, values)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "not a file"),
        (_text, "not a .npy file"),
        (lambda path: path.touch(), "not a .npy file"),
        (lambda path: np.savez(path.open("wb"), a=np.ones((N, 1))), "not a .npy file"),
        (_pickled, "Python objects"),
        (_truncated, "cannot be read"),
        (_array(np.ones(N)), "matrix of floats"),
        (_array(np.ones((N, 1), dtype=int)), "int64"),
        (_array(np.ones((N, 1), dtype=complex)), "complex128"),
        (_array(np.array([["a"]] * N)), "<U1"),
        (_array(np.ones((N, 1, 1))), r"(2000, 1, 1)"),
        (_array(np.ones((N, 0))), r"(2000, 0)"),
        (_array(np.ones((N - 1, 1))), "2000 and 1999 rows"),
        (_array(np.full((N, 1), np.nan)), "no row"),
        (_array(np.ones((N, 3000))), "3000 columns"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_that_are_none_are_one_line(
    write: Callable[[Path], None], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = saved(tmp_path, x=gaussian(0)[0])
    write(tmp_path / "y.npy")
    line = refusal(capsys, *options, "--y", str(tmp_path / "y.npy"))
    assert said in line
    assert "y.npy" in line


def test_what_numpy_says_in_several_lines_is_one(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)}".ljust(20_000)
    (tmp_path / "x.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(8)
    )
    with pytest.raises(UsageError, match=r"x\.npy: cannot be read .*20000") as caught:
        read_pairs(tmp_path / "x.npy", tmp_path / "x.npy", None, samples=1, seed=0)
    assert "\n" not in str(caught.value)


def test_blocks_must_fit_the_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = gaussian(0)
    for blocks, said in (
        (np.arange(N - 1), "2000 integers"),
        (np.zeros(N), "float64"),
        (np.zeros(N, int), "at least 5 groups"),
    ):
        assert said in refusal(capsys, *saved(tmp_path, x=x, y=y, blocks=blocks))


def test_too_few_rows_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "at least 20 samples" in refusal(capsys, *saved(tmp_path, x=np.ones((5, 1)), y=np.ones((5, 1))))


@given(st.binary(max_size=200), st.integers(0, 200))
@settings(max_examples=200)
def test_no_bytes_make_it_fall_over(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int) -> None:
    folder = tmp_path_factory.getbasetemp()
    np.save(folder / "good.npy", np.ones((30, 2)))
    whole = (folder / "good.npy").read_bytes()
    (folder / "bad.npy").write_bytes(whole[: at + 6] + noise + whole[at + 6 + len(noise) :])
    try:
        pairs = read_pairs(folder / "good.npy", folder / "bad.npy", None, 100, 0)
    except UsageError as error:
        assert "bad.npy" in str(error)
    else:
        assert len(pairs.x) == len(pairs.y) <= 30


# --- two sensors


@pytest.fixture(scope="module")
def study(scene: Path) -> gx.Study:
    return gx.correlate_scene(gx.open_scene(scene), ("hsi", "sar"), target_classes=True, block=18)


def test_sensors_that_see_the_same_crops_are_correlated(study: gx.Study) -> None:
    assert study.headline.p_value < 0.05
    assert study.headline.estimate > study.headline.spectrum_null[0] + 0.1
    assert study.first == "hsi" and study.second == "sar"
    assert study.views[0].name == "pixel"
    assert study.views[-1].columns[1] == sum(view.columns[1] for view in study.views[:-1])


def test_the_target_is_the_sensor_seen_in_windows_whatever_the_order(scene: Path) -> None:
    opened = gx.open_scene(scene)
    turned = gx.correlate_scene(opened, ("sar", "hsi"), samples=300)
    assert turned.as_dict() == gx.correlate_scene(opened, ("hsi", "sar"), samples=300).as_dict()


def test_every_crop_is_known_to_both_sensors(study: gx.Study) -> None:
    assert study.classes is not None
    measured = [one for one in study.classes if one.estimates]
    assert measured
    for one in measured:
        assert one.estimates["hsi"].estimate > 0.6
    unmeasured = [one for one in study.as_dict()["classes"] if one["sensors"] is None]
    assert len(measured) + len(unmeasured) == 3


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_no_window_holds_a_test_pixel_or_reaches_into_another_block(reach: int) -> None:
    test = np.array([[20, 20], [37, 3]])
    layout = Layout(16, reach, test)
    every = np.argwhere(np.ones((48, 48)))
    kept = every[layout.keeps(every)]
    groups = layout.blocks(kept)
    assert len(kept)
    assert np.abs(kept[:, None] - test).max(axis=2).min() > reach
    apart = np.abs(kept[:, None] - kept).max(axis=2)
    assert apart[groups[:, None] != groups].min() > 2 * reach


def test_test_pixels_take_no_part(tmp_path: Path) -> None:
    """Spoil every value of both sensors at test pixels amid the others: nothing changes."""
    clean = tiny.write_scene(tmp_path / "clean")
    test = np.zeros((tiny.SIDE, tiny.SIDE), np.uint8)
    test[40:44, ::3] = tiny.truth()[40:44, ::3]
    with rasterio.open(clean / "train.tif", "r+") as dataset:
        train = dataset.read(1)
        train[:, : tiny.HSI_COLUMNS] = tiny.truth()[:, : tiny.HSI_COLUMNS]
        dataset.write(np.where(test > 0, 0, train).astype(np.uint8), 1)
    with rasterio.open(clean / "test.tif", "r+") as dataset:
        dataset.write(test, 1)
    spoiled = Path(shutil.copytree(clean, tmp_path / "spoiled"))
    for name in ("sar.tif", "hsi.tif"):
        with rasterio.open(spoiled / name, "r+") as dataset:
            pixels = dataset.read()
            pixels[:, test[:, : dataset.width] > 0] = 1e6
            dataset.write(pixels)
    before, after = (
        gx.correlate_scene(gx.open_scene(folder), ("hsi", "sar"), target_classes=True, samples=900).as_dict()
        for folder in (clean, spoiled)
    )
    assert before == after
    assert any(one["sensors"] for one in before["classes"])


def test_samples_are_at_most_what_is_asked_for(scene: Path) -> None:
    pair = pair_of(gx.open_scene(scene), "hsi", "sar", samples=150, block=None, seed=0, progress=None)
    assert len(pair.positions) == 150
    other = pair_of(gx.open_scene(scene), "hsi", "sar", samples=150, block=None, seed=1, progress=None)
    assert not np.array_equal(pair.positions, other.positions)


def test_window_features_are_means_and_deviations_of_what_is_there(scene: Path) -> None:
    reader = gx.open_scene(scene).reader("hsi")
    positions = np.array([[0, 0], [40, 30], [95, 63]])
    everywhere = np.float64(reader.read(Window(0, 0, tiny.SIDE, tiny.SIDE)))
    pixels = everywhere[:, :, : tiny.HSI_COLUMNS].reshape(len(everywhere), -1).T
    statistics = band_statistics(pixels, reader.band_names, "hsi")
    low, high, mean, std = (
        np.array(getattr(statistics, name))[:, None, None] for name in ("low", "high", "mean", "std")
    )
    values = (np.clip(everywhere, low, high) - mean) / std
    found = window_features(reader, statistics, positions, (1, 5))
    for i, (row, col) in enumerate(positions):
        part = values[:, max(row - 2, 0) : row + 3, max(col - 2, 0) : col + 3]
        expected = np.r_[np.nanmean(part, axis=(1, 2)), np.nanstd(part, axis=(1, 2))]
        np.testing.assert_allclose(found[1][i], values[:, row, col], atol=1e-4)
        np.testing.assert_allclose(found[5][i], expected, atol=1e-4)


def test_a_scene_without_room_for_blocks_is_one_line(scene: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, "--scene", str(scene), "--between", "hsi", "sar", "--block-size", "90")
    assert "both hsi and sar" in line and "blocks of 90 pixels" in line
    with pytest.raises(TrainingDataError):
        gx.correlate_scene(gx.open_scene(scene), ("hsi", "sar"), block=90)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "either --scene with --between, or --x and --y"),
        (["--x", "a.npy"], "--x and --y go together"),
        (["--scene", "SCENE"], "--between SENSOR SENSOR"),
        (["--scene", "SCENE", "--x", "a.npy", "--y", "b.npy"], "either --scene"),
        (["--scene", "SCENE", "--between", "hsi", "hsi"], "two different modalities"),
        (["--scene", "SCENE", "--between", "hsi", "lidar"], "no modality 'lidar'"),
        (["--scene", "SCENE", "--between", "hsi", "sar", "--blocks", "b.npy"], "--block-size"),
        (["--scene", "SCENE", "--between", "hsi"], "--between"),
        (["--x", "a.npy", "--y", "b.npy", "--target-classes"], "without --between, --target-classes"),
        (["--scene", "nowhere", "--between", "hsi", "sar"], "no scene 'nowhere'"),
        (["--scene", "SCENE", "--between", "hsi", "sar", "--method", "magic"], "magic"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line(
    arguments: list[str], said: str, scene: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [str(scene) if one == "SCENE" else one for one in arguments]
    assert said in refusal(capsys, *filled)


def test_out_holds_the_numbers_and_a_picture(
    study: gx.Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gx.save_study(study, tmp_path / "scene")
    options = saved(tmp_path, x=gaussian(0.8, 200)[0], y=gaussian(0.8, 200)[1])
    found = result_of(capsys, *options, "--out", str(tmp_path / "deep" / "files"))
    assert json.loads((tmp_path / "deep" / "files" / "correlation.json").read_text()) == found
    for folder in (tmp_path / "scene", tmp_path / "deep" / "files"):
        assert {one.name for one in folder.iterdir()} == {"correlation.json", "correlation.png"}
        assert imread(folder / "correlation.png").std() > 0.05
    assert {"estimate", "interval", "null", "spectrum"} <= found.keys()
    assert "x.npy is a file" in refusal(capsys, *options, "--out", str(tmp_path / "x.npy"))


# --- columns


def test_wide_data_become_the_components_that_hold_their_variance() -> None:
    rng = np.random.default_rng(0)
    wide = rng.standard_normal((500, 3)) @ rng.standard_normal((3, 40))
    wide[:, 7] = 5.0
    few = leading_components(wide)
    assert few.shape == (500, 5)
    scaled = np.delete((wide - wide.mean(axis=0)), 7, axis=1)
    scaled /= scaled.std(axis=0)
    assert few.var(axis=0)[:3].sum() == pytest.approx(39, rel=1e-6)
    np.testing.assert_array_equal(leading_components(wide[:, :4]), wide[:, :4])
