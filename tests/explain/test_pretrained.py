"""A pretraining run is explained: what is written, and which bands are said to be shared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

import geo_xmodal as gx
from geo_xmodal.bundle import NetworkEntry, describe_target
from geo_xmodal.commands.app import run
from geo_xmodal.errors import ModelMismatchError, TrainingDataError, UsageError
from geo_xmodal.networks import BranchEncoder, NetworkSpec, Projector, Standardize
from geo_xmodal.pretrained import (
    FOLDER,
    Pretrained,
    PretrainedCard,
    PretrainedSensor,
    SensorEntry,
    is_pretraining,
    save_pretrained,
)
from tests import tiny
from tests.training_data import identity_statistics

DIMENSIONS, COMMON = 6, 4


def sensor(name: str, kind: str, bands: int, seed: int) -> PretrainedSensor:
    torch.manual_seed(seed)
    kernel = 3 if name == "sar" else 1
    spec = NetworkSpec("tanh_cnn", {"widths": (4,), "kernels": (kernel,), "dense": (5,)})
    encoder = BranchEncoder(spec, bands).eval()
    projector = Projector(encoder.features, 8, DIMENSIONS).eval()
    statistics = identity_statistics(bands)
    entry = SensorEntry(
        **dict(describe_target(name, kind, "made up", statistics)),  # type: ignore[arg-type]
        network=NetworkEntry(name=spec.name, options=dict(spec.options)),
        margin=encoder.margin,
        features=encoder.features,
    )
    return PretrainedSensor(entry, Standardize(statistics), encoder, projector)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_scene(tmp_path_factory.mktemp("scenes") / "tiny")


@pytest.fixture(scope="module")
def pretrained(scene: Path) -> Path:
    sensors = sensor("sar", "sar", 2, 0), sensor("hsi", "hsi", 8, 1)
    card = PretrainedCard(
        method="decur",
        dimensions=DIMENSIONS,
        common=COMMON,
        width=8,
        sensors=(sensors[0].entry, sensors[1].entry),
        scene="tiny",
        simulated=True,
    )
    save_pretrained(scene.parent / "run" / FOLDER, Pretrained(card, sensors))
    return scene.parent / "run"


def test_all_routines_are_written(scene: Path, pretrained: Path, tmp_path: Path) -> None:
    assert is_pretraining(pretrained) and is_pretraining(pretrained / FOLDER) and not is_pretraining(scene)
    out = tmp_path / "x"
    found = gx.explain_model(
        pretrained, gx.open_scene(scene), out, samples=80, steps=16, window=(0, 0, 32, 48)
    )
    names = [one.name for one in found.routines]
    assert names == ["alignment", "tsne", "gradcam", "agreement", "integrated_gradients", "occlusion"]
    assert sorted(found.files) == sorted(path.name for path in out.iterdir())
    kept = json.loads((out / "explanation.json").read_text())
    assert kept["common"] == COMMON and kept["sensors"] == ["sar", "hsi"] and kept["pixels"] == 80
    routines = kept["routines"]
    dimensions = {name: one["dimensions"] for name, one in routines["alignment"]["parts"].items()}
    assert dimensions == {"common": COMMON, "unique": DIMENSIONS - COMMON}
    assert routines["tsne"]["points"] == 2 * DIMENSIONS
    for part in ("common", "unique"):
        for name, bands in (("sar", 2), ("hsi", 8)):
            attributed = routines["integrated_gradients"]["sensors"][name]["parts"][part]
            assert attributed["completeness_gap"] < 0.02 and len(attributed["mean"]) == bands
    assert {one["sensor"] for one in routines["occlusion"]["groups"]} == {"sar", "hsi"}
    assert routines["agreement"]["blocks"] == 6
    with rasterio.open(out / "gradcam.tif") as raster, rasterio.open(scene / "sar.tif") as sar:
        assert raster.descriptions == ("sar common", "sar unique", "hsi common", "hsi unique")
        assert raster.shape == (32, 48) and raster.bounds.left == sar.bounds.left
        values = raster.read()
    assert np.isfinite(values).all() and values.min() >= 0


def test_a_band_that_no_encoder_looks_at_is_shared_with_nobody(
    scene: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = sensor("sar", "sar", 2, 0), sensor("hsi", "hsi", 8, 1)
    with torch.no_grad():
        next(second.encoder.parameters())[:, 3:] = 0
    card = PretrainedCard(
        method="barlow_twins",
        dimensions=DIMENSIONS,
        common=DIMENSIONS,
        width=8,
        sensors=(first.entry, second.entry),
        scene="tiny",
        simulated=True,
    )
    save_pretrained(tmp_path / "run" / FOLDER, Pretrained(card, (first, second)))
    words = ["explain", "--model", str(tmp_path / "run"), "--scene", str(scene), "--out", str(tmp_path / "x")]
    words += ["--samples", "40", "--routines", "integrated_gradients,occlusion", "--steps", "8", "--json"]
    assert run(words) == 0
    routines = json.loads(capsys.readouterr().out)["routines"]
    (sizes,) = (
        one["mean_absolute"] for one in routines["integrated_gradients"]["sensors"]["hsi"]["parts"].values()
    )  # a run that tells no unique dimensions apart has the common part alone
    assert not any(sizes[3:]) and all(sizes[:3])
    hidden = [one for one in routines["occlusion"]["groups"] if one["sensor"] == "hsi"]
    assert [one["correlation_drop"] == 0 for one in hidden] == [False] * 3 + [True] * 5


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"routines": "shap"}, "those for a pretraining run are alignment"),
        ({"classes": ("Water",)}, "no classes"),
    ],
)
def test_what_has_no_meaning_is_refused(
    asked: dict[str, object], words: str, scene: Path, pretrained: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        gx.explain_model(pretrained, gx.open_scene(scene), tmp_path / "x", **asked)


def test_scenes_without_pairs_are_refused(scene: Path, pretrained: Path, tmp_path: Path) -> None:
    lone = tiny.write_scene(tmp_path / "lone")
    text = (lone / "scene.toml").read_text()
    (lone / "scene.toml").write_text(text.replace('[modalities.hsi]\nfile = "hsi.tif"\nkind = "hsi"\n', ""))
    with pytest.raises(ModelMismatchError, match="made for hsi"):
        gx.explain_model(pretrained, gx.open_scene(lone), tmp_path / "x")
    empty = tiny.write_scene(tmp_path / "empty")
    with rasterio.open(empty / "hsi.tif", "r+") as hsi:
        hsi.write(np.full_like(hsi.read(), np.nan))
    with pytest.raises(TrainingDataError, match="at no pixel"):
        gx.explain_model(pretrained, gx.open_scene(empty), tmp_path / "x")
