"""Standardised bands of a scene to the bands and units that a published encoder expects."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from geo_xmodal.networks.published.catalogue import Published, Sensor
from geo_xmodal.types import BandStatistics

ABSENT = "-"
"""In a list of a scene's bands: the encoder's band at this place is missing."""

MAX_REFLECTANCE = 3.0
"""Bands with values below it are reflectance; others are digital numbers, 10,000 for a reflectance of 1."""

_DECIBELS = 10 / math.log(10)
_MIN_POWER = 1e-10


class Units(nn.Module):
    """(B, bands, h, w) standardised -> (B, the encoder's bands, h, w) in its units; a missing band is 0.

    Its numbers come from the statistics of the training pixels (`fit`); until then it hands on zeros.
    """

    def __init__(self, published: Published, bands: int) -> None:
        super().__init__()
        self.sensor = published.sensor
        count = len(self.sensor.bands) or bands
        self.place: Tensor
        self.register_buffer("place", torch.full((count,), -1))
        for name in ("log", "asinh", "scale", "mean", "std", "factor"):
            self.register_buffer(name, torch.zeros(1, count, 1, 1))
        self._constant("own_mean", self.sensor.mean or (0.0,) * count)
        self._constant("own_deviation", self.sensor.deviation or (1.0,) * count)

    def _constant(self, name: str, values: Sequence[float]) -> None:
        self.register_buffer(name, torch.tensor(values).reshape(1, -1, 1, 1), persistent=False)

    log: Tensor
    asinh: Tensor
    scale: Tensor
    mean: Tensor
    std: Tensor
    factor: Tensor
    own_mean: Tensor
    own_deviation: Tensor

    @torch.no_grad()
    def fit(self, statistics: BandStatistics, named: Sequence[str]) -> str:
        """Find the encoder's bands among those of a scene, and how their values become its units.

        Args:
            statistics: of the scene's bands.
            named: the scene's bands in the encoder's order, `-` for one that is missing; empty finds them by
                their names.

        Returns:
            What was taken for granted, empty if nothing was.

        Raises:
            ValueError: A band is missing.
        """
        place = _places(self.sensor, statistics.bands, named)
        self.place.copy_(torch.tensor(place))
        known = [max(at, 0) for at in place]
        for name, values in (
            ("log", [float(statistics.transform[at] == "log") for at in known]),
            ("asinh", [float(statistics.transform[at] == "asinh") for at in known]),
            ("scale", [statistics.scale[at] for at in known]),
            ("mean", [statistics.mean[at] for at in known]),
            ("std", [statistics.std[at] for at in known]),
        ):
            self.get_buffer(name).copy_(torch.tensor(values).reshape(1, -1, 1, 1))
        highest = max(statistics.high[at] for at in place if at >= 0)
        as_reflectance = highest <= MAX_REFLECTANCE
        self.factor.fill_(1.0 if as_reflectance or self.sensor.unit == "metres" else 1e-4)
        if self.sensor.unit != "reflectance":
            return ""
        taken = "reflectance" if as_reflectance else "reflectance times 10,000"
        return f"values up to {highest:g} are taken to be {taken}"

    def forward(self, x: Tensor) -> Tensor:
        """Bands in the encoder's order and units."""
        x = x[:, self.place.clamp(min=0)]
        if self.sensor.unit == "two_deviations":
            found = ((x + 2) / 4).clamp(0, 1)
        elif self.sensor.unit == "standardised":
            found = x
        else:
            t = x * self.std + self.mean
            power = torch.where(self.asinh > 0, t.sinh() * self.scale, t)
            if self.sensor.unit == "decibel":
                decibels = torch.where(self.log > 0, t, power.clamp(min=_MIN_POWER).log()) * _DECIBELS
                found = (decibels - self.own_mean) / self.own_deviation
            else:
                found = (power * self.factor - self.own_mean) / self.own_deviation
        return torch.where(self.place.reshape(1, -1, 1, 1) >= 0, found, torch.zeros_like(found))


def _places(sensor: Sensor, bands: Sequence[str], named: Sequence[str]) -> list[int]:
    """For each of the encoder's bands, where it is in the scene; -1 where it is missing."""
    if not sensor.bands:
        return list(range(len(bands)))
    if named:
        if len(named) != len(sensor.bands):
            raise ValueError(
                f"published_bands names {len(named)} bands; expected {len(sensor.bands)}, for "
                f"{', '.join(sensor.bands)}, with {ABSENT} for one that is missing"
            )
        if unknown := [name for name in named if name != ABSENT and name not in bands]:
            raise ValueError(f"published_bands names {', '.join(unknown)}; the scene has {', '.join(bands)}")
        place = [-1 if name == ABSENT else list(bands).index(name) for name in named]
    else:
        own = [_plain(band) for band in bands]
        place = [own.index(_plain(band)) if _plain(band) in own else -1 for band in sensor.bands]
    missing = [
        band for band, at in zip(sensor.bands, place, strict=True) if at < 0 and band not in sensor.may_lack
    ]
    if missing or max(place) < 0:
        raise ValueError(
            f"it expects the bands {', '.join(sensor.bands)}, and the scene has {', '.join(bands)}: "
            f"{', '.join(missing) or 'all'} not found by name; name the scene's bands in this order as "
            f"published_bands, with {ABSENT} for one that is missing"
        )
    return place


def _plain(band: str) -> str:
    """A band's name without what its spellings differ in: B02, B2 and S2_B2 are one, as VV and S1_VV are."""
    last = re.split(r"[^a-z0-9]+", band.lower())[-1]
    return re.sub(r"^b0*(?=\d)", "b", last)
