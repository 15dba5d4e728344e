"""Encoders that others trained: which file holds them, and which bands in which units they expect.

Nothing is downloaded. Bands, units, files and the first letters of their SHA-256, by which files are named,
are those of torchgeo's source (`torchgeo.models`, version 0.8.1); where it says nothing, the source is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Architecture = Literal["resnet18", "resnet50", "vit_s16", "croma", "dofa", "panopticon"]

Unit = Literal["decibel", "reflectance", "standardised", "two_deviations"]
"""What an encoder is fed. `decibel`: (10 log10(power) - mean) / deviation. `reflectance`: as it is, 0 to 1.
`standardised`: by mean and deviation of the training pixels. `two_deviations`: 0 where that is -2 and less, 1
where it is 2 and more."""

S1 = ("VV", "VH")
S2_L1C = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
S2_L2A = tuple(band for band in S2_L1C if band != "B10")


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """What an encoder was trained on.

    Attributes:
        kind: key of `geo_xmodal.kinds.KINDS`; empty takes any kind.
        bands: in the encoder's order; empty takes any, in the scene's order.
        may_lack: bands that may be missing, and are fed as 0.
        unit: of what it is fed.
        mean: per band, in that unit; empty is 0.
        deviation: per band, in that unit; empty is 1.
    """

    kind: Literal["sar", "msi", ""]
    bands: tuple[str, ...]
    may_lack: tuple[str, ...] = ()
    unit: Unit
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Published:
    """An encoder that others trained.

    Attributes:
        name: for options and model cards.
        sensor: that it was trained on.
        architecture: of its network.
        settings: of its network, where an architecture has several sizes.
        file: that holds its weights.
        card: model card that the file is got from, on Hugging Face.
        sha256: first letters of the file's SHA-256; empty where torchgeo does not publish them.
        licence: of the weights.
        paper: that describes it.
    """

    name: str
    sensor: Sensor
    architecture: Architecture
    settings: Mapping[str, int] = field(default_factory=dict)
    file: str
    card: str
    sha256: str = ""
    licence: str
    paper: str

    @property
    def wanted(self) -> str:
        """What to do for its weights, in words."""
        checksum = f", SHA-256 {self.sha256}..." if self.sha256 else ""
        return (
            f"{self.name} needs its weights: get {self.file} ({self.licence}{checksum}) from the model card "
            f"{self.card} on Hugging Face, turn it into safetensors (scripts/to_safetensors.py), and give "
            "that file as weights"
        )


# SSL4EO-S12: statistics of Sentinel-1 in decibels, Sentinel-2 as reflectance (digital numbers by 10,000)
_GRD = Sensor(kind="sar", bands=S1, unit="decibel", mean=(-12.59, -20.26), deviation=(5.26, 5.91))
_L1C = Sensor(kind="msi", bands=S2_L1C, may_lack=("B10",), unit="reflectance")
# CROMA's README: from mean - 2 deviations to mean + 2 deviations as 0 to 1
_CROMA_S1 = Sensor(kind="sar", bands=S1, unit="two_deviations")
_CROMA_S2 = Sensor(kind="msi", bands=S2_L2A, unit="two_deviations")
# DOFA and Panopticon take any bands; torchgeo leaves the scaling to whoever uses them
_ANY_S1 = Sensor(kind="sar", bands=S1, unit="standardised")
_ANY_S2 = Sensor(kind="msi", bands=S2_L2A, unit="standardised")
_ANY = Sensor(kind="", bands=(), unit="standardised")

_DECUR = ("torchgeo/decur", "Apache-2.0", "Wang et al. 2024, arXiv 2309.05300")
_SSL4EO = ("CC-BY-4.0", "Wang et al. 2023, arXiv 2211.07044")
_CROMA = ("torchgeo/croma", "CC-BY-4.0", "Fuller et al. 2023, arXiv 2311.00566")
_DOFA = ("torchgeo/dofa", "CC-BY-4.0", "Xiong et al. 2024, arXiv 2403.15356")
_PANOPTICON = ("lewaldm/panopticon", "Apache-2.0", "Waldmann et al. 2025, arXiv 2503.10845")


def _one(
    name: str,
    sensor: Sensor,
    architecture: Architecture,
    file: str,
    source: tuple[str, str, str],
    **settings: int,
) -> Published:
    card, licence, paper = source
    stem = file.rpartition(".")[0]
    _, dash, last = stem.rpartition("-")
    sha256 = last if dash and len(last) == 8 and set(last) <= set("0123456789abcdef") else ""
    return Published(
        name=name, sensor=sensor, architecture=architecture, settings=settings, file=file, card=card,
        sha256=sha256, licence=licence, paper=paper,
    )  # fmt: skip


def _all() -> tuple[Published, ...]:
    found = [
        _one("decur_s1", _GRD, "resnet50", "rn50_ssl4eo-s12_sar_decur_ep100-f0e69ba2.pth", _DECUR),
        _one("decur_s2", _L1C, "resnet50", "rn50_ssl4eo-s12_ms_decur_ep100-fc6b09ff.pth", _DECUR),
    ]
    for name, sensor, architecture, stem, checksum in (
        ("ssl4eo_moco_s1", _GRD, "resnet50", "resnet50_sentinel1_all_moco", "906e4356"),
        ("ssl4eo_moco_s2", _L1C, "resnet50", "resnet50_sentinel2_all_moco", "df8b932e"),
        ("ssl4eo_dino_s2", _L1C, "resnet50", "resnet50_sentinel2_all_dino", "d6c330e9"),
        ("ssl4eo_moco_s2_resnet18", _L1C, "resnet18", "resnet18_sentinel2_all_moco", "59bfdff9"),
        ("ssl4eo_moco_s2_vit", _L1C, "vit_s16", "vit_small_patch16_224_sentinel2_all_moco", "67c9032d"),
        ("ssl4eo_dino_s2_vit", _L1C, "vit_s16", "vit_small_patch16_224_sentinel2_all_dino", "36bcc127"),
    ):
        source = (f"torchgeo/{stem}", *_SSL4EO)
        found.append(_one(name, sensor, architecture, f"{stem}-{checksum}.pth", source))  # type: ignore[arg-type]
    for name, sensor, file in (
        ("ssl4eo_mae_s1_vit", _GRD, "B2_vits16_mae_ep99_enc.pth"),
        ("ssl4eo_mae_s2_vit", _L1C, "B13_vits16_mae_ep99_enc.pth"),
    ):
        found.append(_one(name, sensor, "vit_s16", file, ("wangyi111/SSL4EO-S12", *_SSL4EO)))
    for size, file, width, depth in (
        ("base", "CROMA_base-0238d814.pt", 768, 12),
        ("large", "CROMA_large-921e69ad.pt", 1024, 24),
    ):
        for ending, sensor in (("s1", _CROMA_S1), ("s2", _CROMA_S2)):
            found.append(
                _one(
                    f"croma_{size}_{ending}", sensor, "croma", file, _CROMA,
                    encoder_dim=width, encoder_depth=depth, num_heads=16,
                )
            )  # fmt: skip
    for size, file, width, depth, heads in (
        ("base", "dofa_base_patch16_224-a0275954.pth", 768, 12, 12),
        ("large", "dofa_large_patch16_224-0ff904d3.pth", 1024, 24, 16),
    ):
        for ending, sensor in (("_s1", _ANY_S1), ("_s2", _ANY_S2), ("", _ANY)):
            found.append(
                _one(
                    f"dofa_{size}{ending}", sensor, "dofa", file, _DOFA,
                    embed_dim=width, depth=depth, num_heads=heads,
                )
            )  # fmt: skip
    for ending, sensor in (("_s1", _ANY_S1), ("_s2", _ANY_S2), ("", _ANY)):
        found.append(
            _one(f"panopticon{ending}", sensor, "panopticon", "panopticon_vitb14_teacher.pth", _PANOPTICON)
        )
    return tuple(found)


PUBLISHED: Mapping[str, Published] = MappingProxyType({one.name: one for one in _all()})
"""By name."""
