"""What `import_points` is asked: which columns are what, and how places are divided."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from geo_xmodal.kinds import KINDS, Kind
from geo_xmodal.types import MAX_SENSOR

PointScale = Literal["linear", "db", "dn"]
"""How numbers of a radar stand for power: as they are, in decibels, or as digital numbers of amplitude."""

DN_OFFSET = -83.0
"""Decibels of the digital number 1: 20 log10 DN - 83 dB, as JAXA and WorldCereal store backscatter."""

Pattern = Annotated[str, Field(min_length=1, max_length=200)]


class SensorColumns(BaseModel):
    """The columns that are one sensor's bands.

    Attributes:
        bands: Names of columns or patterns of names (`SAR-*`); `*` stands for any letters.
        kind: What the sensor measures; None is guessed from the names.
        scale: How numbers of a kind of power stand for it.
        sensor: Sensor and product in words.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bands: tuple[Pattern, ...] = Field(min_length=1)
    kind: Kind | None = None
    scale: PointScale = "linear"
    sensor: Annotated[str, Field(max_length=MAX_SENSOR)] = ""

    @model_validator(mode="after")
    def _scale_is_of_power(self) -> Self:
        if self.scale != "linear" and self.kind is not None and not KINDS[self.kind].power:
            raise ValueError(f"scale {self.scale} is for sensors of power, such as sar, not for {self.kind}")
        return self


class PointsRequest(BaseModel):
    """How a table becomes a scene of points.

    Attributes:
        target: Bands that models map from.
        auxiliary: Bands of the auxiliary sensor; None for a scene of one sensor.
        leave_out: Patterns of columns that are no bands, whatever `bands` says.
        label: Column of the class.
        legend: TOML with [[classes]], or a table whose first two columns are values and names.
        unlabelled: Values of `label` that mean that there is no label; a missing one always does.
        coordinates: Columns of x and y; None takes those that are called so, else geometries.
        crs: Of the coordinates; None is what the file says, else longitude and latitude.
        no_data: Values of bands that mean "no data".
        series: Columns of the sample and the time, where a sample has a row a time.
        interpolate: Fill what is missing of a series from the times before and after.
        places: Column that says which points belong together: they train or test together.
        cells: Degrees of the cells that are places instead.
        random: Points are divided at random instead, only those with the same coordinates together.
        test: Share of the labels that test.
        min_per_class: Labels that a class has at least; those of others are left out.
        seed: Of the division.
        name: Of the scene; None is called after its folder.
        layer: Of a vector file that has several.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: SensorColumns
    auxiliary: SensorColumns | None = None
    leave_out: tuple[Pattern, ...] = ()
    label: str
    legend: Path | None = None
    unlabelled: tuple[str, ...] = ()
    coordinates: tuple[str, str] | None = None
    crs: str | None = None
    no_data: tuple[float, ...] = ()
    series: tuple[str, str] | None = None
    interpolate: bool = False
    places: str | None = None
    cells: float | None = Field(None, gt=0, le=90)
    random: bool = False
    test: float = Field(0.5, gt=0, lt=1)
    min_per_class: int = Field(10, ge=1)
    seed: int = Field(0, ge=0)
    name: str | None = None
    layer: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ways = [self.places is not None, self.cells is not None, self.random]
        if sum(ways) > 1:
            raise ValueError("places, cells and random are three ways to divide points: give one of them")
        if self.interpolate and self.series is None:
            raise ValueError("interpolate fills gaps of a series: say which columns are sample and time")
        return self


def matching(columns: tuple[str, ...], patterns: tuple[str, ...], leave_out: tuple[str, ...]) -> list[str]:
    """The columns that one of some patterns matches, or is the name of, in the order of the table."""

    def meant(name: str, by: tuple[str, ...]) -> bool:
        return any(name == one or fnmatchcase(name, one) for one in by)

    return [name for name in columns if meant(name, patterns) and not meant(name, leave_out)]
