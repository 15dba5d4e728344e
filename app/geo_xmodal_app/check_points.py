"""Check points of a map: drawn at random within each of its classes, answered one by one, kept on disk.

The sample is stratified by the map's classes with as many points a class (P. Olofsson et al. 2014, "Good
practices for estimating area and assessing accuracy of land change", section 5.1: equal allocation, which
favours the accuracy of rare classes). Whoever answers is never shown what the map says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import new_file, write_json
from geo_xmodal.small_files import SmallFile, read_json_object, validated
from geo_xmodal.types import windows_over

MAX_POINTS = 500
"""A class."""

_WINDOW = 2048
_FILE = SmallFile("the check points of a map", UsageError, "draw them again", 16 << 20)


class CheckPoint(BaseModel):
    """A pixel of the map, and what somebody sees there.

    Attributes:
        row: Of the map.
        col: Of the map.
        answer: Class id; 0 where nobody can tell, None before anybody was asked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    row: int = Field(ge=0)
    col: int = Field(ge=0)
    answer: int | None = Field(default=None, ge=0, le=255)


class CheckPoints(BaseModel):
    """The check points of a map, in the order in which they are shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_class: int = Field(ge=1, le=MAX_POINTS)
    seed: int = 0
    points: tuple[CheckPoint, ...] = ()

    @property
    def answered(self) -> int:
        """How many were looked at."""
        return sum(one.answer is not None for one in self.points)

    @property
    def next(self) -> int | None:
        """The first that was not looked at; None after the last."""
        return next((at for at, one in enumerate(self.points) if one.answer is None), None)

    def with_answer(self, at: int, answer: int | None) -> CheckPoints:
        """The same with another answer to one of them."""
        points = list(self.points)
        points[at] = points[at].model_copy(update={"answer": answer})
        return self.model_copy(update={"points": tuple(points)})


def draw(classes: Path, counts: Mapping[int, int], per_class: int, seed: int = 0) -> CheckPoints:
    """Draw points at random within each class of a map; the same seed gives the same points.

    Args:
        classes: The map.
        counts: Pixels of each class of the map, class 0 left out.
        per_class: Points of each class; all pixels of one that has fewer.
        seed: Of the draws.

    Raises:
        RasterError: The map cannot be read.
    """
    random = np.random.default_rng(seed)
    wanted = {
        id_: np.sort(random.choice(count, min(per_class, count), replace=False))
        for id_, count in counts.items()
        if id_ and count
    }
    before = dict.fromkeys(wanted, 0)
    places: list[tuple[int, int]] = []
    with gx.open_raster(classes) as dataset:
        for window in windows_over(dataset.height, dataset.width, _WINDOW):
            block = ((window.row, window.row + window.height), (window.col, window.col + window.width))
            ids = dataset.read(1, window=block)
            for id_, ranks in wanted.items():
                rows, cols = np.nonzero(ids == id_)
                here = ranks[(ranks >= before[id_]) & (ranks < before[id_] + len(rows))] - before[id_]
                places += [(window.row + int(rows[at]), window.col + int(cols[at])) for at in here]
                before[id_] += len(rows)
    order = random.permutation(len(places))
    points = tuple(CheckPoint(row=places[at][0], col=places[at][1]) for at in order)
    return CheckPoints(per_class=per_class, seed=seed, points=points)


def load(path: Path) -> CheckPoints | None:
    """The points that a file holds; None if there is none.

    Raises:
        UsageError: It is damaged.
    """
    return validated(CheckPoints, read_json_object(path, _FILE), path, _FILE) if path.is_file() else None


def save(points: CheckPoints, path: Path) -> None:
    """Keep points.

    Raises:
        OutputError: They cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, points.model_dump())


def write_reference(classes: Path, points: Sequence[CheckPoint], out: Path) -> None:
    """Write the answers as a raster of labels on the map's grid, 0 where there is none.

    Raises:
        RasterError: The map cannot be read.
        OutputError: The raster cannot be written.
    """
    with gx.open_raster(classes) as dataset:
        height, width = dataset.shape
        profile = {
            "height": height, "width": width, "count": 1, "dtype": "uint8", "nodata": 0, "crs": dataset.crs,
            "transform": dataset.transform, "compress": "deflate",
        }  # fmt: skip
    with new_file(out) as beside, gx.create_raster(beside, **profile) as reference:
        for window in windows_over(height, width, _WINDOW):
            ids = np.zeros((window.height, window.width), np.uint8)
            for one in points:
                row, col = one.row - window.row, one.col - window.col
                if one.answer and 0 <= row < window.height and 0 <= col < window.width:
                    ids[row, col] = one.answer
            block = ((window.row, window.row + window.height), (window.col, window.col + window.width))
            reference.write(ids, 1, window=block)
