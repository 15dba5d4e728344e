"""Pretrained encoders of a radar and an HSI with random weights, small enough to write in a moment."""

from __future__ import annotations

from geo_xmodal.bundle import NetworkEntry, StatisticsEntry
from geo_xmodal.kinds import Kind
from geo_xmodal.networks import BranchEncoder, NetworkSpec, Projector, Standardize
from geo_xmodal.pretrained import Pretrained, PretrainedCard, PretrainedSensor, SensorEntry


def sensor(name: str, kind: Kind, bands: int, dimensions: int = 8, width: int = 12) -> PretrainedSensor:
    spec = NetworkSpec.chosen(
        "pixel_cnn", {"contrasts": (), "widths": (6,), "kernels": (3,), "embedding": 5, "dropout": 0.0}
    )
    encoder = BranchEncoder(spec, bands).eval()
    ones = (1.0,) * bands
    statistics = StatisticsEntry(
        bands=tuple(f"b{k}" for k in range(bands)), transform=("identity",) * bands, scale=ones,
        low=(-9.0,) * bands, high=(9.0,) * bands, mean=(0.5,) * bands, std=ones,
    )  # fmt: skip
    entry = SensorEntry(
        modality=name, kind=kind, statistics=statistics, margin=encoder.margin, features=encoder.features,
        network=NetworkEntry(name=spec.name, options=dict(spec.options)),
    )  # fmt: skip
    projector = Projector(encoder.features, width, dimensions).eval()
    return PretrainedSensor(entry, Standardize(entry.band_statistics), encoder, projector)


def pretrained(common: int = 6) -> Pretrained:
    sensors = (sensor("sar", "sar", 2), sensor("hsi", "hsi", 7))
    card = PretrainedCard(
        method="decur", dimensions=8, common=common, width=12,
        sensors=(sensors[0].entry, sensors[1].entry), scene="tiny", simulated=True,
    )  # fmt: skip
    return Pretrained(card, sensors)
