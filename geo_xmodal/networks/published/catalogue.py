"""Encoders that others trained: which file holds them, and which bands in which units they expect.

Nothing is downloaded. Bands, units, files and the first letters of their SHA-256, by which files are named,
are those of torchgeo's source (`torchgeo.models`, version 0.8.1); for Prithvi and TerraMind those of
terratorch's (version 1.2.11), and for Galileo those of its repository (nasaharvest/galileo on GitHub, commit
0f0b5b9). Where they say nothing, the source is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Architecture = Literal[
    "resnet18", "resnet50", "vit_s16", "croma", "dofa", "galileo", "panopticon", "prithvi", "terramind"
]

Unit = Literal["decibel", "metres", "reflectance", "standardised", "two_deviations"]
"""What an encoder is fed. `decibel`: (10 log10(power) - mean) / deviation. `reflectance`, 0 to 1, and
`metres`: as they are, or (value - mean) / deviation where these are given. `standardised`: by mean and
deviation of the training pixels. `two_deviations`: 0 where that is -2 and less, 1 where it is 2 and more."""

S1 = ("VV", "VH")
S2_L1C = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
S2_L2A = tuple(band for band in S2_L1C if band != "B10")


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """What an encoder was trained on.

    Attributes:
        kind: key of `geo_xmodal.kinds.KINDS`; empty takes any kind.
        product: of the sensor, as the encoder calls it, where it knows several.
        bands: in the encoder's order; empty takes any, in the scene's order.
        may_lack: bands that may be missing, and are fed as 0.
        unit: of what it is fed.
        mean: per band, in that unit; empty is 0.
        deviation: per band, in that unit; empty is 1.
    """

    kind: Literal["sar", "msi", "dem", ""]
    product: str = ""
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
        sha256: first letters of the file's SHA-256; empty where they are not published.
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
_HLS = ("B2", "B3", "B4", "B8A", "B11", "B12")
_GALILEO_S2 = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
_SIXTY_METRES = ("B1", "B9", "B10")
"""Bands of Sentinel-2 that a scene often lacks."""


def _reflectance(
    bands: tuple[str, ...], mean: Sequence[float], deviation: Sequence[float], product: str = ""
) -> Sensor:
    """A sensor of Sentinel-2 whose statistics are those of digital numbers, 10,000 for a reflectance of 1."""
    lack = tuple(band for band in bands if band in _SIXTY_METRES)
    return Sensor(
        kind="msi", product=product, bands=bands, may_lack=lack, unit="reflectance",
        mean=tuple(value / 1e4 for value in mean), deviation=tuple(value / 1e4 for value in deviation),
    )  # fmt: skip


def _two_deviations(
    mean: Sequence[float], deviation: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What turns mean - 2 deviations into 0 and mean + 2 deviations into 1 (Galileo's `Normalizer`)."""
    low = tuple(a - 2 * b for a, b in zip(mean, deviation, strict=True))
    return low, tuple(4 * b for b in deviation)


_PRITHVI_V1 = _reflectance(_HLS, (775, 1081, 1229, 2497, 2204, 1611), (1282, 1270, 1399, 1368, 1292, 1155))
_PRITHVI_V2 = _reflectance(_HLS, (1087, 1342, 1433, 2734, 1958, 1363), (2248, 2179, 2178, 1850, 1242, 1049))

_TERRAMIND: Mapping[str, Sensor] = MappingProxyType(
    {
        "s1": Sensor(
            kind="sar", product="sen1grd", bands=S1, unit="decibel",
            mean=(-12.599, -20.293), deviation=(5.195, 5.890),
        ),
        "s1_rtc": Sensor(
            kind="sar", product="sen1rtc", bands=S1, unit="decibel",
            mean=(-10.93, -17.329), deviation=(4.391, 4.459),
        ),
        "s2": _reflectance(
            S2_L2A,
            (1390.458, 1503.317, 1718.197, 1853.91, 2199.1, 2779.975, 2987.011, 3083.234, 3132.22, 3162.988,
             2424.884, 1857.648),
            (2106.761, 2141.107, 2038.973, 2134.138, 2085.321, 1889.926, 1820.257, 1871.918, 1753.829,
             1797.379, 1434.261, 1334.311),
            "sen2l2a",
        ),
        "s2_l1c": _reflectance(
            S2_L1C,
            (2357.089, 2137.385, 2018.788, 2082.986, 2295.651, 2854.537, 3122.849, 3040.56, 3306.481,
             1473.847, 506.07, 2472.825, 1838.929),
            (1624.683, 1675.806, 1557.708, 1833.702, 1823.738, 1733.977, 1732.131, 1679.732, 1727.26,
             1024.687, 442.165, 1331.411, 1160.419),
            "sen2l1c",
        ),
        "dem": Sensor(
            kind="dem", product="dem", bands=("DEM",), unit="metres", mean=(670.665,), deviation=(951.272,)
        ),
    }
)  # fmt: skip

_LOW, _RANGE = _two_deviations((-11.728724, -18.855582), (4.887146, 5.730270))
_GALILEO_GRD = Sensor(kind="sar", bands=S1, unit="decibel", mean=_LOW, deviation=_RANGE)
_GALILEO_MSI = _reflectance(
    _GALILEO_S2,
    *_two_deviations(
        (1395.34087, 1338.40269, 1343.09884, 1543.86080, 2186.20221, 2525.09329, 2410.33772, 2750.28546,
         2234.91110, 1474.53113),
        (917.704144, 913.298842, 1092.67872, 1047.22061, 1048.01012, 1143.69030, 1098.97918, 1204.47276,
         1145.97741, 980.242998),
    ),
)  # fmt: skip

_PRITHVI = ("Apache-2.0", "Jakubik et al. 2023, arXiv 2310.18660; Szwarcman et al. 2024, arXiv 2412.02732")
_TERRAMIND_SOURCE = ("Apache-2.0", "Jakubik et al. 2025, arXiv 2504.11171")
_GALILEO = ("nasaharvest/galileo", "MIT", "Tseng et al. 2025, arXiv 2502.09356")

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
    for name, stem, width, depth, heads, token in (
        ("v1_100", "1.0-100M", 768, 12, 12, 16),
        ("v2_tiny_tl", "2.0-tiny-TL", 192, 12, 3, 16),
        ("v2_100_tl", "2.0-100M-TL", 768, 12, 12, 16),
        ("v2_300", "2.0-300M", 1024, 24, 16, 16),
        ("v2_300_tl", "2.0-300M-TL", 1024, 24, 16, 16),
        ("v2_600", "2.0-600M", 1280, 32, 16, 14),
        ("v2_600_tl", "2.0-600M-TL", 1280, 32, 16, 14),
    ):
        number, _, size = stem.partition("-")
        found.append(
            _one(
                f"prithvi_{name}", _PRITHVI_V1 if number == "1.0" else _PRITHVI_V2, "prithvi",
                f"Prithvi_EO_V{number[0]}_{size.replace('-', '_')}.pt",
                (f"ibm-nasa-geospatial/Prithvi-EO-{stem}", *_PRITHVI),
                embed_dim=width, depth=depth, num_heads=heads, patch_size=token,
            )
        )  # fmt: skip
    for size, width, depth, heads, gated in (
        ("tiny", 192, 12, 3, 0),
        ("small", 384, 12, 6, 0),
        ("base", 768, 12, 12, 1),
        ("large", 1024, 24, 16, 1),
    ):
        for product, sensor in _TERRAMIND.items():
            found.append(
                _one(
                    f"terramind_{size}_{product}", sensor, "terramind", f"TerraMind_v1_{size}.pt",
                    (f"ibm-esa-geospatial/TerraMind-1.0-{size}", *_TERRAMIND_SOURCE),
                    dim=width, encoder_depth=depth, num_heads=heads, gated_mlp=gated,
                )
            )  # fmt: skip
    for size, width, depth, heads in (("nano", 128, 4, 8), ("tiny", 192, 12, 3), ("base", 768, 12, 12)):
        for ending, sensor in (("s1", _GALILEO_GRD), ("s2", _GALILEO_MSI)):
            found.append(
                _one(
                    f"galileo_{size}_{ending}", sensor, "galileo", f"models/{size}/encoder.pt", _GALILEO,
                    embedding_size=width, depth=depth, num_heads=heads,
                )
            )  # fmt: skip
    return tuple(found)


PUBLISHED: Mapping[str, Published] = MappingProxyType({one.name: one for one in _all()})
"""By name."""
