"""Published encoders of a tiny size: what they are fed, and that a file of their layout is taken over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from geo_xmodal.networks import NetworkSpec, build_network
from geo_xmodal.networks.published import PUBLISHED, PublishedBranch
from geo_xmodal.networks.published.units import Units
from geo_xmodal.networks.standardize import Standardize
from geo_xmodal.types import BandStatistics

S2 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
SCENES: Mapping[str, tuple[str, ...]] = {"sar": ("VV", "VH"), "msi": S2, "dem": ("DEM",)}
"""Bands of a scene of each kind."""


def statistics(bands: tuple[str, ...], transform: str = "identity", high: float = 1e4) -> BandStatistics:
    count = len(bands)
    return BandStatistics(
        bands, (transform,) * count, (1e-4,) * count, (1e-4,) * count, (high,) * count,  # type: ignore[arg-type]
        tuple(0.1 * k for k in range(count)), tuple(1.0 + k for k in range(count)),
    )  # fmt: skip


def fed(name: str, found: BandStatistics, x: Tensor, named: tuple[str, ...] = ()) -> Tensor:
    """What an encoder is fed of raw values (B, band, h, w)."""
    units = Units(PUBLISHED[name], len(found.bands))
    units.fit(found, named)
    return units(Standardize(found)(x))


def branch(name: str, bands: int, **settings: Any) -> PublishedBranch:
    options = {"published": name, "patch": 3, "embedding": 4, "resized": 32, **settings}
    made = build_network(NetworkSpec("published", options), bands, 3)
    assert isinstance(made, PublishedBranch)
    return made.eval()


def check_taken_over(name: str, weights: Mapping[str, Tensor]) -> None:
    """Weights of the published layout are a branch's, which maps densely; one missing is told."""
    kind = PUBLISHED[name].sensor.kind
    bands = SCENES[kind]
    made = branch(name, len(bands))
    assert made.fit_input(statistics(bands), kind) is not None
    made.start_from(weights)
    own = made.encoder.backbone.state_dict()
    fused = [key for key in own if ".qkv." in key and not any(".qkv." in one for one in weights)]
    same = sum(any(torch.equal(value, one) for one in weights.values()) for value in own.values())
    assert same >= len(own) - len(fused) - 3  # but for positions of another size and norms that files lack
    x = torch.randn(1, len(bands), 4, 5)
    with torch.inference_mode():
        whole = made(x)
        assert whole.shape == (1, 3, 2, 3)
        torch.testing.assert_close(made(x[:, :, 1:, 2:])[0, :, 0, 0], whole[0, :, 1, 2], rtol=1e-3, atol=1e-4)
    ends = ("fc2.weight", "conv2.weight", "to_out.weight")
    missing = next(key for key in weights if key.endswith(ends) and "decoder" not in key)
    with pytest.raises(ValueError, match=r"another architecture than .*: it lacks .*(fc2|conv2|to_out)"):
        made.start_from({key: value for key, value in weights.items() if key != missing})
