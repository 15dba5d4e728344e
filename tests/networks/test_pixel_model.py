from __future__ import annotations

import numpy as np
import pytest
import torch

from geo_xmodal.errors import BundleError, ModelMismatchError
from geo_xmodal.networks import NetworkSpec, PixelModel, build_network, linear_model
from geo_xmodal.networks.encoders import LocalContrast
from tests.training_data import identity_statistics

OPTIONS = {"contrasts": [3, 7], "kernels": [5, 3], "widths": [8, 8], "embedding": 8}


def model(options: dict[str, object] = OPTIONS) -> PixelModel:
    torch.manual_seed(0)
    made = PixelModel(NetworkSpec("pixel_cnn", options), identity_statistics(2), classes=3)
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return made.eval()


def test_margin_is_the_largest_contrast_and_all_kernels() -> None:
    assert model().margin == 7 // 2 + 2 + 1
    assert model({"kernels": [5, 3]}).margin == 3


def test_a_window_gives_the_same_numbers_as_its_patches() -> None:
    made = model()
    m = made.margin
    x = torch.randn(1, 2, 12 + 2 * m, 9 + 2 * m)
    x[0, :, 3, 4] = float("nan")
    dense = made.probabilities(x)
    assert dense.shape == (1, 3, 12, 9)
    for row in range(12):
        for col in range(9):
            patch = x[:, :, row : row + 2 * m + 1, col : col + 2 * m + 1]
            torch.testing.assert_close(made.probabilities(patch)[0, :, 0, 0], dense[0, :, row, col])


def test_nothing_outside_the_patch_matters() -> None:
    made = model()
    m = made.margin
    x = torch.randn(1, 2, 4 + 2 * m, 4 + 2 * m)
    changed = x.clone()
    changed[:, :, 2 * m + 1 :, :] += 100
    changed[:, :, :, 2 * m + 1 :] += 100
    assert torch.equal(made(x)[..., 0, 0], made(changed)[..., 0, 0])
    assert not torch.allclose(made(x)[..., 1, 1], made(changed)[..., 1, 1])


def test_probabilities_ignore_training_mode_and_leave_it() -> None:
    made = model({**OPTIONS, "dropout": 0.5})
    x = torch.randn(2, 2, 20, 20)
    expected = made.probabilities(x)
    made.train()
    torch.testing.assert_close(made.probabilities(x), expected)
    assert made.training
    torch.testing.assert_close(expected.sum(1), torch.ones_like(expected[:, 0]))


def test_local_contrast_is_the_value_above_the_local_mean() -> None:
    x = torch.randn(1, 1, 9, 9, dtype=torch.float64)
    out = LocalContrast(1, (3, 5))(x)
    assert out.shape == (1, 3, 5, 5)
    torch.testing.assert_close(out[0, 0], x[0, 0, 2:7, 2:7])
    torch.testing.assert_close(out[0, 1, 0, 0], x[0, 0, 2, 2] - x[0, 0, 1:4, 1:4].mean())
    torch.testing.assert_close(out[0, 2, 4, 4], x[0, 0, 6, 6] - x[0, 0, 4:9, 4:9].mean())
    lifted = LocalContrast(1, (3, 5))(x + 10)
    torch.testing.assert_close(lifted[0, 1:], out[0, 1:])


def test_linear_model_is_the_given_hyperplanes() -> None:
    weight, bias = np.array([[1.0, 2.0], [-1.0, 0.5]]), np.array([0.25, -0.25])
    made = linear_model(identity_statistics(2), weight, bias)
    x = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)
    assert made.margin == 0
    assert made(x).flatten().tolist() == pytest.approx([3 + 8 + 0.25, -3 + 2 - 0.25])


@pytest.mark.parametrize("shape", [(1, 3, 20, 20), (1, 2, 20, 5), (2, 20, 20)])
def test_input_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelMismatchError, match="needs"):
        model()(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("os.system", {}, "unknown network"),
        ("pixel_cnn", {"kernels": [4, 3]}, "odd"),
        ("pixel_cnn", {"kernels": [5]}, "widths"),
        ("pixel_cnn", {"widths": [10**9, 4]}, "widths"),
        ("pixel_cnn", {"surprise": 1}, "surprise"),
        ("linear", {"surprise": 1}, "surprise"),
    ],
)
def test_networks_that_a_card_may_not_ask_for(name: str, options: dict[str, object], match: str) -> None:
    with pytest.raises(BundleError, match=match):
        build_network(NetworkSpec(name, options), 2, 3)
