"""How lawns, car parks, sports grounds and campus buildings fill their districts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from geo_xmodal.simulate.cover import Cover, Filler, Points, signed, trees
from geo_xmodal.simulate.noise import grid_cells, smooth
from geo_xmodal.simulate.spectra import Material

ROOFS = (
    Material.CLAY_TILE,
    Material.DARK_TILE,
    Material.BITUMEN,
    Material.METAL,
    Material.BRIGHT_ROOF,
)


def by_material(fill: Filler, labels: Mapping[Material, int]) -> Filler:
    """The same land with a legend of land cover: each material's class, 0 for those without one."""
    table = np.zeros(len(Material), np.uint8)
    for material, label in labels.items():
        table[material] = label

    def relabelled(points: Points) -> Cover:
        cover = fill(points)
        cover.label[:] = table[cover.material]
        return cover

    return relabelled


def lawn(grass: Material) -> Filler:
    """Mown grass with paths and groups of trees."""

    def fill(points: Points) -> Cover:
        cover = Cover.of(points, grass, 0, tint=signed(points.own(90)))
        cover.growth[:] = 0.5 * points.growth + 0.5 * signed(points.own(91))
        groups = smooth(points.x, points.y, 45.0, points.seed + 92)
        trees(cover, points, points.edge > 4.0, np.where(groups > 0.35, 0.7, 0.03), 93, size=9.0)
        path = grid_cells(points.u + 8.0 * groups, points.v, 70.0, 90.0)
        cover.put((path.a < 2.5) | (path.b < 2.5), Material.CONCRETE)
        return cover

    return fill


def car_park(label: int, occupied: float) -> Filler:
    """Rows of bays on asphalt with planted islands; `occupied` is the share of bays with a car."""

    def fill(points: Points) -> Cover:
        cover = Cover.of(points, Material.ASPHALT, label, tint=signed(points.own(94)))
        row = grid_cells(points.u, points.v, 2.7, 17.0)
        bay = np.where(row.b < 8.5, 0, 1)
        inside = (row.b % 8.5 > 0.6) & (row.b % 8.5 < 5.3) & (row.a > 0.4) & (row.a < 2.4)
        draw = points.at(row, 95) + 0.37 * bay
        car = inside & (draw % 1.0 < occupied)
        cover.put(
            car, Material.CAR, height=1.5, tint=signed((draw * 7.0) % 1.0), rough=signed((draw * 11.0) % 1.0)
        )
        island = grid_cells(points.u, points.v, 48.0, 17.0)
        planted = (island.a < 3.0) & (island.b < 11.0)
        cover.put(planted, Material.GRASS)
        cover.label[planted] = 0
        trees(cover, points, planted, 0.6, 96, size=5.0)
        return cover

    return fill


def stadium(track: int, turf: int, grass: int) -> Filler:
    """An oval running track around a field of synthetic turf, in grass, with a stand on one side."""

    def fill(points: Points) -> Cover:
        cover = Cover.of(points, Material.GRASS, grass)
        oval = np.hypot(np.maximum(np.abs(points.u) - 18.0, 0.0), points.v)
        cover.put(oval < 30.0, Material.TRACK, tint=signed(points.own(97)), growth=0.0)
        cover.label[oval < 30.0] = track
        field = oval < 21.0
        cover.put(field, Material.TURF, tint=0.5 * np.where(points.u % 10.0 < 5.0, 1.0, -1.0), growth=0.0)
        cover.label[field] = turf
        stand = (np.abs(points.u) < 20.0) & (points.v > 32.0) & (points.v < 40.0)
        cover.put(stand, Material.CONCRETE, height=2.0 + (points.v - 32.0) * 0.8)
        cover.label[stand] = 0
        return cover

    return fill


def courts(tennis: int, grass: int) -> Filler:
    """Painted tennis courts in pairs, fenced, on grass."""

    def fill(points: Points) -> Cover:
        cover = Cover.of(points, Material.GRASS, grass)
        court = grid_cells(points.u, points.v, 21.0, 42.0)
        fence = (court.a > 1.0) & (court.a < 20.0) & (court.b > 1.0) & (court.b < 38.0) & (points.edge > 6.0)
        playing = fence & (court.a > 4.5) & (court.a < 16.0) & (court.b > 6.0) & (court.b < 32.0)
        paint = signed(points.own(98))
        cover.put(fence, Material.COURT, tint=-paint, growth=0.0)
        cover.put(playing, Material.COURT, tint=paint)
        cover.label[fence] = tennis
        trees(cover, points, ~fence, 0.12, 99)
        cover.label[cover.material == Material.BROADLEAF] = 0
        return cover

    return fill
