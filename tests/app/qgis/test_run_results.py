"""What the panel of results says of a run, without QGIS."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.app.qgis.conftest import PLUGIN, imported

PNG = b"\x89PNG..."
REPORT = (
    '<img src="data:image/png;base64,AAAA" alt="no figure"><figure><img alt="Map from sar alone" '
    f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"><img alt="where one class is" '
    'src="data:image/png;base64,AAAA"></figure><figure><img alt="fetched" src="https://example.org/a.png">'
    "</figure>"
)
CONFIG = {
    "method": "hgr",
    "scene": {"name": "muufl", "simulated": False},
    "target": "lidar",
    "auxiliary": "hsi",
}


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return imported(PLUGIN / "run_results.py")


def write(folder: Path, metrics: dict[str, Any], config: dict[str, Any] = CONFIG) -> Path:
    """A run folder."""
    scores = {"oa": 0.7, "aa": 0.5, "miou": None}
    (folder / "metrics.json").write_text(json.dumps(scores | metrics), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "report.html").write_text(REPORT, encoding="utf-8")
    (folder / "model").mkdir(exist_ok=True)
    return folder


def gain(mean: float, se: float | None) -> dict[str, Any]:
    return {"oa": {"mean": mean, "se": se}, "aa": {"mean": mean / 2, "se": se}, "miou": {"mean": None}}


def test_gains_over_both_controls_with_standard_errors(module: ModuleType, tmp_path: Path) -> None:
    gains = {"target_only": gain(0.1, 0.014), "self_training": gain(0.09, 0.013)}
    spread = {"mean": {"oa": 0.715, "aa": 0.523}, "sd": {"oa": 0.007}, "seeds": [{}, {}]}
    run = module.RunResults(write(tmp_path, {"gain": gains, **spread}) / "model")
    assert run.folder == tmp_path
    assert run.title == "hgr on muufl: maps from lidar, trained with hsi"
    assert run.accuracy == [
        ("Overall accuracy", "71.5 % ± 0.7"),
        ("Average accuracy", "52.3 %"),
        ("Mean IoU", "-"),
    ]
    assert run.gains == {
        "target only": ["+10.0 ± 1.4", "+5.0 ± 1.4", "-"],
        "self training": ["+9.0 ± 1.3", "+4.5 ± 1.3", "-"],
    }
    assert "standard error over repetitions" in run.gain_note
    assert run.better == "" and run.choice == "" and run.candidates == []


@pytest.mark.parametrize(
    ("mean", "error", "said"),
    [(-0.24, None, "may be luck"), (-0.01, 0.02, "within the standard error"), (-0.05, 0.01, "did not help")],
)
def test_a_better_control_is_said_as_far_as_its_error_bears(
    module: ModuleType, tmp_path: Path, mean: float, error: float | None, said: str
) -> None:
    gains = {"target_only": gain(mean, error), "self_training": gain(0.01, error)}
    run = module.RunResults(write(tmp_path, {"gain": gains}))
    assert run.better.startswith(f"The control target only is ahead by {-100 * mean:.1f} percentage points")
    assert said in run.better


def test_candidates_of_auto(module: ModuleType, tmp_path: Path) -> None:
    measures = {"oa": {"value": 0.857, "se": 0.058}, "aa": {"value": 0.8, "se": None}}
    candidates = [
        {"name": "forest", "auxiliary": False, "weight": 0.25, **measures},
        {"name": "hgr", "auxiliary": True},
    ]
    choice = {"says": "The map is made by forest.", "candidates": candidates}
    run = module.RunResults(write(tmp_path, {"choice": choice, "notes": ["few labels"]}))
    assert run.choice == "The map is made by forest."
    assert run.candidates == [
        ("forest", "no", "85.7 ± 5.8", "80.0", "0.25"),
        ("hgr", "yes", "-", "-", "0.00"),
    ]
    assert run.notes == ["few labels"]
    assert "train with 'Controls'" in run.gain_note


def test_pictures_are_those_in_the_report_and_nothing_is_fetched(module: ModuleType, tmp_path: Path) -> None:
    assert module.RunResults(write(tmp_path, {})).pictures == [("Map from sar alone", PNG)]


def test_several_scenes_and_seeds_are_named(module: ModuleType, tmp_path: Path) -> None:
    several = [{"name": "a", "simulated": True}, {"name": "b"}]
    assert module.RunResults(write(tmp_path, {}, {"method": "auto", "scenes": several})).title == (
        "auto on a (simulated), b"
    )
    assert module.RunResults(write(tmp_path, {}, {"method": "hgr", "scene": "muufl"})).title == "hgr on muufl"


def test_what_is_no_run_is_told(module: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(module.RunError, match="no run that is finished"):
        module.RunResults(tmp_path)
    with pytest.raises(module.RunError, match="not as geo_xmodal writes it"):
        module.RunResults(write(tmp_path, {"gain": {"target_only": {"oa": {"mean": "much"}}}}))
    (tmp_path / "metrics.json").write_text("[" * 100_000)
    with pytest.raises(module.RunError, match="cannot be read"):
        module.RunResults(tmp_path)
    (tmp_path / "metrics.json").write_text("[]")
    with pytest.raises(module.RunError, match="no JSON object"):
        module.RunResults(tmp_path)
