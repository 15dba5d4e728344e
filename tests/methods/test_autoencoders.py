from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from geo_xmodal.correlation import objective
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods import METHODS
from geo_xmodal.methods.autoencoders.learner import AutoencoderLearner
from geo_xmodal.methods.autoencoders.paired import JointLearner, PairedLearner, Views
from geo_xmodal.methods.cnn import control_options
from geo_xmodal.training.loop import fit
from geo_xmodal.types import TrainingData
from tests.methods.test_methods import accuracy
from tests.training_data import make_training_data

NAMES = ("unimodal_dae", "bimodal_dae", "bimodal_sdae", "mdl_cw", "corr_ae", "corrnet")
PAIRED = NAMES[1:]
JOINT = ("bimodal_dae", "bimodal_sdae", "mdl_cw", "corrnet")
SMALL = {
    "widths": "8,8", "dense": "12,8", "auxiliary_widths": "10,8", "epochs": "4", "least_steps": "10",
    "batch_size": "64", "label_batch": "64", "learning_rate": "5e-3",
}  # fmt: skip


def made_up(**settings: Any) -> TrainingData:
    """Training data whose clipping limits lie where its values are, so that they are worth reconstructing."""
    data = make_training_data(**settings)
    assert data.auxiliary is not None
    near = {
        sensor.name: dataclasses.replace(
            sensor,
            statistics=dataclasses.replace(
                sensor.statistics, low=(-4.0,) * sensor.bands, high=(4.0,) * sensor.bands
            ),
        )
        for sensor in (data.target, data.auxiliary)
    }
    return dataclasses.replace(data, target=near["sar"], auxiliary=near["hsi"])


def fresh(name: str, data: TrainingData, seed: int = 0, **settings: Any) -> tuple[Any, Any]:
    method = METHODS[name]
    options = method.Options.model_validate({**SMALL, **settings})
    return method.learner(data, options, seed), options


def trained(name: str, data: TrainingData, **settings: Any) -> tuple[Any, list[dict[str, Any]]]:
    made, options = fresh(name, data, **settings)
    rows: list[dict[str, Any]] = []
    fit(made, options, 0, log=rows.append)
    return made, rows


def terms(made: AutoencoderLearner, stage: str = "pretrain") -> dict[str, Tensor]:
    index = [one.name for one in made.stages].index(stage)
    made.train()
    labelled = made.labelled.draw(torch.arange(len(made.labelled)))
    torch.manual_seed(0)
    return made.loss(index, labelled, made.unlabelled.draw(torch.arange(64)))


def moved(made: torch.nn.Module, loss: Tensor) -> set[str]:
    """Names of the weights that a loss changes."""
    made.zero_grad(set_to_none=True)
    loss.backward()
    return {name for name, p in made.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


def without_pairs(data: TrainingData, pairs: int = 0) -> TrainingData:
    first = np.arange(pairs)
    return dataclasses.replace(
        data,
        labelled_pairs=data.labelled_pairs.take(first),
        unlabelled_pairs=data.unlabelled_pairs.take(first[:0]),
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_term_falls_and_every_weight_of_the_map_learns(name: str) -> None:
    data = made_up(labels=30)
    made, rows = trained(name, data, epochs="12")
    stages = [stage.name for stage in made.stages]
    assert stages[-1] == "finetune"
    for stage in stages:
        mine = [row["loss"] for row in rows if row["stage"] == stage]
        assert mine[-1].keys() == mine[0].keys()
        assert sum(mine[-1].values()) < sum(mine[0].values()), stage
        if stage != "finetune":
            assert mine[-1]["target"] < mine[0]["target"], stage
    assert {f"model.{key}" for key, _ in made.model.named_parameters()} <= moved(
        made, torch.stack(list(terms(made, "finetune").values())).sum()
    )
    assert accuracy(made, data.validation) > 0.8  # chance is 1/3


@pytest.mark.parametrize("name", NAMES)
def test_a_patch_and_a_window_are_mapped_alike(name: str) -> None:
    model = trained(name, made_up(), epochs="2")[0].pixel_model()
    window = torch.randn(1, 4, 10, 9)
    window[0, 0, 5, 5] = torch.nan
    dense = model.probabilities(window)
    assert dense.shape == (1, 3, 4, 3)
    for row, col in ((0, 0), (2, 1), (3, 2)):
        patch = model.probabilities(window[:, :, row : row + 7, col : col + 7])
        assert torch.allclose(dense[:, :, row, col], patch[:, :, 0, 0], atol=1e-5)


@pytest.mark.parametrize(("name", "stop"), [("bimodal_sdae", 2), ("mdl_cw", 3), ("corrnet", 1)])
def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path: Path, name: str, stop: int) -> None:
    data = made_up()
    whole, _ = trained(name, data)

    def interrupt(done: int, total: int, message: str) -> None:
        if done * options.epochs == stop * total:
            raise KeyboardInterrupt

    half, options = fresh(name, data)
    with pytest.raises(KeyboardInterrupt):
        fit(half, options, 0, mark="m", folder=tmp_path, progress=interrupt)
    again, options = fresh(name, data, seed=9)
    fit(again, options, 0, mark="m", folder=tmp_path, resume=True)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


@pytest.mark.parametrize("name", JOINT)
def test_a_code_without_the_auxiliary_sensor_is_the_maps_own(name: str) -> None:
    made, _ = trained(name, made_up())
    assert isinstance(made, JointLearner)
    pixels = made.pixels(made.labelled.draw(torch.arange(20)), None)
    views = Views.of(pixels.paired, zeroing=True)
    made.options = made.options.model_copy(update={"corruption": 0.0})
    with torch.no_grad():
        codes, alone = made.codes(pixels, views), made.embedded(pixels.target)
    target_alone = views.target & ~views.auxiliary
    assert torch.allclose(codes[target_alone], alone[views.pixel[target_alone]], atol=1e-5)
    both = views.target & views.auxiliary
    assert not torch.allclose(codes[both], alone[views.pixel[both]], atol=0.05)
    target, auxiliary = views.alone
    assert torch.equal(views.pixel[target], views.pixel[auxiliary])
    other = dataclasses.replace(pixels, target=pixels.target + 1)
    with torch.no_grad():
        assert torch.allclose(made.codes(other, views)[auxiliary], codes[auxiliary], atol=1e-5)


def test_zeroing_makes_thirds_of_every_pair() -> None:
    paired = torch.tensor([True, False, True])
    views = Views.of(paired, zeroing=True)
    seen = sorted(zip(*(v.tolist() for v in (views.pixel, views.target, views.auxiliary)), strict=True))
    assert seen == [
        (0, False, True), (0, True, False), (0, True, True),
        (1, True, False),
        (2, False, True), (2, True, False), (2, True, True),
    ]  # fmt: skip
    plain = Views.of(paired, zeroing=False)
    assert plain.pixel.tolist() == [0, 1, 2]
    assert plain.target.all()
    assert torch.equal(plain.auxiliary, paired)


@pytest.mark.parametrize(
    ("name", "stage"), [("bimodal_dae", "pretrain"), ("bimodal_sdae", "finetune"), ("mdl_cw", "joint")]
)
def test_both_sensors_are_reconstructed_from_each_alone(name: str, stage: str) -> None:
    rows = {}
    for zeroing in (True, False):
        made, _ = fresh(name, made_up(labels=30), zeroing=zeroing)
        seen: list[int] = []
        for decoder in (made.decoder, made.auxiliary_decoder):
            decoder.register_forward_hook(lambda _, given, __, seen=seen: seen.append(len(given[0])))
        terms(made, stage)
        rows[zeroing] = seen
    pixels, pairs = 90 + 64, 45 + 64
    assert rows == {True: [pixels + 2 * pairs, 3 * pairs], False: [pixels, pairs]}


@pytest.mark.parametrize("name", NAMES)
def test_no_trace_of_the_auxiliary_sensor_is_in_the_map(name: str) -> None:
    made, _ = trained(name, made_up(), epochs="2")
    keys = set(made.pixel_model().state_dict())
    options = control_options(made.options, "target_only")
    control = METHODS["cnn"].learner(made_up().without_auxiliary(), options, 0)
    assert keys == set(control.pixel_model().state_dict())


def test_unimodal_dae_never_looks_at_the_auxiliary_sensor() -> None:
    data = made_up()
    states = [trained("unimodal_dae", one)[0].state_dict() for one in (data, data.without_auxiliary())]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_corruption_hides_or_shakes_what_comes_in() -> None:
    x = torch.randn(200, 4, 7, 7) + 3
    data = made_up()
    masked = fresh("unimodal_dae", data, corruption="0.4")[0].corrupted(x)
    assert float((masked == 0).float().mean()) == pytest.approx(0.4, abs=0.02)
    assert torch.equal(masked[masked != 0], x[masked != 0])
    shaken = fresh("unimodal_dae", data, corruption="0.4", corruption_kind="gaussian")[0].corrupted(x)
    assert float((shaken - x).std()) == pytest.approx(0.4, abs=0.02)
    assert torch.equal(fresh("corrnet", data)[0].corrupted(x), x)


def test_labels_may_move_the_classifier_alone() -> None:
    data = made_up(labels=30)
    for finetune in ("head", "all"):
        made, options = fresh("corr_ae", data, finetune=finetune, pretrain_share="0.25", epochs="12")
        before: dict[str, Tensor] = {}

        def keep(row: dict[str, Any], made: Any = made, before: dict[str, Tensor] = before) -> None:
            if row["stage"] == "pretrain":
                before.update({key: value.clone() for key, value in made.model.state_dict().items()})

        fit(made, options, 0, log=keep)
        same = {key for key, value in made.model.state_dict().items() if torch.equal(value, before[key])}
        encoder = {key for key in before if key.startswith("network.encoder")}
        assert encoder
        assert encoder & same == (encoder if finetune == "head" else set())
        assert not {"network.head.weight", "network.head.bias"} & same
        assert accuracy(made, data.validation) > 0.5


def test_corrnet_correlates_the_codes() -> None:
    data = made_up(labels=30)
    reached = {}
    for weight in ("0", "2"):
        made, options = fresh("corrnet", data, correlation_weight=weight, epochs="8")
        made.stages = made.stages[:1]
        fit(made, options, 0)
        pixels = made.pixels(made.unlabelled.draw(torch.arange(300)), None)
        views = Views.of(pixels.paired, zeroing=True)
        target, auxiliary = views.alone
        with torch.no_grad():
            codes = made.codes(pixels, views)
            reached[weight] = float(objective("corrnet")(codes[target], codes[auxiliary]))
    units = 8
    assert units - reached["2"] < 0.5 * (units - reached["0"])


def test_corrnets_terms_have_the_authors_scale() -> None:
    made, _ = fresh("corrnet", made_up(labels=30), dropout="0")
    observed = terms(made)
    made.train()
    labelled, unlabelled = made.labelled, made.unlabelled.draw(torch.arange(64))
    torch.manual_seed(0)
    pixels = made.pixels(labelled.draw(torch.arange(len(labelled))), unlabelled)
    views = Views.of(pixels.paired, zeroing=True)
    codes = made.codes(pixels, views)
    squares = (made.decoder(codes) - made.unit(pixels.target[views.pixel])).square().flatten(1).sum(1)
    assert float(observed["target"].detach()) == pytest.approx(float(squares.mean().detach()) / 2, rel=1e-4)
    f, g = (codes[rows].detach().double().numpy() for rows in views.alone)
    correlations = [np.corrcoef(f[:, k], g[:, k])[0, 1] for k in range(f.shape[1])]
    assert float(observed["correlation"].detach()) == pytest.approx(-2 * sum(correlations), abs=1e-3)


def test_corr_ae_draws_the_codes_of_a_pair_together() -> None:
    data = made_up(labels=30, noise=0.5)
    distance = {}
    for alpha in ("0", "0.5"):
        made, options = fresh("corr_ae", data, alpha=alpha, epochs="6")
        made.stages = made.stages[:1]
        fit(made, options, 0)
        pixels = made.pixels(made.unlabelled.draw(torch.arange(300)), None)
        with torch.no_grad():
            f = made.embedded(pixels.target)
            g = made.auxiliary_code(made.spectral_features(pixels.auxiliary)[:, :, None, None]).flatten(1)
        distance[alpha] = float((f - g).square().mean() / f.var(0).mean())
    assert distance["0.5"] < 0.5 * distance["0"]


@pytest.mark.parametrize(
    ("variant", "auxiliary_from_target", "target_from_auxiliary"),
    [("plain", False, False), ("cross", True, True), ("full", True, True)],
)
def test_the_variants_of_corr_ae_say_what_a_code_reconstructs(
    variant: str, auxiliary_from_target: bool, target_from_auxiliary: bool
) -> None:
    made, _ = fresh("corr_ae", made_up(), variant=variant, alpha="0")
    auxiliary, target = (moved(made, terms(made)[name]) for name in ("auxiliary", "target"))
    stream, encoder = "auxiliary_stream.0.0.weight", "model.network.encoder.0.0.weight"
    assert (encoder in auxiliary) == auxiliary_from_target
    assert (stream in target) == target_from_auxiliary
    assert (stream in auxiliary) == (variant != "cross")
    assert (encoder in target) == (variant != "cross")


def test_bimodal_sdae_weighs_labels_and_learns_unlabelled_pixels_by_reconstruction() -> None:
    data = made_up(labels=30)
    once, thrice = (terms(fresh("bimodal_sdae", data, label_weight=w)[0], "finetune") for w in ("1", "3"))
    assert set(once) == {"target", "auxiliary", "label"}
    assert float(thrice["label"].detach()) == pytest.approx(3 * float(once["label"].detach()), rel=1e-4)
    assert torch.equal(once["target"], thrice["target"])
    made, _ = fresh("bimodal_sdae", data)
    parts = terms(made)
    assert not any(name.startswith("auxiliary") for name in moved(made, parts["target"]))
    assert not any(name.startswith("model") for name in moved(made, terms(made)["auxiliary"]))


def test_mdl_cw_trains_cross_weights_by_themselves_then_all() -> None:
    made, _ = fresh("mdl_cw", made_up(labels=30))
    assert [stage.name for stage in made.stages] == ["layers", "cross", "joint", "finetune"]
    crossing = {name for name, _ in made.named_parameters() if name.startswith(("to_auxiliary", "to_target"))}
    assert len(crossing) == 2 + 3

    def total(stage: str) -> Tensor:
        return torch.stack(list(terms(made, stage).values())).sum()

    assert moved(made, total("cross")) == crossing
    assert not crossing & moved(made, total("layers"))
    assert crossing <= moved(made, total("joint"))
    assert crossing <= moved(made, total("finetune"))


def test_each_layer_of_mdl_cw_learns_for_itself() -> None:
    made, _ = fresh("mdl_cw", made_up(labels=30))

    def gradients() -> list[Tensor]:
        made.zero_grad(set_to_none=True)
        torch.stack(list(terms(made, "layers").values())).sum().backward()
        return [layer[0].weight.grad.clone() for layer in made.encoder[:-1]]

    before = gradients()
    with torch.no_grad():
        made.undo[2].weight.mul_(3)
    after = gradients()
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert not torch.equal(before[2], after[2])


@pytest.mark.parametrize("name", PAIRED)
@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_it_needs_two_pairs(name: str, pairs: int) -> None:
    data = without_pairs(made_up(labels=100), pairs)
    if pairs < 2:
        with pytest.raises(TrainingDataError, match=f"{pairs} pixels have both sensors, {name} needs 2"):
            fresh(name, data)
    else:
        made, _ = trained(name, data, label_batch="8", batch_size="8")
        assert all(value.isfinite().all() for value in made.state_dict().values())


@pytest.mark.parametrize("name", NAMES)
def test_it_does_without_unlabelled_pixels(name: str) -> None:
    data = made_up(labels=30)
    none = np.empty(0, np.int64)
    less = dataclasses.replace(
        data,
        unlabelled_pairs=data.unlabelled_pairs.take(none),
        unlabelled_target=data.unlabelled_target.take(none),
    )
    made, _ = trained(name, less, epochs="6")
    assert accuracy(made, data.validation) > 0.6


@pytest.mark.parametrize("name", NAMES)
def test_without_batch_norm_and_with_other_depths(name: str) -> None:
    settings = {
        "batch_norm": False,
        "dense": "8",
        "auxiliary_widths": "9,9,9,9,9",
        "augment": True,
        "noise": "0.1",
    }
    made, _ = trained(name, made_up(), **settings)
    assert all(value.isfinite().all() for value in made.state_dict().values())
    if isinstance(made, PairedLearner):
        assert made.auxiliary_features == 9
