"""`explain`: what it writes, on which pixels, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from geo_xmodal.errors import LabelError, UsageError
from geo_xmodal.explain.charts import BandAxis, Losses, draw_bands, draw_occlusion
from geo_xmodal.raster import Band
from tests import tiny
from tests.points.tables import request, table, write_parquet


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scene(tmp_path_factory.mktemp("scenes") / "tiny")


@pytest.fixture(scope="module")
def network(scene: Path) -> Path:
    out = scene.parent / "cnn"
    settings = {"epochs": "1", "widths": "4", "kernels": "3", "embedding": "4", "contrasts": ""}
    gx.train_scene(gx.open_scene(scene), out, gx.TrainRequest(method="cnn", settings=settings))
    return out


@pytest.fixture(scope="module")
def forest(scene: Path) -> Path:
    out = scene.parent / "forest"
    settings = {"trees": "6", "max_depth": "6", "sizes": "3", "openings": ""}
    gx.train_scene(gx.open_scene(scene), out, gx.TrainRequest(method="forest", settings=settings))
    return out


def test_a_network_is_explained(scene: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "x"
    window = (8, 16, 40, 56)
    found = gx.explain_model(network, gx.open_scene(scene), out, samples=60, steps=16, window=window)
    assert [one.name for one in found.routines] == ["integrated_gradients", "occlusion", "gradcam"]
    assert "no trees" in found.left_out["shap"]
    assert sorted(found.files) == sorted(path.name for path in out.iterdir())
    kept = json.loads((out / "explanation.json").read_text())
    assert kept == json.loads(json.dumps(found.as_dict()))
    assert kept["pixels"] == 60 and kept["pixels_of"] == "test labels"
    attributed = kept["routines"]["integrated_gradients"]
    assert attributed["completeness_gap"] < 0.05 and len(attributed["overall"]) == 2
    assert [one["pixels"] for one in attributed["classes"]] == [20, 20, 20]
    assert sum(attributed["groups"].values()) == pytest.approx(1)
    assert [one["name"] for one in kept["routines"]["occlusion"]["groups"]] == ["band 1", "band 2"]
    with rasterio.open(out / "gradcam.tif") as raster, rasterio.open(scene / "sar.tif") as sar:
        assert raster.shape == (40, 56) and raster.crs == sar.crs
        assert raster.bounds.left == sar.bounds.left + 16 * tiny.PIXEL
        assert raster.bounds.top == sar.bounds.top - 8 * tiny.PIXEL
        assert set(raster.descriptions) <= {"Wheat", "Maize", "Water"}
        values = raster.read()
        assert np.isfinite(values).all() and values.min() >= 0
    page = (out / "explanation.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and "http" not in page.replace("http-equiv", "")
    assert "SIMULATED" in page


def test_trees_are_explained_by_the_command(
    scene: Path, forest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x"
    words = ["explain", "--model", str(forest), "--scene", str(scene), "--out", str(out)]
    assert run([*words, "--samples", "30", "--routines", "shap,occlusion", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["routines"]) == ["occlusion", "shap"]
    assert told["routines"]["shap"]["completeness_gap"] < 1e-4
    assert set(told["routines"]["shap"]["surroundings"]) >= {"the pixel", "3 x 3 pixels"}
    assert (out / "shap.png").is_file()
    # what an earlier explanation left and this one has not is gone
    assert run([*words, "--samples", "30", "--routines", "occlusion"]) == 0
    assert not (out / "shap.png").exists()


def test_the_same_seed_gives_the_same_bytes(scene: Path, forest: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        gx.explain_model(forest, gx.open_scene(scene), tmp_path / name, routines="occlusion", samples=30)
    for file in ("occlusion.png", "explanation.json", "explanation.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    other = gx.explain_model(
        forest, gx.open_scene(scene), tmp_path / "c", routines=("occlusion",), samples=30, seed=1
    )
    assert other.as_dict() != json.loads((tmp_path / "a" / "explanation.json").read_text())


def test_a_scene_without_test_labels_is_explained_by_predictions(
    scene: Path, forest: Path, tmp_path: Path
) -> None:
    bare = tiny.write_scene(tmp_path / "bare")
    text = (bare / "scene.toml").read_text().split("[labels.train]")[0]
    (bare / "scene.toml").write_text(text)
    found = gx.explain_model(forest, gx.open_scene(bare), tmp_path / "x", routines="occlusion", samples=40)
    (occlusion,) = found.routines
    assert found.about["pixels_of"] == "predictions" and found.about["pixels"] == 40
    assert occlusion.numbers["accuracy"] == 1.0  # of its own predictions


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"routines": "gradcam,tea_leaves"}, "'tea_leaves' given; those for a trained model are"),
        ({"routines": "gradcam"}, "nothing that was asked for applies"),
        ({"classes": ("Lava",)}, "no class 'Lava': the model knows 1 Wheat"),
        ({"window": (0, 0, 200, 10)}, "inside of the scene's 96 x 96"),
        ({"samples": 0}, "samples"),
        ({"sample": 5}, "sample"),
    ],
)
def test_what_has_no_meaning_is_refused(
    asked: dict[str, object], words: str, scene: Path, forest: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        gx.explain_model(forest, gx.open_scene(scene), tmp_path / "x", **asked)
    assert not (tmp_path / "x").exists()


def test_classes_of_other_names_are_refused(scene: Path, forest: Path, tmp_path: Path) -> None:
    other = tiny.write_scene(tmp_path / "other")
    text = (other / "scene.toml").read_text()
    for name in ("Wheat", "Maize", "Water"):
        text = text.replace(f'"{name}"', f'"Urban {name}"')
    (other / "scene.toml").write_text(text)
    with pytest.raises(LabelError, match=r"test labels of Urban Wheat.*the model knows Wheat"):
        gx.explain_model(forest, gx.open_scene(other), tmp_path / "x", samples=30)


def test_points_are_explained_without_places(tmp_path: Path) -> None:
    points = tmp_path / "points"
    gx.import_points(write_parquet(table(), tmp_path / "t.parquet"), points, request())
    scene = gx.open_scene(points)
    gx.train_scene(scene, tmp_path / "run", gx.TrainRequest(method="svm"))
    found = gx.explain_model(tmp_path / "run", scene, tmp_path / "x", samples=20)
    assert [one.name for one in found.routines] == ["integrated_gradients", "occlusion"]
    assert "no window" in found.left_out["gradcam"]


def test_names_that_look_like_formulas_are_drawn(tmp_path: Path) -> None:
    names = ["$\\frac{", "a_b^c$", "x" * 300]
    axis = BandAxis.of([Band(name) for name in names])
    draw_bands(tmp_path / "a.png", axis, np.ones(3), [(name, np.ones(3)) for name in names], "logit")
    losses = Losses({"a": np.ones(3)}, "t", [(name, np.ones(3)) for name in names], "r")
    draw_occlusion(tmp_path / "b.png", names, losses)
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}


def test_an_explanation_lies_in_the_run_folder_where_its_report_says(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, settings = tmp_path / "run", {"trees": "2", "max_depth": "3", "sizes": "3", "openings": ""}
    asked = gx.TrainRequest(method="forest", settings=settings)
    gx.train_scene(gx.open_scene(scene), out, asked)
    report = (out / "report.html").read_text()
    assert 'href="explanation/explanation.html"' in report and "geo-xmodal explain --model . " in report
    words = ["explain", "--scene", str(scene), "--routines", "occlusion", "--samples", "12"]
    assert run([*words, "--model", str(out)]) == 0
    assert (out / "explanation" / "explanation.html").is_file()
    assert gx.read_card(out).method == "forest"  # it is a run as before
    gx.train_scene(gx.open_scene(scene), out, asked)
    assert not (out / "explanation").exists()  # it was of another model
    assert run([*words, "--model", "berlin-sar-hgr"]) == 2
    assert "no run folder with a place for its explanation: give --out" in capsys.readouterr().err
