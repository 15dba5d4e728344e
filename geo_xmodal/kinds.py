"""The kinds of sensor: all that the package knows of a kind stands here, in one entry."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["hsi", "msi", "sar", "lidar", "thermal", "dem", "embedding", "other"]
"""What a modality measures: a key of `KINDS`."""


@dataclass(frozen=True)
class Plausible:
    """Values that a kind can have: a file with more others holds something else.

    Attributes:
        low: Least value.
        high: Largest value.
        share: Share of a file's values that may lie outside.
        first_band: Only the first band is so bounded.
    """

    low: float = -math.inf
    high: float = math.inf
    share: float = 0.0
    first_band: bool = False

    @property
    def bounded(self) -> bool:
        """Whether any value is out of the question."""
        return not (math.isinf(self.low) and math.isinf(self.high))

    def fits(self, values: npt.NDArray[np.floating]) -> bool:
        """Whether finite values (n,) are of such a file; none are."""
        return not len(values) or bool(np.mean((values < self.low) | (values > self.high)) <= self.share)


@dataclass(frozen=True)
class Display:
    """How a kind looks on screen where a file does not tell.

    Attributes:
        bands: Bands as red, green and blue, or one in grey: counted from 0, or (float) as a share of the way
            from the first to the last band. A file with too few shows its first.
        stretch: Percentiles of the values that are black and white.
    """

    bands: tuple[int, ...] | tuple[float, ...] = (0,)
    stretch: tuple[float, float] = (2.0, 98.0)

    def shown(self, count: int) -> tuple[int, ...]:
        """The bands to show, counted from 0, of `count`."""
        if count < len(set(self.bands)) or count <= max(self.bands):
            return (0,)
        return tuple(
            round(band * (count - 1)) if isinstance(band, float) else int(band) for band in self.bands
        )


@dataclass(frozen=True, kw_only=True)
class SensorKind:
    """All that depends on what a sensor measures.

    Attributes:
        name: In `scene.toml`, model cards and options.
        title: For people.
        adjective: Before "file" or "sensor".
        words: Regular expression of the words of a file or band name that tell the kind.
        guess: Place in the order in which kinds are looked for in a name: the more special first.
        unit: Of the values; empty where files differ.
        power: Values are power, which a file may hold in decibels.
        zero_is_no_data: A pixel whose stored numbers are 0 in all bands was not measured ...
        zero_unless_told: ... unless the file says that another value is no data.
        nodata: Values that usually mean "no data" where a file does not say.
        plausible: Of the values once read.
        plausible_decibels: Of the values of a file in decibels.
        statistics: `power` is multiplicative and compared by its logarithm; `identity` as it is.
        vectors: The bands of a pixel are one vector (`geo_xmodal.raster.embedding`).
        auxiliary: Place in the order in which sensors are taken as auxiliary where nobody says which.
        branch: Settings of the target branch that did better on validation blocks than a method's own
            (docs/results.md).
        context: Settings of the context features of trees, likewise.
        display: On screen.
    """

    name: Kind
    title: str
    adjective: str
    words: str = r"(?!)"
    guess: int = 9
    unit: str = ""
    power: bool = False
    zero_is_no_data: bool = False
    zero_unless_told: bool = False
    nodata: tuple[float, ...] = ()
    plausible: Plausible = Plausible()
    plausible_decibels: Plausible | None = None
    statistics: Literal["identity", "power"] = "identity"
    vectors: bool = False
    auxiliary: int = 2
    branch: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)
    display: Display = Display()

    @property
    def heading(self) -> str:
        """The adjective at the beginning of a line."""
        return self.adjective[0].upper() + self.adjective[1:]


_ENTRIES = (
    SensorKind(
        name="hsi",
        title="HSI (hyperspectral)",
        adjective="hyperspectral",
        words=r"hsi|hyper\w*|enmap|prisma|hyperion|aviris|desis|emit|hymap|casi",
        guess=2,
        auxiliary=0,
        display=Display((0.4, 0.25, 0.1)),  # long waves as red
    ),
    SensorKind(
        name="msi",
        title="MSI (multispectral)",
        adjective="multispectral",
        words=r"msi|s2[abc]?|sentinel2|landsat\w*|hls|planet\w*|multispectral",
        guess=4,
        display=Display((2, 1, 0)),  # files list blue first
    ),
    SensorKind(
        name="sar",
        title="SAR (radar)",
        adjective="radar",
        words=r"sar|s1[abc]?|sentinel1|palsar\w*|terrasar\w*|radar|vv|vh|hh|hv",
        guess=3,
        unit="linear power",
        power=True,
        zero_is_no_data=True,
        # the first band is an intensity; what follows may be the signed parts of a covariance
        plausible=Plausible(low=0.0, share=0.95, first_band=True),
        plausible_decibels=Plausible(low=-100.0, high=60.0, share=0.05, first_band=True),
        statistics="power",
        context={"openings": ""},  # of speckle, they are the extremes of noise
        display=Display((0, 1, 0)),  # the two polarisations; what follows are correlations
    ),
    SensorKind(
        name="lidar",
        title="LiDAR",
        adjective="LiDAR",
        words=r"lidar|dsm|chm|ndsm|als",
        guess=5,
        branch={"encoder": "tanh_cnn", "contrasts": "", "augment": "false"},
    ),
    SensorKind(
        name="thermal",
        title="thermal infrared",
        adjective="thermal",
        words=r"thermal\w*|tirs?|lst|ecostress",
        guess=1,
        unit="K or °C",
        zero_is_no_data=True,  # no place is at 0 K, and 0 °C to the last bit is rarer than a fill of 0
        zero_unless_told=True,
        plausible=Plausible(low=-150.0, high=2500.0, share=0.01),
    ),
    SensorKind(
        name="dem",
        title="DEM (elevation)",
        adjective="elevation",
        words=r"dem|dtm|dgm|elevation|srtm|nasadem|copdem",
        guess=6,
        unit="m",
        nodata=(-9999.0, -32768.0, -32767.0),
        plausible=Plausible(low=-12_000.0, high=9_000.0, share=0.01),
    ),
    SensorKind(
        name="embedding",
        title="embedding (AlphaEarth, TESSERA)",
        adjective="embedding",
        words=r"embeddings?|alphaearth|aef|\w*tessera|a63",  # AlphaEarth's bands are A00 to A63
        guess=0,
        vectors=True,
        auxiliary=1,
        context={"context": "", "openings": ""},  # features hold what is around a pixel already
        display=Display((1, 16, 9)),
    ),
    SensorKind(name="other", title="something else", adjective="other"),
)

KINDS: Mapping[Kind, SensorKind] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Every kind of sensor by name."""


def guess_kind(text: str) -> Kind | None:
    """What a file called `text`, or with bands called so, measures; None where the words do not tell."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    words = re.findall(r"[a-z]+\d*", f"{parted} {text}".lower())
    for kind in sorted(KINDS.values(), key=lambda kind: kind.guess):
        if any(re.fullmatch(rf"(?:{kind.words})\d*", word) for word in words):
            return kind.name
    return None
