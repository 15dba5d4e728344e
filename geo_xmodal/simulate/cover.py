"""What a layout says of points: where they lie in their district, and what covers them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo_xmodal.simulate.noise import Floats, Grid, Hashes, grid_cells, smooth, uniform
from geo_xmodal.simulate.spectra import Material

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Points:
    """Points of one land use, all arrays (n,).

    Attributes:
        x: Easting from the scene's upper left corner, metres.
        y: Distance south of that corner, metres.
        u: Coordinate along the main streets of the district, metres from its site.
        v: Coordinate across them, metres.
        edge: Distance to the edge of the district, metres.
        radius: Distance to the site of the district as a share of the district size.
        key: Hash of the district.
        growth: Vigour of plants, about [-1, 1].
        wetness: Moisture, about [-1, 1].
        seed: Seed of the scene.
    """

    x: Floats
    y: Floats
    u: Floats
    v: Floats
    edge: Floats
    radius: Floats
    key: Hashes
    growth: Floats
    wetness: Floats
    seed: int

    def own(self, stream: int) -> Floats:
        """A uniform number in [0, 1) that all points of a district share."""
        return uniform(self.key, stream)

    def at(self, grid: Grid, stream: int) -> Floats:
        """A uniform number in [0, 1) that all points of a cell of `grid` share."""
        return uniform(self.key, grid.i, grid.j, stream)

    def scatter(self, size: float, share: npt.ArrayLike, stream: int) -> tuple[Mask, Floats]:
        """Discs (crowns, sheds, cars) in a share of the cells of a grid of `size` metres.

        Returns:
            Which points lie in a disc, and a number in [-1, 1] that the points of a disc share.
        """
        i, j = np.floor(self.x / size).astype(np.int64), np.floor(self.y / size).astype(np.int64)
        center_x = (i + 0.35 + 0.3 * uniform(self.seed, stream, 1, i, j)) * size
        center_y = (j + 0.35 + 0.3 * uniform(self.seed, stream, 2, i, j)) * size
        radius = (0.32 + 0.2 * uniform(self.seed, stream, 3, i, j)) * size
        inside = np.hypot(self.x - center_x, self.y - center_y) < radius
        present = uniform(self.seed, stream, 4, i, j) < np.asarray(share, np.float64)
        return inside & present, 2.0 * uniform(self.seed, stream, 5, i, j) - 1.0


@dataclass(frozen=True)
class Cover:
    """What covers each point; filled from the ground up by `put`. All arrays have the points' shape.

    Attributes:
        material: `Material`, uint8.
        label: Class id, uint8; 0 where the legend has no class.
        height: Height above ground, metres.
        tint: Colour or age of the object, about [-1, 1]; seen by optical sensors alone.
        rough: Roughness or strength of scattering, about [-1, 1]; seen by radar alone.
        growth: Vigour of plants, about [-1, 1]; seen by all.
        wetness: Moisture, about [-1, 1]; seen by all.
        slope: How much a roof leans to the sun, about [-1, 1].
    """

    material: npt.NDArray[np.uint8]
    label: npt.NDArray[np.uint8]
    height: Floats
    tint: Floats
    rough: Floats
    growth: Floats
    wetness: Floats
    slope: Floats

    @classmethod
    def bare(cls, growth: Floats, wetness: Floats) -> Cover:
        """Flat ground of no class, with the latent fields given."""
        zero = np.zeros(growth.shape)
        return cls(
            zero.astype(np.uint8),
            zero.astype(np.uint8),
            zero.copy(),
            zero.copy(),
            zero.copy(),
            growth.copy(),
            wetness.copy(),
            zero.copy(),
        )

    @classmethod
    def of(cls, points: Points, material: npt.ArrayLike, label: int, tint: npt.ArrayLike = 0.0) -> Cover:
        """The same ground and class at all points."""
        cover = cls.bare(points.growth, points.wetness)
        cover.put(np.ones(points.x.shape, np.bool_), material, tint=tint)
        cover.label[:] = label
        return cover

    def put(self, where: Mask, material: npt.ArrayLike, **attributes: npt.ArrayLike) -> None:
        """Lay a material over some points; height and slope are 0 and the rest unchanged unless given."""
        np.copyto(self.material, np.asarray(material).astype(np.uint8), where=where)
        for name, value in {"height": 0.0, "slope": 0.0, **attributes}.items():
            target = getattr(self, name)
            np.copyto(target, np.asarray(value).astype(target.dtype), where=where)

    def scatter_into(self, index: npt.NDArray[np.int64], part: Cover) -> None:
        """Write `part` at the flat `index` of this cover."""
        for name in ("material", "label", "height", "tint", "rough", "growth", "wetness", "slope"):
            getattr(self, name).ravel()[index] = getattr(part, name)


Filler = Callable[[Points], Cover]
"""How a land use fills its districts, from streets and parcels down to roofs and crowns."""


def signed(value: Floats) -> Floats:
    """From [0, 1) to [-1, 1)."""
    return 2.0 * value - 1.0


def pick(value: Floats, *choices: tuple[float, Material]) -> npt.NDArray[np.uint8]:
    """One of several materials by cumulative share: `pick(u, (0.6, CLAY_TILE), (1.0, METAL))`."""
    shares = np.array([share for share, _ in choices])
    materials = np.array([int(material) for _, material in choices], np.uint8)
    return materials[np.minimum(np.searchsorted(shares, value, side="right"), len(choices) - 1)]


def trees(
    cover: Cover, points: Points, where: Mask, share: npt.ArrayLike, stream: int, size: float = 7.0
) -> None:
    """Single broadleaf crowns over a share of the ground."""
    crowns, tint = points.scatter(size, share, stream)
    cover.put(where & crowns, Material.BROADLEAF, height=7.0 + 4.0 * tint, tint=tint, rough=tint)


def parcels(points: Points, length: Floats, width: Floats) -> Grid:
    """Field parcels with irregular boundaries."""
    bent = points.v + 14.0 * smooth(points.x, points.y, 260.0, points.seed + 31)
    return grid_cells(points.u, bent, length, width)
