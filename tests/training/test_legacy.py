"""The protocol of papers that train on their test pixels: available, and marked wherever it shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geo_xmodal import bundle
from geo_xmodal.errors import UsageError
from geo_xmodal.samples.groups import gather
from geo_xmodal.scenes import open_scene
from geo_xmodal.scenes.labelled import labelled_pixels
from geo_xmodal.training import TrainRequest, resolve, train_scene
from tests.tiny import write_scene

QUICK = {"epochs": "3", "rounds": "1", "widths": "8,16", "auxiliary_widths": "16,16", "legacy": "true"}


def request(**changes: Any) -> TrainRequest:
    values: dict[str, Any] = {"method": "x_modalnet", "settings": QUICK}
    return TrainRequest.model_validate({**values, **changes})


def test_the_unlabelled_pixels_are_the_test_pixels(tmp_path: Path) -> None:
    scene = open_scene(str(write_scene(tmp_path / "tiny")))
    plan = resolve(request(), "sar")
    data = gather(scene, plan.gather)
    test = {tuple(one) for one in labelled_pixels(scene, "test").position.tolist()}
    used = [tuple(one) for one in data.unlabelled_target.position.tolist()]
    assert used and set(used) <= test and not len(data.unlabelled_pairs)
    honest = resolve(
        request(settings={key: value for key, value in QUICK.items() if key != "legacy"}), "sar"
    ).gather
    assert (honest.transductive, honest.unlabelled_from) == (False, "scene")


def test_a_run_says_so_everywhere(tmp_path: Path) -> None:
    scene = open_scene(str(write_scene(tmp_path / "tiny")))
    out = tmp_path / "run"
    metrics = train_scene(scene, out, request(seeds=2)).metrics
    assert metrics["transductive"] is True
    assert all(one["transductive"] for one in metrics["seeds"])
    assert bundle.load(out).card.transductive
    assert "TRANSDUCTIVE" in (out / "report.html").read_text()
    config = json.loads((out / "seed-0" / "config.json").read_text())
    assert config["transductive"] and config["options"]["legacy"]
    assert np.isfinite(metrics["oa"])


def test_it_cannot_be_hidden() -> None:
    with pytest.raises(UsageError, match="transductive"):
        resolve(request(settings={**QUICK, "transductive": "false"}), "sar")
