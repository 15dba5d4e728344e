from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from geo_xmodal.comparison.request import (
    NO_PRETRAINING,
    WHOLE,
    CompareRequest,
    ComparisonPlan,
    resolve_comparison,
)
from geo_xmodal.errors import UsageError
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.pretrained_start import Start
from geo_xmodal.pretrained import save_pretrained
from geo_xmodal.samples import DataOptions
from tests.pretraining.encoders import pretrained


def plan(*methods: str, **asked: Any) -> ComparisonPlan:
    return resolve_comparison(CompareRequest(**{"methods": methods, "means": "published", **asked}), "sar")


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"methods": ("hgr", "snv")}, r"unknown method 'snv' \(did you mean 'svm'\?\)"),
        ({"methods": ("hgr", "svm", "hgr")}, "'hgr' is given twice"),
        ({"methods": ("cnn",), "settings": {"epoch": "3"}}, "did you mean 'epochs'"),
        ({"methods": ("hgr", "svm"), "settings": {"hgr.C": "3"}}, "hgr has no setting 'C'"),
        ({"methods": ("hgr", "svm"), "settings": {"cnn.noise": "0"}}, "'cnn' takes no part"),
        ({"methods": ("hgr",), "settings": {"hgr.unlabelled": "10"}}, "setting unlabelled=10"),
        ({"methods": ("hgr",), "settings": {"noise": "loud"}}, "noise=loud for hgr"),
        ({"methods": ("hgr", "svm"), "reference": "cnn"}, "reference cnn is none of the methods"),
        ({"methods": ("hgr", "svm"), "reference": "svm"}, "svm has no gain .* choose one of hgr"),
        ({"methods": ("ceiling",)}, "'ceiling' alone is no comparison"),
        ({"methods": ("svm", "ceiling"), "ceiling": "cnn"}, "cnn has no classifier of both .* correlation"),
        ({"methods": ("svm",), "settings": {"ceiling.epochs": "3"}}, "'ceiling' takes no part"),
        (
            {
                "methods": ("svm", "ceiling"),
                "ceiling": "correlation",
                "settings": {"ceiling.joint_weight": "0"},
            },
            "correlation has no classifier of both",
        ),
        ({"methods": ("svm",), "studies": ("ablation",)}, "hgr"),
    ],
)
def test_requests_that_have_no_meaning(asked: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match) as caught:
        resolve_comparison(CompareRequest(**asked), "sar")
    assert "\n" not in str(caught.value)


def test_without_names_every_method_takes_part() -> None:
    whole = plan()
    assert list(whole.rows) == list(METHODS)
    assert whole.table.reference == "hgr" and whole.table.ceiling is not None
    assert plan("svm", "cnn").table.reference is None
    assert plan("svm", "cca", "dsensd").table.reference == "cca"
    assert plan("svm", "cca", "dsensd", reference="dsensd").table.reference == "dsensd"


def test_settings_reach_all_that_have_them_or_one() -> None:
    rows = plan(
        "hgr", "cnn", "svm", epochs=7, settings={"noise": "0.5", "cnn.noise": "0.25", "svm.C": "3"}
    ).rows
    options = {name: row.cell.variant.options.model_dump() for name, row in rows.items()}
    assert options["hgr"]["epochs"] == options["cnn"]["epochs"] == 7
    assert (options["hgr"]["noise"], options["cnn"]["noise"]) == (0.5, 0.25)
    assert options["svm"]["C"] == 3
    control = rows["hgr"].controls["target_only"].variant.options.model_dump()
    assert (control["epochs"], control["noise"]) == (7, 0.5)


def test_the_ceiling_may_be_the_supplements_pair_of_resnets() -> None:
    settings = {"ceiling.encoder": "resnet50", "ceiling.optimizer": "lion", "epochs": "3"}
    found = plan("svm", "ceiling", ceiling="correlation", settings=settings, means="published")
    (cell,) = found.ceilings()
    options = cell.variant.options.model_dump()
    assert cell.variant.method.name == "correlation"
    assert (options["encoder"], options["optimizer"], options["epochs"]) == ("resnet50", "lion", 3)
    assert options["joint_weight"] == 1 and cell.gather.margin >= 5


def test_runs_that_several_ask_for_are_there_once() -> None:
    found = plan("hgr", "cnn", "svm", "cca")
    rows = found.rows
    # `cnn` on labels alone is a control itself, and so is `svm`
    assert rows["cnn"].cell == rows["hgr"].controls["target_only"]
    assert rows["svm"].cell == rows["cca"].controls["target_only"]
    assert len(found.cells()) == 5
    other = plan("hgr", "cnn", "svm", "cca", settings={"cnn.embedding": "32", "svm.C": "3"})
    assert len(other.cells()) == 7
    with_stacked = plan("unimodal_dae", "bimodal_sdae")
    assert with_stacked.rows["unimodal_dae"].cell == with_stacked.rows["bimodal_sdae"].controls["target_only"]


def test_what_does_not_see_the_auxiliary_sensor_has_no_control() -> None:
    rows = plan().rows
    assert {name for name, row in rows.items() if not row.controls} == {
        name for name, one in METHODS.items() if not one.uses_auxiliary
    }
    assert not rows["svm"].controls and rows["cca"].controls


def test_cells_of_other_options_have_other_folders() -> None:
    names = {
        plan("hgr", **asked).rows["hgr"].cell.name
        for asked in (
            {}, {"epochs": 3}, {"settings": {"teachers": "2"}}, {"settings": {"unlabelled": "5"}},
            {"target": "sar"}, {"settings": {"transductive": "true"}},
        )
    }  # fmt: skip
    assert len(names) == 6
    assert plan("hgr", seeds=2).rows["hgr"].cell.name == plan("hgr", "svm", seed=4).rows["hgr"].cell.name


def test_all_learn_from_pixels_gathered_for_who_looks_furthest() -> None:
    found = plan("hgr", "svm", settings={"hgr.contrasts": "21"})
    assert {cell.gather for cell in found.cells()} == {found.gather}
    assert found.gather.margin == max(cell.variant.options.margin for cell in found.cells()) == 13
    assert found.gather.auxiliary_margin == found.rows["hgr"].cell.variant.options.auxiliary_margin


def test_test_pixels_train_only_those_that_ask_and_their_controls() -> None:
    legacy = next(name for name, one in METHODS.items() if "legacy" in one.Options.model_fields)
    found = plan("hgr", legacy, settings={f"{legacy}.legacy": "true"})
    transductive = {
        name: (row.cell.transductive, *(one.transductive for one in row.controls.values()))
        for name, row in found.rows.items()
    }
    assert transductive == {"hgr": (False,) * 3, legacy: (True,) * 3}
    assert found.gather.transductive is False


@pytest.mark.parametrize("name", [name for name, one in METHODS.items() if one.ablation])
def test_every_row_of_an_ablation_takes_something_away(name: str) -> None:
    method = METHODS[name]
    for row, changes in method.ablation.items():
        assert set(changes) <= set(method.Options.model_fields), row
    rows = plan(name, studies=("ablation",)).ablation[name]
    whole = [row for row, cell in rows.items() if cell == plan(name).rows[name].cell]
    assert len(whole) == 1
    assert set(rows) - set(method.ablation) <= {WHOLE}
    assert len({cell.name for cell in rows.values()}) == len(rows) > 1
    assert set(method.noise_rows) <= set(rows)


def test_a_row_that_is_the_whole_already_is_left_out() -> None:
    rows = plan("hgr", settings={"teachers": "1"}, studies=("ablation",)).ablation["hgr"]
    assert next(iter(rows)) == WHOLE
    assert "one teacher" not in rows
    assert "without noise" in rows


def test_the_noise_study_takes_all_methods_and_their_named_rows() -> None:
    found = plan("svm", "hgr", studies=("noise",))
    assert found.noise == {name: row.cell for name, row in found.rows.items()}
    assert found.ablation == {}
    for name, method in METHODS.items():
        if method.noise_rows:
            names = list(plan(name, studies=("noise",)).noise)
            assert names == [name, *(f"{name}, {row}" for row in method.noise_rows)]


def test_typed_options_are_those_settings() -> None:
    typed = plan(
        "hgr",
        "svm",
        options={"hgr": METHODS["hgr"].Options(noise=0.5), "svm": METHODS["svm"].Options(C=3)},
        data=DataOptions(unlabelled=10),
    )
    texts = plan("hgr", "svm", settings={"hgr.noise": "0.5", "svm.C": "3", "unlabelled": "10"})
    assert typed.cells() == texts.cells()
    with pytest.raises(UsageError, match="options of 'hgr' are SvmOptions"):
        plan("hgr", options={"hgr": METHODS["svm"].Options()})
    with pytest.raises(UsageError, match="C is given twice"):
        plan("svm", options={"svm": METHODS["svm"].Options(C=3)}, settings={"svm.C": "3"})


def test_a_pretraining_adds_a_row_to_each_method_that_starts_from_it_with_its_own_control(
    tmp_path: Path,
) -> None:
    run = tmp_path / "mine"
    save_pretrained(run / "encoders", pretrained())
    start = Start.of(run, "sar", "sar")
    asked = CompareRequest(methods=("auto", "hgr", "cnn", "svm", "forest"), means="both")
    whole = resolve_comparison(asked, "sar", starts=[start])
    for table in whole.tables.values():
        assert list(table.rows) == [
            "auto", "auto from mine", "hgr", "hgr from mine", "cnn", "cnn from mine", "svm", "forest",
        ]  # fmt: skip
        row = table.rows["hgr from mine"]
        assert set(row.controls) == {"target_only", "self_training", NO_PRETRAINING}
        options, plain = row.cell.variant.options, row.controls[NO_PRETRAINING].variant.options
        changed = {name for name, value in options if value != getattr(plain, name)}
        assert changed == {"weights", "weights_sha256"}
        assert row.cell.start is start and row.controls["target_only"].start is start
        assert row.controls[NO_PRETRAINING].start is None
        assert set(table.rows["cnn from mine"].controls) == {NO_PRETRAINING}
        auto = table.rows["auto from mine"]
        assert auto.controls[NO_PRETRAINING] == table.rows["auto"].cell  # one run for both
    assert any("starts from mine: svm, forest" in line for line in whole.notes)
    with pytest.raises(UsageError, match=r"no method here starts from .*mine: svm has no target branch"):
        resolve_comparison(CompareRequest(methods=("svm",)), "sar", starts=[start])
