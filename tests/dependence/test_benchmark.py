"""`correlate --labels` and `correlate --timing`: objectives on two arrays, and what they cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import geo_xmodal as gx
from geo_xmodal.commands.app import run
from tests.dependence.test_correlate import refusal, result_of, saved

N = 240
QUICK = ("--epochs", "2", "--seeds", "2")


def two_views(n: int = N) -> dict[str, np.ndarray]:
    """Classes that both views show, each in columns of its own."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 4
    shared = np.eye(4)[labels] + 0.3 * rng.standard_normal((n, 4))
    x = shared @ rng.standard_normal((4, 9)) + 0.1 * rng.standard_normal((n, 9))
    y = shared @ rng.standard_normal((4, 6)) + 0.1 * rng.standard_normal((n, 6))
    return {"x": x, "y": y, "labels": labels}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("benchmark")
    options = saved(folder, **two_views())
    out = folder / "out"
    options += ["--objectives", "soft_hgr,dot", "--components", "3", "--out", str(out)]
    assert run(["correlate", *options, *QUICK]) == 0
    return json.loads((out / "two_views.json").read_text()), out


def test_what_both_views_show_moves_across_and_is_found(found: tuple[dict[str, Any], Path]) -> None:
    content, out = found
    assert list(content["objectives"]) == [*content["controls"], "soft_hgr", "dot"]
    assert content["data"]["seeds"] == [0, 1] and len(content["runs"]) == 10
    assert content["data"]["test_rows"] == 72 and content["data"]["training_rows"] == N - 72
    linear, broken = (content["objectives"][name] for name in ("linear_cca", "broken_pairing"))
    assert linear["transfer_to_y"]["mean"] > 0.9 > 0.5 > broken["transfer_to_y"]["mean"]
    assert linear["recall_to_x"]["10"]["mean"] > 0.6 > broken["recall_to_x"]["10"]["mean"]
    assert content["chance"]["recall_to_y"]["10"] == pytest.approx(10 / 72)
    assert content["chance"]["accuracy"] == pytest.approx(0.25, abs=0.1)
    assert linear["transfer_to_x"]["sd"] is not None
    assert (out / "two_views.png").stat().st_size > 10_000


def test_without_labels_retrieval_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    views = two_views()
    test = np.arange(N) >= 200
    options = saved(tmp_path, x=views["x"], y=views["y"], test=test)
    content = result_of(capsys, *options, "--objectives", "cosine", "--epochs", "1", "--seeds", "1")
    assert content["chance"]["accuracy"] is None
    assert content["objectives"]["cosine"]["transfer_to_y"] == {"mean": None, "sd": None}
    assert content["objectives"]["linear_cca"]["recall_to_y"]["10"]["mean"] > 0.5
    assert content["data"]["test_rows"] == 40 and "test.npy" in content["data"]["split"]


def test_python_says_the_same_as_the_command(found: tuple[dict[str, Any], Path]) -> None:
    content, out = found
    x, y, labels = (out.parent / f"{name}.npy" for name in ("x", "y", "labels"))
    study = gx.compare_objectives(x, y, labels, objectives=("dot",), components=3, epochs=2, seeds=2)
    expected = content["objectives"]["dot"]["transfer_to_y"]
    assert study.spread("dot", "transfer_to_y") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changed", "options", "expected"),
    [
        ({"labels": np.zeros(N, int)}, [], "expected ids of two classes or more, 0 and up, found 1"),
        ({"labels": np.arange(N - 1)}, [], "labels.npy: expected 240 integers, one class id a row"),
        ({"labels": np.full(N, 0.5)}, [], "found float64"),
        ({}, ["--objectives", "hrg"], "objective 'hrg' is unknown; choose one of soft_hgr"),
        ({}, ["--components", "7"], "the narrower of x.npy and y.npy has 6 columns"),
        ({"test": np.zeros(N, bool)}, [], "240 rows train and 0 test, expected 10 and 2 at least"),
        ({"x": np.tile(np.eye(2, 3), (N // 2, 1))}, [], "rows that repeat a view of others, stay together"),
    ],
)
def test_what_cannot_be_compared(
    changed: dict[str, np.ndarray],
    options: list[str],
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert expected in refusal(capsys, *saved(tmp_path, **(two_views() | changed)), *options)


def test_options_of_another_study_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    views = two_views()
    options = saved(tmp_path, x=views["x"], y=views["y"])
    for name, value in {"components": "3", "epochs": "7", "seeds": "2", "test-share": "0.5"}.items():
        assert f"--{name} goes with --labels" in refusal(capsys, *options, f"--{name}", value)
    assert "--batches goes with --timing" in refusal(capsys, *options, "--batches", "64")
    assert "leave --seeds out" in refusal(capsys, "--timing", "--seeds", "2")
    assert "leave --x out" in refusal(capsys, *options, "--timing")
    assert "deep_lda needs labels" in refusal(capsys, *options, "--objectives", "deep_lda")
    assert "--batches: expected numbers from 2" in refusal(capsys, "--timing", "--batches", "1")
    assert "--dimensions a: expected whole numbers" in refusal(capsys, "--timing", "--dimensions", "a")


def test_timing_is_in_ratios_to_cosine_similarity(tmp_path: Path) -> None:
    names = ("soft_hgr", "hgr", "deep_lda", "dot")
    study = gx.time_correlation(names, samples=(8, 32), features=(4,), budget=0.001)
    gx.save_study(study, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "timing.json").read_text())
    assert (tmp_path / "out" / "timing.png").stat().st_size > 10_000
    assert [(size["samples"], size["features"]) for size in content["sizes"]] == [(8, 4), (32, 4)]
    for size in content["sizes"]:
        assert list(size["costs"]) == [content["baseline"], *names]
        base = size["costs"][content["baseline"]]
        assert base["time_ratio"] == base["memory_ratio"] == 1
        for cost in size["costs"].values():
            assert cost["seconds"] > 0 and cost["peak_bytes"] > 0
            assert cost["time_ratio"] == pytest.approx(cost["seconds"] / base["seconds"])
    # a square matrix of 32 rows is more than the features
    dot, hgr = (content["sizes"][1]["costs"][name]["peak_bytes"] for name in ("dot", "hgr"))
    assert hgr > dot
