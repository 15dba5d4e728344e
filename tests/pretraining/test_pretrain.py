"""A pretraining of a small scene, from pairs to encoders on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from safetensors.torch import load_file

import geo_xmodal as gx
from geo_xmodal.commands.app import run as command
from geo_xmodal.errors import BundleError, ResumeError, TrainingDataError, UsageError
from geo_xmodal.methods.pretraining.learner import PretrainLearner
from geo_xmodal.methods.pretraining.options import PretrainingOptions
from tests.chips import sets
from tests.tiny import HSI_COLUMNS, write_scene
from tests.training_data import make_training_data

SMALL = {
    "unlabelled": "300", "dimensions": "16", "projector_width": "16", "batch_size": "64", "least_steps": "2",
    "contrasts": "", "kernels": "3", "widths": "8", "embedding": "6", "auxiliary_widths": "8,8",
}  # fmt: skip


def request(method: str = "decur", **settings: str) -> gx.PretrainRequest:
    return gx.PretrainRequest(method=method, epochs=2, settings=SMALL | settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("scene") / "tiny", tested=0.3)


@pytest.fixture(scope="module")
def run(folder: Path) -> gx.PretrainingRun:
    return gx.pretrain_scene(gx.open_scene(folder), folder.parent / "run", request())


def weights(run: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((run / "encoders").glob("*.safetensors"))]


def test_a_run_has_encoders_of_both_sensors_and_a_probe(run: gx.PretrainingRun) -> None:
    found = gx.load_pretrained(run.folder)
    assert [one.name for one in found.sensors] == ["sar", "hsi"]
    assert (found.common, found.dimensions, found.card.method) == (14, 16, "decur")
    assert found.card.simulated and not found.card.transductive
    assert {"oa", "aa"} <= run.metrics["probe"]["pretrained"].keys() & run.metrics["probe"]["random"].keys()
    assert json.loads((run.folder / "metrics.json").read_text()) == run.metrics
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "config.json", "encoders", "log.jsonl", "metrics.json",
    ]  # fmt: skip


def test_what_was_stopped_goes_on_to_the_same_bytes(run: gx.PretrainingRun, folder: Path) -> None:
    out = folder.parent / "stopped"

    def stop(done: int, total: int, message: str) -> None:
        if "epoch 2" in message:
            raise KeyboardInterrupt

    scene = gx.open_scene(folder)
    with pytest.raises(KeyboardInterrupt):
        gx.pretrain_scene(scene, out, request(), stop)
    with pytest.raises(gx.GeoXmodalError, match="is not finished"):
        gx.load_pretrained(out)
    with pytest.raises(ResumeError):
        gx.pretrain_scene(scene, out, request(noise="0.2").model_copy(update={"resume": True}))
    gx.pretrain_scene(scene, out, request().model_copy(update={"resume": True}))
    assert weights(out) == weights(run.folder)


def test_pixels_under_test_labels_take_no_part(run: gx.PretrainingRun, folder: Path, tmp_path: Path) -> None:
    changed = write_scene(tmp_path / "tiny", tested=0.3)
    with rasterio.open(changed / "test.tif") as labels, rasterio.open(changed / "sar.tif", "r+") as radar:
        pixels = radar.read()
        pixels[:, labels.read(1) > 0] *= 50
        radar.write(pixels)
    assert not np.array_equal(pixels, rasterio.open(folder / "sar.tif").read())
    other = gx.pretrain_scene(gx.open_scene(changed), tmp_path / "run", request())
    assert weights(other.folder) == weights(run.folder)


def test_info_says_what_it_is_and_maps_say_what_it_is_not(
    run: gx.PretrainingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["info", str(run.folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["type"] == "encoders" and found["common"] == 14
    with pytest.raises(BundleError, match="holds pretrained encoders, which know no classes"):
        gx.load_bundle(run.folder)


def test_pixels_of_one_sensor_alone_take_no_part(run: gx.PretrainingRun) -> None:
    config = json.loads((run.folder / "config.json").read_text())
    assert config["data"]["counts"]["unlabelled_target"] == 0
    assert run.metrics["pairs"] <= 96 * HSI_COLUMNS


def test_a_scene_without_labels_pretrains(folder: Path, tmp_path: Path) -> None:
    bare = write_scene(tmp_path / "bare")
    text = (bare / "scene.toml").read_text()
    (bare / "scene.toml").write_text(text[: text.index("[[classes]]")])
    found = gx.pretrain_scene(gx.open_scene(bare), tmp_path / "run", request("simclr"))
    assert found.metrics["probe"] == {} and found.metrics["pairs"] == 300
    assert found.load().common == found.load().dimensions


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request("decurr"), "unknown method of pretraining 'decurr' .did you mean 'decur'."),
        (request(dimension="8"), "no setting 'dimension' .did you mean 'dimensions'."),
        (request(encoder="forest"), "'forest' is no target branch"),
        (request(common="1.5"), "common=1.5: Input should be less than or equal to 1"),
    ],
)
def test_what_has_no_meaning_is_refused(
    folder: Path, tmp_path: Path, asked: gx.PretrainRequest, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        gx.pretrain_scene(gx.open_scene(folder), tmp_path / "run", asked)


def learner(method: str = "decur", **options: Any) -> PretrainLearner:
    small = PretrainingOptions(
        contrasts=(), kernels=(3,), widths=(4,), embedding=4, auxiliary_contrasts=(), auxiliary_kernels=(1,),
        auxiliary_widths=(4,), dimensions=8, projector_width=8, **options,
    )  # fmt: skip
    torch.manual_seed(0)
    return PretrainLearner(make_training_data(margin=1), method, small)


def test_with_lars_biases_and_norms_are_neither_adapted_nor_decayed() -> None:
    matrices, others = learner(optimizer="lars").groups()
    assert all(one.ndim > 1 for one in matrices.weights) and all(one.ndim == 1 for one in others.weights)
    assert (others.rate, others.decay) == (pytest.approx(0.0048 / 0.2), 0)
    count = sum(1 for _ in learner().parameters())
    assert len(matrices.weights) + len(others.weights) == count


def test_one_projector_serves_both_sensors_as_in_the_released_code() -> None:
    first, second = learner(shared_projector=True).sensors()
    assert torch.equal(first.projector[0].weight, second.projector[0].weight)
    first, second = learner().sensors()
    assert not torch.equal(first.projector[0].weight, second.projector[0].weight)


def test_pretraining_needs_pairs() -> None:
    with pytest.raises(TrainingDataError, match="needs pixels that two sensors have; there are 0"):
        PretrainLearner(make_training_data(margin=1).without_auxiliary(), "decur", PretrainingOptions())


def loss_of(learner: PretrainLearner, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    batch = learner.draw(learner.unlabelled, torch.randint(len(learner.unlabelled), (64,)))
    (loss,) = learner.loss(0, batch, batch).values()
    return loss


@pytest.mark.parametrize("method", ["decur", "barlow_twins", "simclr", "clip", "vicreg"])
def test_every_method_falls(method: str) -> None:
    one = learner(method, noise=0, crop=1)
    one.train()
    before = [float(loss_of(one, seed).detach()) for seed in range(5)]
    optimizer = torch.optim.AdamW(one.parameters(), lr=1e-2)
    for step in range(25):
        optimizer.zero_grad()
        loss_of(one, 100 + step).backward()
        optimizer.step()
    assert np.mean([float(loss_of(one, seed).detach()) for seed in range(5)]) < np.mean(before)


def test_chips_pretrain_with_labels_and_without(tmp_path: Path) -> None:
    folder = sets.fields(tmp_path / "set", train=4, test=1, side=16)
    labelled = gx.pretrain_scene(gx.open_chips(folder), tmp_path / "one", request(labels_per_class="30"))
    assert labelled.metrics["probe"] and labelled.load().card.sensors[0].modality == "sar"
    for label in (folder / "labels").iterdir():
        label.unlink()
    bare = gx.pretrain_scene(gx.open_chips(folder), tmp_path / "two", request())
    assert bare.metrics["probe"] == {} and bare.metrics["pairs"] == 300


def test_the_command_takes_bf16_and_lars(folder: Path, tmp_path: Path) -> None:
    settings = SMALL | {"optimizer": "lars", "labels_per_class": "2", "unlabelled": "64"}
    found = {}
    for precision in ("float32", "bf16"):
        out = tmp_path / precision
        chosen = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        asked = ["pretrain", "--scene", str(folder), "--out", str(out), "--epochs", "1", *chosen]
        assert command([*asked, "--precision", precision]) == 0
        config = json.loads((out / "config.json").read_text())
        assert (config["compute"]["precision"], config["options"]["optimizer"]) == (precision, "lars")
        found[precision] = load_file(out / "encoders" / "encoder-sar.safetensors")
    kept = found["bf16"].values()
    assert all(one.dtype != torch.bfloat16 and one.isfinite().all() for one in kept)
    assert any(not torch.equal(one, found["float32"][name]) for name, one in found["bf16"].items())


# --- whole images


@pytest.fixture(scope="module")
def of_images(folder: Path) -> Path:
    out = folder.parent / "images"
    quick = {"encoder": "resnet18", "image": "33", "labels_per_class": "2", "unlabelled": "8"}
    asked = request(**quick, least_steps="1").model_copy(update={"epochs": 1})
    gx.pretrain_scene(gx.open_scene(folder), out, asked)
    return out


def test_backbones_see_whole_images_and_encoders_of_pixels_their_mean(of_images: Path) -> None:
    pretrained = gx.load_pretrained(of_images)
    assert pretrained.sensors[0].entry.network.name == "resnet18"
    metrics = json.loads((of_images / "metrics.json").read_text())
    assert metrics["probe"] == {} and np.isfinite(list(metrics["loss"].values())).all()
    for one in pretrained.sensors:
        images = torch.randn(2, one.encoder.bands, 33, 33)
        assert one.encoder.of_images(images).shape == (2, one.entry.features)
    dense = pretrained.sensors[1].encoder
    torch.testing.assert_close(dense.of_images(images), dense(images).mean((2, 3)))
    with pytest.raises(ValueError, match="image 5 is smaller than the 11 pixels a side"):
        PretrainingOptions(encoder="resnet18", image=5, auxiliary_contrasts=(), auxiliary_kernels=(1, 1))


def test_images_are_no_smaller_than_a_backbone_takes() -> None:
    with pytest.raises(
        ValueError, match="image 31 is smaller than the 32 pixels a side that mit_b0 looks at"
    ):
        PretrainingOptions(encoder="mit_b0", image=31)
    assert PretrainingOptions(encoder="mit_b0", image=33).image == 33


def test_a_network_on_windows_starts_from_the_backbone_of_a_run(folder: Path, of_images: Path) -> None:
    scene, out = gx.open_scene(folder), of_images.parent / "fcn"
    quick = {"tile": "32", "overlap": "0", "least_steps": "1", "label_batch": "2", "learning_rate": "1e-12"}
    asked = gx.TrainRequest(method="fcn", epochs=1, init=of_images, settings=quick)
    gx.train_scene(scene, out, asked)
    encoder = load_file(of_images / "encoders" / "encoder-sar.safetensors")
    model = load_file(out / "model" / "model.safetensors")
    got, wanted = model["network.encoders.0.net.conv1.weight"], encoder["encoder.backbone.net.conv1.weight"]
    torch.testing.assert_close(got, wanted, rtol=0, atol=1e-6)
    assert gx.read_card(out).target.statistics == gx.load_pretrained(of_images).sensor("sar").entry.statistics
    other = asked.model_copy(update={"settings": quick | {"backbone": "mit_b0"}})
    with pytest.raises(UsageError, match="pretrained with resnet18; the backbone would be mit_b0"):
        gx.train_scene(scene, out.with_name("other"), other)
