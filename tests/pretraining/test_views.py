"""Views change what may change for a kind of sensor, and nothing else."""

import pytest
import torch

from geo_xmodal.kinds import KINDS, Kind
from geo_xmodal.methods.pretraining.views import Views
from tests.training_data import identity_statistics

BANDS = 5


def views(kind: Kind, side: int = 7, crop: float = 1.0, noise: float = 0.0, draws: int = 4) -> Views:
    return Views(kind, identity_statistics(BANDS), side, crop=crop, noise=noise, draws=draws)


def samples(side: int = 7, n: int = 16) -> torch.Tensor:
    return torch.randn(n, BANDS, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ["lidar", "dem", "embedding", "other"])
def test_heights_and_unknown_values_are_only_cropped_and_flipped(kind: Kind) -> None:
    torch.manual_seed(0)
    x = samples()
    seen = views(kind)(x)
    flips = [x, x.flip(2), x.flip(3), x.flip(2, 3)]
    for sample in range(len(x)):
        assert any(torch.equal(seen[sample], flipped[sample]) for flipped in flips)


def test_light_of_radar_does_not_change() -> None:
    torch.manual_seed(0)
    one = samples(side=1)
    for _ in range(20):  # a single pixel has nothing to crop, flip or blur: grey alone is left
        seen = views("sar", side=1)(one)
        same = (seen - one).abs().amax(1).flatten() < 1e-3
        grey = (seen - one.mean(1, keepdim=True)).abs().amax(1).flatten() < 1e-3
        assert bool((same | grey).all())


@pytest.mark.parametrize("kind", list(KINDS))
def test_views_have_the_side_of_the_encoder_and_stay_in_range(kind: Kind) -> None:
    torch.manual_seed(0)
    seen = views(kind, side=5, crop=0.3)(samples(side=9).clamp(-2, 2))
    assert seen.shape == (16, BANDS, 5, 5)
    assert bool(seen.isfinite().all()) and float(seen.abs().max()) <= 1000


def test_optical_light_changes_by_draw_and_alike_within_one() -> None:
    torch.manual_seed(0)
    x = torch.full((16, BANDS, 1, 1), 100.0)
    seen = views("msi", side=1, draws=4)(x).flatten(1)
    parts = seen.reshape(4, 4, BANDS)
    assert bool((parts == parts[:, :1]).all())
    assert len(torch.unique(parts[:, 0], dim=0)) > 1


def test_noise_is_of_every_sample() -> None:
    torch.manual_seed(0)
    seen = views("dem", side=1, noise=0.5, draws=1)(torch.zeros(4000, BANDS, 1, 1))
    assert float(seen.std()) == pytest.approx(0.5, rel=0.05)
