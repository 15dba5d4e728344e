"""Agreement with cca-zoo (MIT) where definitions coincide; each difference is written out in the test."""

from __future__ import annotations

import pytest
import torch

from tests.correlation.cases import build, features

pytest.importorskip("cca_zoo.deep", reason="cca-zoo is not installed: pip install geo_xmodal[test]")

from cca_zoo.deep import DCCAEY, DCCASDL, BarlowTwins, VICReg
from cca_zoo.deep.objectives import CCALoss, GCCALoss

K = 5


def views(count: int = 2) -> list[torch.Tensor]:
    return [x.float() for x in features(60, K, count)]


def loss(model: type, x: list[torch.Tensor]) -> torch.Tensor:
    """Their loss with encoders that change nothing."""
    built = model(n_components=K, encoders=[torch.nn.Identity() for _ in x])
    return built.loss({"views": x})["objective"]


@pytest.mark.parametrize("k", range(1, K + 1))
def test_cca_loss_sums_squares_where_hgr_sums_correlations(k: int) -> None:
    f, g = views()
    ours = torch.stack([build("hgr", components=i, ridge=0.0)(f, g) for i in range(1, k + 1)])
    each = ours.diff(prepend=torch.zeros(1))
    if k == K:
        torch.testing.assert_close(
            each.square().sum(), -CCALoss(reg_covar=1e-9)([f, g]), rtol=1e-3, atol=1e-3
        )
    else:
        assert float(each.square().sum()) < float(-CCALoss(reg_covar=1e-9)([f, g]))


def test_gcca_loss_counts_each_view_with_itself() -> None:
    x = views(3)
    torch.testing.assert_close(build("deep_cca", ridge=0.0)(*x) + K, -GCCALoss(1e-9)(x), rtol=1e-3, atol=1e-3)


def test_eckart_young_with_own_covariance_is_theirs() -> None:
    x = views(3)
    torch.testing.assert_close(build("dcca_ey", own=True)(*x), -loss(DCCAEY, x), rtol=1e-4, atol=1e-4)


def test_barlow_twins_is_theirs_turned_round() -> None:
    x = views(3)
    pairs = 3
    torch.testing.assert_close(
        build("barlow_twins")(*x), pairs * K - loss(BarlowTwins, x), rtol=1e-3, atol=1e-3
    )


def test_vicreg_of_centred_features_is_theirs_turned_round() -> None:
    x = [v - v.mean(0) for v in views()]
    torch.testing.assert_close(build("vicreg")(*x), 2 * 25 * 0.99 - loss(VICReg, x), rtol=1e-4, atol=1e-3)


def test_soft_cca_is_theirs_times_half_the_width() -> None:
    x = views()
    # Their covariance is 1/(n-1), ours of batch-normalised features is 1/n.
    alignment_only = build("soft_cca", weight=0.0)(*x)
    ours = alignment_only + (build("soft_cca", weight=0.25)(*x) - alignment_only) * 60 / 59
    torch.testing.assert_close(ours, K - K / 2 * loss(DCCASDL, x), rtol=1e-3, atol=1e-3)
