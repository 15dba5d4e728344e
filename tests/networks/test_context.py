from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import ndimage

from geo_xmodal.networks.context import MAX_FEATURES, Context, ContextOptions

EVERYTHING = {
    "context": ("mean", "contrast", "std", "min", "max", "texture", "gradient"),
    "sizes": (3, 5),
    "openings": (3, 5),
    "ratios": "index",
    "level": (3.0, 2.0),
    "spread": (0.5, 0.25),
}


def inner(values: np.ndarray, margin: int) -> np.ndarray:
    return values[..., margin:-margin, margin:-margin]


@pytest.mark.parametrize("size", [3, 7])
def test_features_of_a_square_are_numpys_and_scipys(size: int) -> None:
    x = np.random.default_rng(0).normal(size=(20, 24))
    options = ContextOptions(context=("mean", "contrast", "std", "min", "max", "texture"), sizes=(size,))
    found = Context(1, options)(torch.from_numpy(x.astype(np.float32))[None, None])[0].numpy()
    squares = np.lib.stride_tricks.sliding_window_view(x, (size, size))
    down = np.abs(np.diff(squares, axis=2)).mean((2, 3))
    across = np.abs(np.diff(squares, axis=3)).mean((2, 3))
    centre = inner(x, size // 2)
    expected = [
        centre,
        squares.mean((2, 3)),
        centre - squares.mean((2, 3)),
        squares.std((2, 3)),
        squares.min((2, 3)),
        squares.max((2, 3)),
        (down + across) / 2,
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_openings_and_closings_are_scipys() -> None:
    x = np.random.default_rng(0).normal(size=(30, 24)).astype(np.float32)
    found = Context(1, ContextOptions(openings=(5,)))(torch.from_numpy(x)[None, None])[0].numpy()
    np.testing.assert_array_equal(found[1], inner(ndimage.grey_opening(x, (5, 5)), 4))
    np.testing.assert_array_equal(found[2], inner(ndimage.grey_closing(x, (5, 5)), 4))


def test_a_ramp_has_its_slope_as_gradient_and_ratios_are_of_values_as_measured() -> None:
    row, col = np.mgrid[:9, :9].astype(np.float32)
    x = torch.from_numpy(np.stack([3 * row + 4 * col, np.ones((9, 9), np.float32)]))[None]
    slope = Context(2, ContextOptions(context=("gradient",)))(x)[0]
    assert torch.equal(slope[2], torch.full((7, 7), 5.0)) and not slope[3].any()
    index = Context(2, ContextOptions(ratios="index", level=(10.0, 2.0), spread=(1.0, 4.0)))(x)[0, 2, 0, 0]
    assert index == pytest.approx((10 - 6) / (10 + 6))
    difference = Context(2, ContextOptions(ratios="difference", spread=(1.0, 4.0)))(x)[0, 2, 0, 1]
    assert difference == 4 - 4


def test_a_patch_and_a_window_give_the_same_numbers_to_the_bit() -> None:
    context = Context(2, ContextOptions(**EVERYTHING))
    side = 2 * context.margin + 1
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 2, 40, 37)).astype(np.float32))
    dense = context(x)
    patches = x[0].unfold(1, side, 1).unfold(2, side, 1).permute(1, 2, 0, 3, 4).flatten(0, 1).contiguous()
    assert torch.equal(context(patches)[:, :, 0, 0].T.reshape(dense[0].shape), dense[0])
    part = context(x[:, :, 5:30, 3:34].contiguous(memory_format=torch.channels_last))
    assert torch.equal(part, dense[:, :, 5 : 5 + part.shape[2], 3 : 3 + part.shape[3]])


@pytest.mark.parametrize(
    "options",
    [
        EVERYTHING,
        {"context": ("gradient",)},
        {"context": ("texture",), "sizes": (5,)},
        {"openings": (3,)},
        {"sizes": (5,)},
        {"ratios": "difference"},
    ],
)
def test_the_margin_is_what_is_looked_at(options: dict) -> None:
    context = Context(2, ContextOptions(**options))
    side = 2 * (context.margin + 1) + 1
    x = torch.zeros(1, 2, side, side).normal_(generator=torch.Generator().manual_seed(0)).requires_grad_()
    inside = x[:, :, 1:-1, 1:-1]
    made = context(inside)
    assert made.shape == (1, context.features, 1, 1)
    seen = torch.zeros(side, side, dtype=torch.bool)
    for feature in made.flatten():
        (slope,) = torch.autograd.grad(feature, x, retain_graph=True, allow_unused=True)
        seen |= slope.abs().sum((0, 1)) > 0
    rows = torch.nonzero(seen.any(1)).flatten()
    if "openings" in options:  # which pixels an extreme comes from depends on the values
        assert context.margin == max(options["openings"]) - 1
    else:
        assert (rows.min(), rows.max()) == (1, side - 2)


def test_sizes_and_numbers_of_features_have_limits() -> None:
    with pytest.raises(ValidationError, match="must be odd, from 3 on"):
        ContextOptions(sizes=(4,))
    with pytest.raises(ValidationError, match="must be odd, from 3 on"):
        ContextOptions(openings=(1,))
    many = ContextOptions(**{**EVERYTHING, "level": (), "spread": ()})
    with pytest.raises(ValueError, match=f"{MAX_FEATURES:,} are the limit"):
        Context(1000, many)
    with pytest.raises(ValueError, match="level has 2 values for 3 bands"):
        Context(3, ContextOptions(**EVERYTHING))
