"""The ground truth of a scene: districts, roads, rivers, rails, and what fills the districts.

`Layout.cover` is a function of position and seed alone: any window, at any sampling, sees the same land.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from geo_xmodal.simulate.cover import Cover, Filler, Points
from geo_xmodal.simulate.noise import Cells, Floats, Hashes, Ints, hashed, smooth, uniform, voronoi
from geo_xmodal.simulate.spectra import Material


@dataclass(frozen=True)
class LandUse:
    """What a district may be: how it is filled, and whether roads of the town run along its edge."""

    name: str
    fill: Filler
    urban: bool


@dataclass(frozen=True)
class Line:
    """A family of winding lines (rivers, rails, motorways): one a `period`, across the scene.

    Attributes:
        period: Distance between lines, metres.
        width: Full width, metres.
        sway: How far a line winds from its course, metres.
        material: What it is made of.
        label: Class id.
        shore: Width of the belt on either side, metres.
        shore_material: What the belt is made of.
        along: The axis it runs along.
    """

    period: float
    width: float
    sway: float
    material: Material
    label: int
    shore: float
    shore_material: Material
    along: str = "y"


@dataclass(frozen=True)
class Layout:
    """A land without end; a scene is a window on it.

    Attributes:
        seed: Which land.
        district: Mean size of a district, metres.
        slots: Land uses of `group` x `group` neighbouring districts, from the countryside to the centre.
        group: Side of such a group, districts.
        lines: Rivers, rails and motorways, lowest first.
        road_label: Class id of the roads between districts.
        road_widths: Width of roads at the edge of towns' districts: main, other; and of tracks, metres.
        merge: Share of districts that are joined to a neighbour.
        polygon: Side of the polygons in which reference labels are kept or left out, metres.
    """

    seed: int
    district: float
    slots: tuple[LandUse, ...]
    group: int
    lines: tuple[Line, ...]
    road_label: int
    road_widths: tuple[float, float, float]
    merge: float
    polygon: float

    def cover(self, x: Floats, y: Floats) -> tuple[Cover, Floats, Hashes]:
        """What covers the points at `x`, `y` (metres east and south of the scene's corner; any one shape).

        Returns:
            The cover, the direction of walls in radians (of the district's streets), and a hash of the
            polygon in which a point's reference label is kept or left out.
        """
        wet = smooth(x, y, 420.0, self.seed + 101, octaves=2)
        grow = 0.8 * smooth(x, y, 300.0, self.seed + 102, octaves=3) + 0.25 * wet
        sway = self.district * 0.17
        bend_x = sway * smooth(x, y, self.district * 0.8, self.seed + 103, octaves=2)
        bend_y = sway * smooth(x, y, self.district * 0.8, self.seed + 104, octaves=2)
        bent_x, bent_y = x + bend_x, y + bend_y
        cells = voronoi(bent_x, bent_y, self.district, 0.42, self.merge, self.seed + 105)
        angle = self._angle(cells.row, cells.col)
        # streets inside a district are straighter than its edges
        east, south = x + 0.3 * bend_x - cells.site_x, y + 0.3 * bend_y - cells.site_y
        u = np.cos(angle) * east + np.sin(angle) * south
        v = np.cos(angle) * south - np.sin(angle) * east
        key = hashed(self.seed + 106, cells.row, cells.col)
        whole = Points(
            x, y, u, v, cells.edge, np.hypot(east, south) / self.district, key, grow, wet, self.seed
        )
        use = self._use(cells.row, cells.col)
        cover = Cover.bare(grow, wet)
        for k in np.unique(use):
            index = np.flatnonzero(use == k)
            cover.scatter_into(index, self.slots[k].fill(_taken(whole, index)))
        self._roads(cover, cells, use, x, y)
        for number, line in enumerate(self.lines):
            self._line(cover, line, number, x, y, cells)
        parcel = hashed(key, np.floor(u / self.polygon), np.floor(v / self.polygon))
        return cover, angle, parcel

    def _angle(self, row: Ints, col: Ints) -> Floats:
        """Street direction: one for a quarter of districts, and a turn of each."""
        quarter = uniform(self.seed, 107, row // 2, col // 2) * np.pi
        return quarter + 0.5 * (uniform(self.seed, 108, row, col) - 0.5)

    def _use(self, row: Ints, col: Ints) -> Ints:
        """Index into `slots`: districts of a group take the slots in the order of a smooth urbanity.

        So every group holds the same mix, in a believable neighbourhood.
        """
        n = self.group
        rows = np.arange(row.min() // n, row.max() // n + 1)[:, None, None, None] * n + np.arange(n)[:, None]
        cols = np.arange(col.min() // n, col.max() // n + 1)[:, None, None] * n + np.arange(n)
        rows, cols = np.broadcast_arrays(rows, cols)
        east, south = cols.astype(np.float64), rows.astype(np.float64)
        urbanity = smooth(east, south, 2.7, self.seed + 109) + 0.35 * uniform(self.seed, 110, rows, cols)
        flat = urbanity.reshape(*rows.shape[:2], n * n)
        rank = np.argsort(np.argsort(flat, axis=-1, kind="stable"), axis=-1, kind="stable")
        g_row, g_col = row // n - row.min() // n, col // n - col.min() // n
        return np.asarray(rank[g_row, g_col, (row % n) * n + col % n])

    def _roads(self, cover: Cover, cells: Cells, use: Ints, x: Floats, y: Floats) -> None:
        """Roads between districts: main roads and streets in town, tracks and hedges in the country."""
        other = self._use(cells.next_row, cells.next_col)
        urban = np.array([slot.urban for slot in self.slots])
        town, country = urban[use] | urban[other], ~urban[use] & ~urban[other]
        here, there = (
            hashed(self.seed, 111, r, c)
            for r, c in ((cells.row, cells.col), (cells.next_row, cells.next_col))
        )
        # a road belongs to both its sides, so its hash must not know which is which
        draw = uniform(here ^ there)
        main, street, track = self.road_widths
        half = np.where(town, np.where(draw < 0.4, main, street), np.where(draw < 0.6, track, 0.0)) / 2.0
        verge = (cells.edge < half + 5.0) & (cells.edge >= half) & (half > 0)
        crowns = uniform(self.seed, 112, np.floor(x / 7.0), np.floor(y / 7.0)) < np.where(town, 0.45, 0.25)
        cover.put(verge & ~crowns, Material.GRASS)
        cover.put(verge & crowns, Material.BROADLEAF, height=9.0)
        surface = np.where(country, int(Material.GRAVEL), int(Material.ASPHALT))
        cover.put(cells.edge < half, surface, tint=2.0 * draw - 1.0, rough=-0.3)
        cover.label[cells.edge < half + 3.0 * (half > 0)] = 0
        cover.label[cells.edge < half] = self.road_label

    def _line(self, cover: Cover, line: Line, number: int, x: Floats, y: Floats, cells: Cells) -> None:
        seed = self.seed + 120 + number
        across, along = (x, y) if line.along == "y" else (y, x)
        start = line.period * float(uniform(seed, 1)[0])
        lane = np.round((across - start) / line.period)
        winding = smooth(along, lane * line.period, line.period * 0.35, seed, octaves=2)
        offset = np.abs(across - start - lane * line.period - line.sway * winding)
        half = line.width / 2.0 * (1.0 + 0.15 * smooth(x, y, 350.0, seed + 1))
        on, beside = offset < half, offset < half + line.shore
        if line.material == Material.WATER:
            # main roads cross rivers on bridges
            bridge = (cover.label == self.road_label) & (cells.edge < self.road_widths[1] / 2.0)
            bridge &= cover.material == Material.ASPHALT
            on, beside = on & ~bridge, beside & ~bridge
        cover.put(beside, line.shore_material, height=0.5, growth=0.3)
        cover.label[beside] = 0
        cover.put(on, line.material, tint=2.0 * uniform(seed, 2, lane) - 1.0, rough=0.0)
        cover.label[on] = line.label


def _taken(points: Points, index: Ints) -> Points:
    arrays: Mapping[str, Floats] = {
        name: getattr(points, name).ravel()[index]
        for name in ("x", "y", "u", "v", "edge", "radius", "key", "growth", "wetness")
    }
    return Points(**arrays, seed=points.seed)  # type: ignore[arg-type]
