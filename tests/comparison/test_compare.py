"""Methods side by side, through the real command line."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from scipy import stats

import geo_xmodal as gx
from geo_xmodal.accuracy import MEASURES
from geo_xmodal.commands.app import run
from geo_xmodal.comparison.noise import LEVELS
from tests import tiny
from tests.pretraining.test_pretrain import request

QUICK = {
    "epochs": "3", "learning_rate": "0.01", "contrasts": "", "widths": "8,8", "embedding": "8",
    "teachers": "1", "unlabelled": "300", "batch_size": "128", "least_steps": "4",
}  # fmt: skip
STRIP_ROWS = 9
SETTINGS = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]


@dataclass(frozen=True)
class World:
    scene: Path
    out: Path
    comparison: dict[str, Any]

    def cells(self, seed: int) -> dict[str, dict[str, Any]]:
        """config.json of each cell, by its folder."""
        found = sorted((self.out / "cells").glob(f"*/seed-{seed}/config.json"))
        return {path.parts[-3]: json.loads(path.read_text()) for path in found}


def compare(scene: Path, out: Path, *more: object, means: str = "published") -> int:
    words = ["compare", "--scene", str(scene), "--out", str(out), "--means", means]
    return run([*words, *SETTINGS, *map(str, more)])


def write_scene(folder: Path, seed: int = 0) -> Path:
    return tiny.write_scene(folder, seed, tested=0.1)


def write_labelled_strip(folder: Path) -> Path:
    """The north of the tiny scene, all of it labelled: for training in the west, for testing elsewhere."""
    whole = tiny.write_scene(folder / "whole")
    strip = folder / "strip"
    strip.mkdir()
    shutil.copy(whole / "scene.toml", strip)
    for name in ("sar", "hsi", "train", "test"):
        with rasterio.open(whole / f"{name}.tif") as dataset:
            values = dataset.read()[:, :STRIP_ROWS]
        if name in ("train", "test"):
            west = np.arange(values.shape[2]) < tiny.HSI_COLUMNS
            values = np.where(west == (name == "train"), tiny.truth(STRIP_ROWS), 0)[None].astype(np.uint8)
        tiny.write_raster(strip / f"{name}.tif", values)
    return strip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    scene = write_scene(folder / "tiny")
    out = folder / "comparison"
    assert compare(scene, out, "--methods", "hgr,svm", "--seeds", 2, "--study", "noise") == 0
    return World(scene, out, json.loads((out / "comparison.json").read_text()))


@pytest.fixture(scope="module")
def ablation(world: World) -> dict[str, Any]:
    """The study with one seed, beside the runs of the other one."""
    out = world.out.parent / "ablation"
    assert compare(world.scene, out, "--methods", "hgr", "--seeds", 1, "--study", "ablation") == 0
    found = json.loads((out / "comparison.json").read_text())
    assert isinstance(found, dict)
    return found


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


# --- what comes out


def test_all_files_are_there_and_named(world: World) -> None:
    assert sorted(path.name for path in world.out.iterdir()) == sorted(
        ["cells", "comparison.json", *world.comparison["files"]]
    )
    assert {"table.txt", "table.csv", "table.tex", "accuracy.png", "maps.png", "features.png"} <= set(
        world.comparison["files"]
    )
    assert {"noise.png", "noise.csv", "report.html"} <= set(world.comparison["files"])


def test_every_cell_of_a_seed_has_the_same_pixels(world: World) -> None:
    for seed in (0, 1):
        cells = world.cells(seed)
        assert {one["variant"] for one in cells.values()} == {"hgr", "svm", "target_only", "self_training"}
        assert len(cells) == 4
        assert len({one["data"]["pixels"] for one in cells.values()}) == 1
        alone = [one for one in cells.values() if one["variant"] in ("target_only", "self_training")]
        assert len({one["data"]["sha256"] for one in alone}) == 1
        assert all(one["auxiliary"] is None for one in alone)
    first, second = (
        {one["data"]["pixels"] for one in world.cells(seed).values()} for seed in (0, 1)
    )  # fmt: skip
    assert first != second


def test_figures_are_those_of_the_runs(world: World) -> None:
    found = world.comparison
    for name in ("hgr", "svm"):
        one = found["methods"][name]
        runs = [
            json.loads((world.out / one["cell"] / f"seed-{seed}" / "metrics.json").read_text())
            for seed in (0, 1)
        ]
        for measure in MEASURES:
            values = [run[measure] for run in runs]
            assert one["mean"][measure] == pytest.approx(np.mean(values))
            assert one["sd"][measure] == pytest.approx(np.std(values, ddof=1))
            for control, cell in one["controls"].items():
                others = [run[measure] for run in found["controls"][cell]["seeds"]]
                difference = np.subtract(values, others)
                assert one["gain"][control][measure]["mean"] == pytest.approx(difference.mean())
                assert one["gain"][control][measure]["se"] == pytest.approx(stats.sem(difference))
    hgr = found["methods"]["hgr"]
    ours, theirs = (
        [run["oa"] for run in one["seeds"]]
        for one in (hgr, found["controls"][hgr["controls"]["target_only"]])
    )
    test = hgr["tests"]["oa"]
    assert test["mean"] == pytest.approx(np.mean(np.subtract(ours, theirs)))
    assert test["p_t"] == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    assert test["p_t_holm"] == test["p_t"]  # one test, nothing to correct
    assert test["p_wilcoxon"] == pytest.approx(stats.wilcoxon(np.subtract(ours, theirs)).pvalue)
    assert found["reference"] == "hgr" and hgr["tests_reference"] is None
    assert found["methods"]["svm"]["tests"] is found["methods"]["svm"]["tests_reference"] is None
    assert found["methods"]["svm"]["gain"] == found["methods"]["svm"]["controls"] == {}
    assert {tuple(one["of"]) for one in found["controls"].values()} == {("hgr",)}


def test_the_notes_say_what_must_be_known(world: World, ablation: dict[str, Any]) -> None:
    notes = " ".join(world.comparison["notes"])
    assert "simulated" in notes
    assert "gains over target_only" in notes and "cannot be below 0.5" in notes and "Holm" in notes
    assert world.comparison["overlap_share"] == 0
    assert "No test patch shares a pixel" in notes
    assert "One seed" in " ".join(ablation["notes"])


def test_patches_that_overlap_are_confessed(world: World, tmp_path: Path) -> None:
    out = tmp_path / "far"
    words = ["--epochs", "1", "--set", "contrasts=29", "--set", "unlabelled=50", "--set", "least_steps=1"]
    arguments = ["--methods", "cnn", "--seeds", "1", "--set", "widths=2,2", *words]
    arguments += ["--means", "published"]
    assert run(["compare", "--scene", str(world.scene), "--out", str(out), *arguments]) == 0
    found = json.loads((out / "comparison.json").read_text())
    assert found["overlap_share"] > 0
    warning = f"Warning: {found['overlap_share']:.1%} of test patches share pixels with a training patch"
    assert sum(line.startswith(warning) for line in (out / "table.txt").read_text().splitlines()) == 1
    assert "OVERLAP" in (out / "report.html").read_text()


def test_what_a_run_needs_is_checked_before_any_trains(world: World, tmp_path: Path) -> None:
    scene = write_labelled_strip(tmp_path)
    out = tmp_path / "comparison"
    assert compare(scene, out, "--methods", "svm,x_modalnet", "--seeds", 1) == 2
    assert not out.exists()
    assert compare(scene, out, "--methods", "hgr,cca", "--seeds", 1, "--epochs", 1) == 0
    found = json.loads((out / "comparison.json").read_text())
    assert {name: list(one["gain"]) for name, one in found["methods"].items()} == {
        "hgr": ["target_only"], "cca": ["target_only"],
    }  # fmt: skip
    assert any(note.startswith("Control self_training of hgr is left out: ") for note in found["notes"])
    assert {one["summary"] for one in found["controls"].values()} == {
        "the same network on the target sensor's labels alone",
        "the same linear SVM, on the target sensor's bands",
    }


def test_the_csv_is_the_json(world: World) -> None:
    rows = rows_of(world.out / "table.csv")
    assert [row["method"] for row in rows] == ["hgr", "svm", "target_only", "self_training"]
    for row in rows[:2]:
        one = world.comparison["methods"][row["method"]]
        for measure in MEASURES:
            assert float(row[f"{measure}_mean"]) == one["mean"][measure]
            gain = row[f"gain_self_training_{measure}_se"]
            if row["method"] == "svm":
                assert gain == ""
            else:
                assert float(gain) == one["gain"]["self_training"][measure]["se"]
    assert rows[1]["p_t_oa"] == rows[0]["reference_p_t_oa"] == ""
    assert float(rows[0]["p_t_oa"]) == world.comparison["methods"]["hgr"]["tests"]["oa"]["p_t"]
    assert {row["means"] for row in rows} == {"published"}
    assert rows[2]["control_of"] == "hgr"


def test_text_and_latex_hold_the_same_table(world: World) -> None:
    text, tex = ((world.out / name).read_text() for name in ("table.txt", "table.tex"))
    body = tex.partition(r"\begin{tabular}")[2]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 5
    assert len({row.count(" & ") for row in rows}) == 1
    assert not re.search(r"(?<!\\)[_%#]", tex)
    assert tex.isascii()
    for one in world.comparison["methods"].values():
        words = f"{100 * one['mean']['oa']:.1f} ± {100 * one['sd']['oa']:.1f}"
        assert words in text and words.replace("±", r"$\pm$") in tex


def test_pictures_are_pictures_and_the_page_needs_nothing_else(world: World) -> None:
    for name in ("accuracy.png", "gains.png", "maps.png", "features.png", "noise.png"):
        with Image.open(world.out / name) as picture:
            assert picture.width > 600 and picture.height > 300
            colours = picture.convert("RGB").getcolors(1 << 24) or []
            assert len(colours) > 20
    page = (world.out / "report.html").read_text()
    assert page.count("data:image/png") == 5
    assert "SIMULATED" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


def test_features_are_kept_beside_their_run(world: World) -> None:
    found = {
        name: json.loads((world.out / one["cell"] / "seed-0" / "features.json").read_text())
        for name, one in world.comparison["methods"].items()
    }
    assert found["hgr"]["labels"] == found["svm"]["labels"]
    assert set(found["hgr"]["labels"]) == set(tiny.IDS)
    assert len(found["hgr"]["places"]) == len(found["hgr"]["labels"]) <= 2000
    assert found["hgr"]["embedding"] and not found["svm"]["embedding"]


def test_noise_costs_accuracy_the_more_the_louder_it_is(world: World) -> None:
    study = world.comparison["noise"]
    assert study["levels"] == ["none", "40", "30", "20", "10"]
    for name, row in study["rows"].items():
        assert row["levels"]["none"]["mean"] == world.comparison["methods"][name]["mean"]
        assert row["levels"]["40"]["mean"]["oa"] == pytest.approx(
            row["levels"]["none"]["mean"]["oa"], abs=0.1
        )
    svm = study["rows"]["svm"]["levels"]
    assert svm["10"]["mean"]["oa"] < svm["none"]["mean"]["oa"] - 0.02
    rows = rows_of(world.out / "noise.csv")
    assert len(rows) == len(study["rows"]) * (len(LEVELS) + 1)
    last = rows[-1]
    assert float(last["oa_mean"]) == study["rows"][last["row"]]["levels"][last["snr_db"]]["mean"]["oa"]


def test_the_ablation_takes_parts_away(world: World, ablation: dict[str, Any]) -> None:
    rows = ablation["ablation"]["hgr"]
    expected = set(gx.METHODS["hgr"].ablation) - {"one teacher", "without contrasts"}  # they are QUICK's
    assert set(rows) == expected | {"whole"}
    assert rows["whole"]["difference"] is None
    assert rows["whole"]["mean"]["oa"] == ablation["methods"]["hgr"]["mean"]["oa"]
    for name in expected:
        difference = rows[name]["difference"]["oa"]["mean"]
        assert difference == pytest.approx(rows[name]["mean"]["oa"] - rows["whole"]["mean"]["oa"])
    parsed = rows_of(world.out.parent / "ablation" / "ablation.csv")
    assert [row["row"] for row in parsed] == list(rows)
    assert ablation["methods"]["hgr"]["mean"]["oa"] == world.comparison["methods"]["hgr"]["seeds"][0]["oa"]
    page = (world.out.parent / "ablation" / "report.html").read_text()
    assert "without distillation" in page


# --- again


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_finished_runs_are_not_repeated(world: World, tmp_path: Path) -> None:
    out = tmp_path / "again"
    shutil.copytree(world.out, out)
    before = everything(out / "cells")
    assert compare(world.scene, out, "--methods", "hgr,svm", "--seeds", 2, "--study", "noise") == 0
    assert everything(out / "cells") == before
    for name in ("comparison.json", "table.csv", "table.txt", "maps.png", "features.png"):
        assert (out / name).read_bytes() == (world.out / name).read_bytes(), name
    # fewer methods: the runs stay, and what belonged to a study that was not asked for goes
    assert compare(world.scene, out, "--methods", "hgr", "--seeds", 2) == 0
    assert everything(out / "cells") == before
    assert not (out / "noise.png").exists()


def test_what_is_kept_of_runs_and_is_damaged_is_made_again(world: World, tmp_path: Path) -> None:
    out = tmp_path / "again"
    shutil.copytree(world.out, out)
    hgr, svm = (out / world.comparison["methods"][name]["cell"] / "seed-0" for name in ("hgr", "svm"))
    damage = {
        hgr / "features.json": {"places": {}},
        svm / "features.json": {"places": [[0, 1]]},
        svm / "noise.json": {"levels": {"10": {}}},
    }
    whole = {path: path.read_bytes() for path in damage}
    for path, change in damage.items():
        path.write_text(json.dumps(json.loads(whole[path]) | change))
    assert compare(world.scene, out, "--methods", "hgr,svm", "--seeds", 2, "--study", "noise") == 0
    assert {path: path.read_bytes() for path in damage} == whole


def test_a_stopped_comparison_goes_on_where_it_was(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "stopped"
    request = gx.CompareRequest(methods=("hgr", "svm"), seeds=2, settings=QUICK, means="published")

    def stop(done: int, total: int, message: str) -> None:
        if ": seed 1, hgr, student: epoch 3" in message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gx.compare_methods(gx.open_scene(world.scene), out, request, stop)
    finished = everything(out / "cells")
    assert sum(name.endswith("metrics.json") for name in finished) == 4
    assert any(name.endswith("checkpoint.safetensors") for name in finished)
    assert compare(world.scene, out, "--methods", "hgr,svm", "--seeds", 2) == 0
    after = everything(out / "cells")
    assert {name: after[name] for name in finished if "seed-0" in name} == {
        name: one for name, one in finished.items() if "seed-0" in name
    }
    for weights in (world.out / "cells").rglob("model.safetensors"):
        assert after[str(weights.relative_to(world.out / "cells"))][1] == weights.read_bytes()


def test_ctrl_c_says_the_same_command(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gx, "compare_methods", stopped)
    out = tmp_path / "out"
    assert run(["compare", "--scene", str(world.scene), "--out", str(out)]) == 130
    expected = f"stopped; to go on: geo-xmodal compare --scene {world.scene} --out {out}"
    assert capsys.readouterr().err.splitlines() == [expected]


# --- bad input


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("[")]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("--methods", "hgr,hgrr"), "unknown method 'hgrr' .*'hgr'"),
        (("--methods", "svm,svm"), "given twice"),
        (("--methods", "svm", "--study", "magic"), "magic"),
        (("--methods", "svm", "--set", "magic=1"), "no setting 'magic'"),
        (("--methods", "svm", "--target", "lidar"), "lidar"),
        (("--methods", "svm", "--seeds", "0"), "0"),
    ],
)
def test_bad_requests_end_with_one_line_and_leave_nothing(
    world: World, tmp_path: Path, arguments: tuple[str, ...], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["compare", "--scene", str(world.scene), "--out", str(out), *arguments]) == 2
    assert re.search(match, error_of(capsys))
    assert not out.exists()


def test_a_folder_with_other_things_is_left_alone(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "chapter.txt").write_text("years of work")
    assert compare(world.scene, tmp_path, "--methods", "hgr") == 2
    assert "holds no comparison: choose another --out" in error_of(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["chapter.txt"]


def test_runs_of_a_scene_that_has_changed_are_refused(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = write_scene(tmp_path / "tiny", seed=1)
    out = tmp_path / "out"
    shutil.copytree(world.out, out)
    before = everything(out)
    assert compare(scene, out, "--methods", "hgr", "--seeds", 2) == 2
    assert "choose another --out" in error_of(capsys)
    assert everything(out) == before


def test_a_run_that_cannot_begin_leaves_nothing(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = tmp_path / "tiny"
    shutil.copytree(world.scene, scene)
    (scene / "hsi.tif").unlink()
    out = tmp_path / "out"
    assert compare(scene, out, "--methods", "hgr", "--seeds", 1) == 2
    assert "both sensors" in error_of(capsys)
    assert not out.exists()


# --- pretraining


def test_gains_of_pretraining_are_beside_those_of_the_sensor(tmp_path: Path) -> None:
    scene = gx.open_scene(write_scene(tmp_path / "tiny"))
    network = {"contrasts": "", "kernels": "5,3", "widths": "8,8", "embedding": "8"}
    gx.pretrain_scene(scene, tmp_path / "mine", request(**network))
    quick = {key: value for key, value in QUICK.items() if key != "teachers"}
    asked = gx.CompareRequest(
        methods=("cnn",), seeds=1, means="published", init=(tmp_path / "mine",), settings=quick
    )
    found = gx.compare_methods(scene, tmp_path / "out", asked).content
    assert list(found["methods"]) == ["cnn", "cnn from mine"]
    row = found["methods"]["cnn from mine"]
    (control,) = found["controls"].values()
    assert row["controls"] == {"no_pretraining": found["methods"]["cnn"]["cell"]}  # one run for both
    assert "random weights" in control["summary"]
    gain = row["mean"]["oa"] - control["mean"]["oa"]
    assert row["gain"]["no_pretraining"]["oa"]["mean"] == pytest.approx(gain)
    text = (tmp_path / "out" / "table.txt").read_text()
    assert "ΔOA no_pretraining" in text and "decur pretrained without labels on tiny" in text
    (config,) = (tmp_path / "out" / row["cell"]).glob("seed-0/config.json")
    assert json.loads(config.read_text())["data"]["pretrained"]["method"] == "decur"
