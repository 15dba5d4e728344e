"""What embeddings share: known answers for alignment, counterparts and agreement."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geo_xmodal.explain.embeddings import agreement, alignment, counterparts_found, laid_out, normalised


def embeddings(seed: int, n: int = 4000, dimensions: int = 12) -> torch.Tensor:
    return torch.randn(n, dimensions, generator=torch.Generator().manual_seed(seed))


def test_identical_embeddings_are_aligned_and_independent_ones_are_not() -> None:
    z = embeddings(0)
    same = alignment(z, 5 * z + 3, 12)  # batch norm takes scale and shift away
    assert same.losses.max() < 1e-4
    shares, above = same.histogram(slice(0, 12))
    assert shares[0] == 1 and above == 0
    apart = alignment(z, embeddings(1), 12)
    assert apart.correlation.abs().max() < 0.08 and torch.allclose(apart.losses, torch.ones(12), atol=0.17)
    shares, above = apart.histogram(slice(0, 12))
    assert shares.sum() + above == pytest.approx(1) and shares[:18].sum() == 0
    opposed = alignment(z, -z, 12)
    assert torch.allclose(opposed.losses, torch.full((12,), 4.0), atol=1e-3)
    assert opposed.histogram(slice(0, 12))[1] == 1


def test_the_correlation_is_the_diagonal_of_the_matrix() -> None:
    a, b = embeddings(0, 50), embeddings(0, 50) + embeddings(1, 50)
    matrix = normalised(a).T @ normalised(b) / 50
    assert torch.allclose(alignment(a, b, 4).correlation, matrix.diagonal(), atol=1e-6)


def test_half_common_and_half_unique_are_told_apart() -> None:
    first, second = embeddings(0), embeddings(1)
    second[:, :6] = first[:, :6] + 0.3 * second[:, :6]
    made = alignment(first, second, 6)
    assert made.correlation[:6].min() > 0.9 and made.correlation[6:].abs().max() < 0.08
    found = counterparts_found(first, second)
    assert found[:6].all() and found[6:].float().mean() < 0.9


def test_each_dimension_finds_its_counterpart_wherever_it_is_asked() -> None:
    z = embeddings(0, 300, 600)  # more dimensions than are compared at a time
    assert counterparts_found(z, z).all()
    assert counterparts_found(z, z.roll(1, dims=1)).sum() == 0


def test_counterparts_lie_together_in_the_plane() -> None:
    z = embeddings(0, 200, 8)
    places = laid_out(z, z + 0.01 * embeddings(1, 200, 8), 0)
    assert places.shape == (16, 2)
    distance = np.linalg.norm(places[:8, None] - places[None, 8:], axis=2)
    assert (distance.argmin(1) == np.arange(8)).all()
    assert np.array_equal(places, laid_out(z, z + 0.01 * embeddings(1, 200, 8), 0))


def test_agreement_by_hand() -> None:
    first, second = np.zeros((5, 8), np.float32), np.zeros((5, 8), np.float32)
    first[:2, :2], second[:2, :2] = 2.0, 7.0  # the same shape: 1
    first[0, 2], second[1, 3] = 1.0, 1.0  # nowhere together: 0
    first[:2, 4] = 1.0
    second[:2, 4:6] = 1.0  # 2 / (sqrt(2) sqrt(4))
    second[2, 0] = 3.0  # the other is dark: 0
    second[3, 7] = np.nan  # left out, as is the last row
    found = agreement(first, second, 2)
    assert np.allclose(found, [1, 0, np.sqrt(0.5), 0, 0, 0, 0], atol=1e-6)
