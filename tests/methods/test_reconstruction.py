from __future__ import annotations

import dataclasses

import pytest
import torch

from geo_xmodal.methods.base import Pool
from geo_xmodal.methods.reconstruction import (
    PatchDecoder,
    SpectrumDecoder,
    UnitScale,
    corrupted,
    standardised_auxiliary,
)
from geo_xmodal.methods.rows import HeldRows
from geo_xmodal.networks import Standardize
from geo_xmodal.objectives import Reconstruction
from geo_xmodal.types import BandStatistics

STATISTICS = BandStatistics(
    bands=("power", "signed", "constant"),
    transform=("log", "asinh", "identity"),
    scale=(0.1, 2.0, 1.0),
    low=(0.1, -8.0, 3.0),
    high=(10.0, 8.0, 3.0),
    mean=(0.5, 0.1, 3.0),
    std=(2.0, 1.5, 1.0),
)


def test_clipping_limits_become_zero_and_one_on_the_scale_of_the_input() -> None:
    raw = torch.tensor([[0.01, -9.0, 3.0], [10.0, 8.0, 3.0], [1.0, 0.0, 3.0]])[:, :, None, None]
    unit = UnitScale(STATISTICS)(Standardize(STATISTICS)(raw))[:, :, 0, 0]
    # 1.0 lies halfway between 0.1 and 10 in logarithms, and 0 halfway in asinh
    assert torch.allclose(unit[:, :2], torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]]), atol=1e-6)
    assert unit[:, 2].isfinite().all()


def test_spectra_are_scaled_as_patches_are() -> None:
    values = torch.randn(5, 3)
    scale = UnitScale(STATISTICS)
    assert torch.equal(scale(values), scale(values[:, :, None, None])[:, :, 0, 0])


@pytest.mark.parametrize(("kernels", "widths"), [((5, 3), (32, 64)), ((3,), (6,)), ((5, 3, 3), (4, 5, 6))])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_decoder_gives_back_patches_of_the_size_that_went_in(
    kernels: tuple[int, ...], widths: tuple[int, ...], batch_norm: bool
) -> None:
    decoder = PatchDecoder(16, 4, kernels, widths, batch_norm)
    side = 1 + sum(kernel - 1 for kernel in kernels)
    decoded = decoder(torch.randn(9, 16))
    assert decoded.shape == (9, 4, side, side)
    assert decoded.min() > 0 and decoded.max() < 1
    assert any(isinstance(one, torch.nn.BatchNorm2d) for one in decoder) == batch_norm


def test_a_decoder_can_learn_one_patch() -> None:
    torch.manual_seed(0)
    wanted, code = torch.rand(1, 2, 7, 7), torch.ones(1, 8)
    decoder = PatchDecoder(8, 2, batch_norm=False)
    optimizer = torch.optim.Adam(decoder.parameters(), 0.02)
    for _ in range(120):
        loss = Reconstruction()(decoder(code), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.01  # a patch of one value is 0.08 off


def test_the_spectrum_decoder_mirrors_the_encoder() -> None:
    decoder = SpectrumDecoder(128, 244)
    layers = [one.out_features for one in decoder if isinstance(one, torch.nn.Linear)]
    assert layers == [64, 160, 244]
    assert decoder(torch.randn(3, 128)).shape == (3, 244)


def test_the_sum_is_the_mean_times_the_values_of_a_pixel() -> None:
    a, b = torch.rand(4, 3, 7, 7), torch.rand(4, 3, 7, 7)
    total = Reconstruction("sum")(a, b)
    assert total == pytest.approx(float(((a - b) ** 2).flatten(1).sum(1).mean()), rel=1e-5)
    assert total == pytest.approx(float(Reconstruction()(a, b)) * 3 * 49, rel=1e-5)


def test_corruption_hides_a_share_and_leaves_the_rest() -> None:
    torch.manual_seed(0)
    x = torch.randn(1000, 20)
    noisy = corrupted(x, 0.3)
    hidden = noisy == 0
    assert float(hidden.float().mean()) == pytest.approx(0.3, abs=0.02)
    assert torch.equal(noisy[~hidden], x[~hidden])
    assert torch.equal(corrupted(x, 0.0), x)


def test_rows_without_the_auxiliary_sensor_stay_missing() -> None:
    auxiliary = torch.rand(4, 3, 1, 1)
    auxiliary[1] = torch.nan
    pool = Pool(HeldRows(torch.zeros(4, 1)), HeldRows(auxiliary), None)
    rows = standardised_auxiliary(pool, STATISTICS).auxiliary
    assert rows is not None
    spectra = rows.take(torch.arange(4))
    assert spectra.isnan().all(1).tolist() == [False, True, False, False]
    assert torch.equal(spectra[0], Standardize(STATISTICS)(auxiliary[:1]).flatten())
    nothing = standardised_auxiliary(dataclasses.replace(pool, auxiliary=None), STATISTICS).auxiliary
    assert nothing is not None
    assert nothing.take(torch.arange(4)).shape == (4, 3) and nothing.take(torch.arange(4)).isnan().all()
