"""Methods side by side on several scenes: all together, and each left out in turn."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from scipy import stats

from geo_xmodal.accuracy import MEASURES
from geo_xmodal.commands.app import run
from tests.tiny import write_other_scene, write_scene

NAMES = ("tiny", "other", "third")
SEEDS = (0, 1)
TESTED, TRAINED = 0.03, 0.2
SETTINGS = ("--set", "unlabelled=200", "--set", "labels_per_class=30", "--methods", "svm,cca", "--seeds", "2")


@dataclass(frozen=True)
class World:
    scenes: Path
    out: Path
    comparison: dict[str, Any]

    def metrics(self, cell: str, left_out: str, seed: int) -> dict[str, Any]:
        """What a run told of the scene that it was trained without."""
        found = json.loads((self.out / cell / left_out / f"seed-{seed}" / "metrics.json").read_text())
        scores = found["scenes"][left_out]
        assert isinstance(scores, dict)
        return scores


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_scene(folder / "a", tested=TESTED)
    write_other_scene(folder / "b", tested=TESTED)
    write_other_scene(folder / "c", 2, "third", north=4_000_000.0, tested=TESTED)
    for path in folder.glob("*/train.tif"):  # all labels of a scene that is left out are laid out by t-SNE
        with rasterio.open(path, "r+") as labels:
            ids = labels.read(1)
            ids[np.random.default_rng(0).random(ids.shape) > TRAINED] = 0
            labels.write(ids, 1)
    return folder


@pytest.fixture(scope="module")
def world(scenes: Path) -> World:
    out = scenes.parent / f"{scenes.name}-left-out"
    words = ["compare", "--scene", str(scenes), "--leave-one-scene-out", "--out", str(out), *SETTINGS]
    assert run(words) == 0
    return World(scenes, out, json.loads((out / "comparison.json").read_text()))


def test_every_scene_is_left_out_once_and_its_figures_are_of_it(world: World) -> None:
    assert world.comparison["left_out"] == list(NAMES)
    for one in (*world.comparison["methods"].values(), *world.comparison["controls"].values()):
        assert list(one["scenes"]) == list(NAMES)
        cell = one.get("cell") or next(
            folder for folder, same in world.comparison["controls"].items() if same is one
        )
        for name in NAMES:
            runs = [world.metrics(cell, name, seed) for seed in SEEDS]
            assert all(run["held_out"] for run in runs)
            config = json.loads((world.out / cell / name / "seed-0" / "config.json").read_text())
            assert {each["name"]: each["held_out"] for each in config["scenes"]} == {
                each: each == name for each in NAMES
            }
            assert one["scenes"][name]["mean"]["oa"] == pytest.approx(np.mean([run["oa"] for run in runs]))
            np.testing.assert_allclose(
                one["scenes"][name]["confusion"], np.mean([run["confusion"] for run in runs], axis=0)
            )
    pixels = [world.metrics(world.comparison["methods"]["svm"]["cell"], name, 0)["n"] for name in NAMES]
    assert world.comparison["test_pixels"] == sum(pixels)


def test_means_spreads_gains_and_tests_are_over_scenes(world: World) -> None:
    def by_scene(cell: str, measure: str) -> np.ndarray[Any, Any]:
        """(scene, seed)."""
        return np.array([[world.metrics(cell, name, seed)[measure] for seed in SEEDS] for name in NAMES])

    svm, cca = (world.comparison["methods"][name] for name in ("svm", "cca"))
    for measure in MEASURES:
        values = by_scene(cca["cell"], measure)
        assert cca["mean"][measure] == pytest.approx(values.mean())
        assert cca["sd"][measure] == pytest.approx(values.mean(axis=1).std(ddof=1))
        assert cca["sd_seeds"][measure] == pytest.approx(values.mean(axis=0).std(ddof=1))
        assert [one[measure] for one in cca["seeds"]] == pytest.approx(values.mean(axis=0).tolist())
        ((control, cell),) = cca["controls"].items()
        gains = (values - by_scene(cell, measure)).mean(axis=1)
        assert cca["gain"][control][measure]["mean"] == pytest.approx(gains.mean())
        assert cca["gain"][control][measure]["se"] == pytest.approx(stats.sem(gains))
    assert world.comparison["reference"] == "cca" and svm["tests"] is None
    ours, theirs = (
        by_scene(cell, "oa").mean(axis=1) for cell in (cca["cell"], cca["controls"]["target_only"])
    )
    expected = stats.ttest_rel(ours, theirs).pvalue
    assert cca["tests"]["oa"]["p_t"] == pytest.approx(expected, nan_ok=True)


def test_tables_and_page_tell_each_scene(world: World) -> None:
    assert {"scenes.txt", "scenes.csv", "scenes.tex"} <= set(world.comparison["files"])
    rows = list(csv.DictReader(io.StringIO((world.out / "scenes.csv").read_text())))
    assert len(rows) == 3 * (len(world.comparison["methods"]) + len(world.comparison["controls"]))
    for row in rows:
        if not row["control_of"]:
            one = world.comparison["methods"][row["method"]]["scenes"][row["scene"]]
            assert float(row["oa_mean"]) == pytest.approx(one["mean"]["oa"]) and int(row["n"]) == one["n"]
    page = (world.out / "report.html").read_text()
    assert "each left out in turn" in page and "over scenes left out" in page and "scene by scene" in page
    assert "over these 3 scenes, each the mean of 2 seeds" in page


def test_given_again_the_comparison_does_nothing_twice(world: World) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.out.rglob("metrics.json")}
    words = [
        "compare",
        "--scene",
        str(world.scenes),
        "--leave-one-scene-out",
        "--out",
        str(world.out),
        *SETTINGS,
    ]
    assert run(words) == 0
    assert {path: path.stat().st_mtime_ns for path in world.out.rglob("metrics.json")} == before
    assert json.loads((world.out / "comparison.json").read_text()) == world.comparison


def test_together_all_and_each_scene_are_told(scenes: Path, tmp_path: Path) -> None:
    out = tmp_path / "together"
    words = ["--scene", str(scenes / "a"), "--scene", str(scenes / "b"), "--out", str(out), *SETTINGS]
    assert run(["compare", *words, "--hold-out", "other", "--seeds", "1"]) == 0
    found = json.loads((out / "comparison.json").read_text())
    assert "left_out" not in found and [one["held_out"] for one in found["scenes"]] == [False, True]
    for one in found["methods"].values():
        parts = [np.array(one["scenes"][name]["confusion"]) for name in ("tiny", "other")]
        np.testing.assert_allclose(one["confusion"], parts[0] + parts[1])
        runs = [
            json.loads((out / one["cell"] / f"seed-{seed}" / "metrics.json").read_text())
            for seed in SEEDS[:1]
        ]
        assert one["mean"]["oa"] == pytest.approx(np.mean([run["oa"] for run in runs]))


def test_what_cannot_be_trained_without_a_scene_is_said_before_anything_trains(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [shutil.copytree(scenes / name, tmp_path / name) for name in ("a", "b")]
    (both[1] / "hsi.tif").unlink()
    out = tmp_path / "out"
    words = ["--scene", str(both[0]), "--scene", str(both[1]), "--methods", "cca", "--out", str(out)]
    assert run(["compare", *words, "--leave-one-scene-out"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: without tiny: ") and "cca" in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--leave-one-scene-out"], "needs two scenes with labels or more, got tiny"),
        (["--leave-one-scene-out", "--hold-out", "tiny"], "give one of them"),
        (["--hold-out", "tiny"], "all scenes are held out"),
    ],
)
def test_what_cannot_be_left_out(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    out = tmp_path / "out"
    assert run(["compare", "--scene", str(scenes / "a"), "--out", str(out), *words]) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not out.exists()
