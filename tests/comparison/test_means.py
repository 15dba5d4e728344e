"""Two tables: as published, and with equal means; trials on validation blocks; the ceiling."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import geo_xmodal as gx
from geo_xmodal.comparison.request import CompareRequest, ComparisonPlan, resolve_comparison
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.means import COMMON_MEANS, means_not_taken, taken_means
from geo_xmodal.training.request import Variant
from geo_xmodal.training.trials import Trial, best, settings_to_try, tried
from tests import tiny
from tests.training_data import make_training_data

GRADIENT = [name for name, one in METHODS.items() if "epochs" in one.Options.common_means()]


def plan(*methods: str, **asked: Any) -> ComparisonPlan:
    return resolve_comparison(CompareRequest(methods=methods, **asked), "sar")


def options(found: ComparisonPlan, means: Any, name: str) -> dict[str, Any]:
    return found.tables[means].rows[name].cell.variant.options.model_dump()


# --- equal means


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_can_take_what_it_declares(name: str) -> None:
    method = METHODS[name]
    method.Options.model_validate(taken_means(method))
    assert set(method.Options.common_means()) <= set(COMMON_MEANS)
    for option, values in method.Options.search_space().items():
        for value in values:
            method.Options.model_validate({option: value})


def test_networks_get_the_same_training_patch_and_branch() -> None:
    equal = plan(*(name for name in GRADIENT if name != "cnn"), means="equal").tables["equal"]
    chosen = [row.cell.variant.options for row in equal.rows.values()]
    assert {one.margin for one in chosen} == {3}
    assert {one.auxiliary_margin for one in chosen if hasattr(one, "auxiliary_radius")} <= {1}
    same = (
        "epochs",
        "augment",
        "noise",
        "balance",
        "optimizer",
        "learning_rate",
        "kernels",
        "widths",
        "dropout",
    )
    assert len({tuple(getattr(one, name) for name in same) for one in chosen}) == 1
    for name in GRADIENT:
        assert set(means_not_taken(METHODS[name])) <= {"encoder", "contrasts", "embedding"}


def test_published_recipes_stay_and_settings_of_the_user_reach_both_tables() -> None:
    found = plan("hgr", "x_modalnet", epochs=7, settings={"x_modalnet.noise": "0.5"})
    assert list(found.tables) == ["published", "equal"]
    published, equal = (options(found, means, "x_modalnet") for means in found.tables)
    assert (published["augment"], equal["augment"]) == (False, True)
    assert published["noise"] == equal["noise"] == 0.5
    assert {
        options(found, means, name)["epochs"] for means in found.tables for name in ("hgr", "x_modalnet")
    } == {7}
    assert options(found, "published", "hgr")["encoder"] == "pixel_cnn"
    assert (equal["auxiliary_components"], published["auxiliary_components"]) == (15, None)


def test_methods_of_one_branch_share_their_controls_under_equal_means() -> None:
    rows = plan("hgr", "dsensd", "mmanet", "modality_dropout", means="equal").rows
    assert len({row.controls["target_only"].name for row in rows.values()}) == 1


def test_one_table_where_equal_means_change_nothing() -> None:
    found = plan("svm", "cca")
    assert list(found.tables) == ["published"]
    assert "one table" in found.notes[0]


# --- trials


def test_the_first_trial_is_the_method_as_it_comes_and_more_trials_add_to_few() -> None:
    space = {"a": ("1", "2"), "b": ("x", "y", "z")}
    many = list(settings_to_try(space, 20, seed=3))
    assert many[0] == {} and len(many) == 7  # all six, once each
    assert len({tuple(one.items()) for one in many[1:]}) == 6
    assert list(settings_to_try(space, 4, seed=3)) == many[:4]
    assert list(settings_to_try(space, 1, seed=3)) == list(settings_to_try({}, 9, seed=3)) == [{}]


def test_the_best_trial_has_the_highest_mean_of_both_accuracies() -> None:
    trials = (Trial({}, 0.8, 0.4), Trial({"a": "1"}, 0.7, 0.6), Trial({"a": "2"}, 0.7, 0.6))
    assert best(trials) is trials[1]


def test_trials_are_kept_and_need_validation_pixels(tmp_path: Path) -> None:
    data = make_training_data(labels=20)
    chosen = METHODS["svm"].Options(C=1.0)  # type: ignore[call-arg]
    variant = Variant("svm", METHODS["svm"], chosen)
    space = {"C": ("0.000001", "10")}
    first = tried(variant, space, 3, data, 0, tmp_path)
    assert [set(one.settings) for one in first] == [set(), {"C"}, {"C"}]
    path = tmp_path / "trials.json"
    content = json.loads(path.read_text())
    content["trials"][0]["oa"] = 0.125
    path.write_text(json.dumps(content))
    assert tried(variant, space, 3, data, 0, tmp_path)[0].oa == 0.125
    assert tried(variant, space, 3, data, 1, tmp_path)[0].oa != 0.125  # another seed
    none = dataclasses.replace(data, validation=data.validation.take(np.empty(0, np.int64)))
    with pytest.raises(TrainingDataError, match="no label is held out"):
        tried(variant, space, 3, none, 0, tmp_path)


def test_every_method_and_control_has_as_many_trials_and_keeps_what_was_set() -> None:
    found = plan("hgr", "svm", trials=4, settings={"hgr.correlation_weight": "1"})
    published, equal = (found.tables[means].rows["hgr"] for means in found.tables)
    for row in (published, equal):
        cells = (row.cell, *row.controls.values())
        assert {cell.trials for cell in cells} == {4}
        assert all("correlation_weight" not in cell.space for cell in cells)
    assert "dropout" in published.cell.space and "dropout" not in equal.cell.space
    assert "learning_rate" in equal.cell.space and "learning_rate" in equal.controls["target_only"].space
    assert not found.rows["svm"].cell.space
    # with one trial the runs are those that were there before there were trials
    assert plan("hgr", trials=0).rows["hgr"].cell.name == plan("hgr").rows["hgr"].cell.name
    assert published.cell.name != plan("hgr", settings={"correlation_weight": "1"}).rows["hgr"].cell.name


def test_the_ceiling_learns_from_no_test_pixel_whatever_the_methods_do() -> None:
    found = plan("x_modalnet", "ceiling", settings={"x_modalnet.legacy": "true"})
    assert {cell.transductive for cell in found.cells()} == {True}
    assert {cell.transductive for cell in found.ceilings()} == {False}
    assert {dict(cell.variant.options)["drop"] for cell in found.ceilings()} == {0}


# --- the whole


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> gx.Comparison:
    """Test pixels where both sensors are, of a scene with few."""
    folder = tmp_path_factory.mktemp("fair")
    scene = tiny.write_scene(folder / "tiny", tested=0.05)
    with rasterio.open(scene / "test.tif", "r+") as test, rasterio.open(scene / "train.tif") as train:
        ids = test.read(1)
        west = np.s_[:, 40:56]
        ids[west] = np.where(train.read(1)[west] == 0, tiny.truth()[west], 0)
        ids[:, :40] = 0
        ids[np.random.default_rng(0).random(ids.shape) > 0.12] = 0
        test.write(ids, 1)
    request = gx.CompareRequest(
        methods=("modality_dropout", "ceiling"),
        seeds=1,
        trials=2,
        settings={
            "epochs": "2", "least_steps": "8", "contrasts": "", "widths": "8,8", "embedding": "8",
            "unlabelled": "100", "batch_size": "128", "learning_rate": "0.01",
        },
    )  # fmt: skip
    return gx.compare_methods(gx.open_scene(scene), folder / "out", request)


def test_both_tables_are_there_with_gains_first(compared: gx.Comparison) -> None:
    assert compared.means == "published" and set(compared.equal) == set(compared.methods)
    text = (compared.folder / "table.txt").read_text()
    assert text.count("as published") == text.count("equal means\n") == 1
    heading = next(line for line in text.splitlines() if line.startswith("method "))
    assert heading.split()[1:3] == ["ΔOA", "ΔAA"]
    page = (compared.folder / "report.html").read_text()
    assert "Equal means" in page and "noise=0.1" in page
    assert {"gains.png", "accuracy-equal.png"} <= {path.name for path in compared.folder.iterdir()}
    rows = (compared.folder / "table.csv").read_text().splitlines()
    assert {row.split(",")[0] for row in rows[1:]} == {"published", "equal"}


def test_the_run_is_the_one_with_the_best_trial(compared: gx.Comparison) -> None:
    one = compared.methods["modality_dropout"]
    trials = one.trials[0]["tried"]
    assert len(trials) == 2 and trials[0]["settings"] == {}
    winner = max(trials, key=lambda trial: trial["oa"] + trial["aa"])
    cell = compared.content["methods"]["modality_dropout"]["cell"]
    config = json.loads((compared.folder / cell / "seed-0" / "config.json").read_text())
    for name, value in winner["settings"].items():
        assert config["options"][name] == float(value)
    control = next(iter(compared.content["controls"].values()))
    assert "trials" not in control or len(control["trials"][0]["tried"]) == 2


def test_the_ceiling_sees_both_sensors_where_test_pixels_have_both(compared: gx.Comparison) -> None:
    ceiling = compared.content["ceiling"]
    assert 0 < ceiling["n"] < ceiling["test_pixels"] == compared.content["test_pixels"]
    assert compared.ceiling is not None and (compared.ceiling.oa.mean or 0) > 0.9  # the HSI knows the class
    assert "ceiling" not in METHODS and "ceiling" in (compared.folder / "table.csv").read_text()
    assert not list((compared.folder / "cells").glob("ceiling-*/seed-0/model"))
