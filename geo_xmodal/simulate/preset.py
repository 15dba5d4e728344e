"""What a kind of scene is: its land, its sensors, its legend and the balance of its labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from geo_xmodal.simulate.layout import Layout
from geo_xmodal.simulate.sampling import PixelGrid
from geo_xmodal.types import Kind, LandClass, Window


class Sensor(Protocol):
    """Something that looks at the land; every window gives the same pixels as the whole scene."""

    @property
    def name(self) -> str:
        """In words."""

    @property
    def kind(self) -> Kind:
        """What it measures."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Description of each band."""

    @property
    def tags(self) -> tuple[dict[str, str], ...]:
        """What a GeoTIFF says of each band; empty if nothing."""

    @property
    def dtype(self) -> str:
        """Of its pixels."""

    @property
    def nodata(self) -> float | None:
        """Value of pixels without data."""

    def observe(self, layout: Layout, grid: PixelGrid, window: Window) -> npt.NDArray[np.generic]:
        """The pixels of `window`: (band, row, col)."""


@dataclass(frozen=True)
class Modality:
    """A sensor over a scene.

    Attributes:
        sensor: What measures.
        pixel: Pixel size, metres.
        strip: Share of the scene's columns that it covers, from the left; 1 covers all.
    """

    sensor: Sensor
    pixel: float
    strip: float = 1.0


@dataclass(frozen=True)
class Preset:
    """A kind of scene.

    Attributes:
        name: Of the scene.
        title: What it resembles, in words.
        layout: From a seed and a scale (1 for scenes of `full_extent` metres and more) to a land.
        full_extent: Shorter side in metres below which districts shrink, so that all classes fit.
        target: Name of the modality on whose grid labels lie.
        modalities: By name.
        classes: The legend.
        train: Training pixels of each class in the published table.
        least: Training pixels of a class, however small the scene.
        test: Test pixels of each class in the published table.
        table_pixels: Pixels of the published scene, to which the counts belong.
        test_share: Share of the test area that is labelled, at most.
        rows: Rows of the shipped sample.
        cols: Columns of the shipped sample.
        epsg: Coordinate reference system.
        origin: Easting and northing of the upper left corner, metres.
    """

    name: str
    title: str
    layout: Callable[[int, float], Layout]
    full_extent: float
    target: str
    modalities: dict[str, Modality]
    classes: tuple[LandClass, ...]
    train: tuple[int, ...]
    least: int
    test: tuple[int, ...]
    table_pixels: int
    test_share: float
    rows: int
    cols: int
    epsg: int
    origin: tuple[float, float]


def spaced(first: float, last: float, count: int) -> tuple[float, ...]:
    """`count` wavelengths from `first` to `last` nanometres."""
    return tuple(round(first + (last - first) * k / (count - 1), 2) for k in range(count))
