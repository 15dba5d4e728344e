"""How forest, lakes, fields and allotments fill their districts."""

from __future__ import annotations

import numpy as np

from geo_xmodal.simulate.cover import Cover, Filler, Mask, Points, parcels, pick, signed, trees
from geo_xmodal.simulate.noise import Floats, grid_cells, smooth
from geo_xmodal.simulate.spectra import Material


def forest(label: int) -> Filler:
    """Stands of broadleaf and conifer with crowns, clearings and forest roads."""

    def fill(points: Points) -> Cover:
        cover = Cover.of(points, Material.BROADLEAF, label)
        _wood(cover, points, np.ones(points.x.shape, np.bool_))
        road = grid_cells(points.u, points.v, 260.0, 340.0)
        cover.put((road.a < 5.0) | (road.b < 4.0), Material.GRAVEL, rough=-0.2)
        return cover

    return fill


def _wood(cover: Cover, points: Points, where: Mask) -> None:
    """Closed canopy: species by stand, tint and height by crown, gaps where the stand noise is low."""
    x, y, seed = points.x, points.y, points.seed
    bent_u = points.u + 70.0 * smooth(x, y, 190.0, seed + 40, octaves=2)
    bent_v = points.v + 70.0 * smooth(x, y, 190.0, seed + 39, octaves=2)
    stand = grid_cells(bent_u, bent_v, 210.0, 150.0)
    conifer = points.at(stand, 41) < 0.25 + 0.5 * points.own(42)
    age = points.at(stand, 43)
    crowns, tint = points.scatter(8.0, 0.97, 44)
    tint = 0.6 * tint + 0.5 * signed(points.at(stand, 45))
    height = (9.0 + 15.0 * age) * np.where(crowns, 1.0, 0.7) + 1.5 * tint
    growth = points.growth * 0.6 + 0.6 * signed(points.at(stand, 46))
    species = np.where(conifer, int(Material.CONIFER), int(Material.BROADLEAF))
    cover.put(where, species, height=height, tint=tint, growth=growth, rough=0.5 * tint)
    open_ground = smooth(x, y, 120.0, seed + 47, octaves=2)
    cover.put(where & (open_ground < -0.85), Material.SHRUB, height=2.0)
    cover.put(where & (open_ground < -1.0), Material.GRASS)
    cover.put(where & (age < 0.12) & ~crowns, Material.LOAM, rough=0.4)


def lake(water_label: int, shore_label: int) -> Filler:
    """A lake with reeds at the shore, in wood and meadow."""

    def fill(points: Points) -> Cover:
        cover = Cover.of(points, Material.GRASS, shore_label)
        _wood(cover, points, smooth(points.x, points.y, 180.0, points.seed + 50) > -0.3)
        reach = 0.34 + 0.10 * smooth(points.x, points.y, 220.0, points.seed + 51, octaves=2)
        reach = np.minimum(reach - points.radius, (points.edge - 30.0) / 400.0)
        cover.put(reach > -0.03, Material.SHRUB, height=1.5, wetness=1.0)
        cover.put(reach > 0, Material.WATER, tint=signed(points.own(52)), growth=signed(points.own(53)))
        cover.label[reach > 0] = water_label
        # the belt of reeds is neither water nor what grows behind it
        cover.label[(reach > -0.03) & (reach <= 0)] = 0
        return cover

    return fill


def _hedges(cover: Cover, points: Points, a: Floats, share: float) -> None:
    """Hedgerows along a share of parcel boundaries."""
    present = smooth(points.x, points.y, 160.0, points.seed + 60) > 1.0 - 2.0 * share
    gaps, tint = points.scatter(9.0, 0.85, 61)
    hedge = (a < 7.0) & present & gaps
    cover.put(hedge, Material.SHRUB, height=3.5 + 2.0 * tint, tint=tint, rough=tint)


def low_plants(label: int) -> Filler:
    """Meadow, pasture and crops in parcels, with hedges and single trees."""

    def fill(points: Points) -> Cover:
        parcel = parcels(points, 150.0 + 130.0 * points.own(62), 70.0 + 70.0 * points.own(63))
        kind = points.at(parcel, 64)
        growth = 0.5 * points.growth + 0.8 * signed(points.at(parcel, 65))
        wetness = 0.7 * points.wetness + 0.4 * signed(points.at(parcel, 66))
        cover = Cover.of(points, Material.GRASS, label)
        material = pick(
            kind,
            (0.48, Material.GRASS),
            (0.70, Material.DRY_GRASS),
            (0.94, Material.CROP),
            (1.0, Material.SHRUB),
        )
        cover.put(
            np.ones(kind.shape, np.bool_),
            material,
            height=np.where(kind > 0.94, 1.5, 0.4),
            growth=growth,
            wetness=wetness,
            tint=signed(points.at(parcel, 67)),
            rough=signed(points.at(parcel, 68)),
        )
        # thin patches of straw where the meadow is dry
        patch = smooth(points.x, points.y, 35.0, points.seed + 69, octaves=2)
        cover.put((kind < 0.48) & (patch > 0.75 + 0.5 * growth), Material.DRY_GRASS, growth=growth)
        _hedges(cover, points, np.minimum(parcel.a, parcel.b), 0.35)
        trees(cover, points, kind < 0.6, 0.035, 70, size=9.0)
        cover.put(parcel.a < 3.0 * (points.own(71) < 0.5), Material.GRAVEL)
        return cover

    return fill


def bare_soil(label: int) -> Filler:
    """Tilled fields: soil type by place, moisture and tillage by parcel, stubble and weeds in some."""

    def fill(points: Points) -> Cover:
        parcel = parcels(points, 170.0 + 120.0 * points.own(72), 80.0 + 80.0 * points.own(73))
        kind = points.at(parcel, 74)
        ground = smooth(points.x, points.y, 900.0, points.seed + 75, octaves=2) + 0.5 * signed(
            points.at(parcel, 76)
        )
        material = np.where(
            ground > 0.35,
            int(Material.SAND),
            np.where(ground < -0.75, int(Material.PEAT), int(Material.LOAM)),
        )
        wetness = 0.8 * points.wetness + 0.5 * signed(points.at(parcel, 77))
        cover = Cover.of(points, material, label)
        cover.put(
            np.ones(kind.shape, np.bool_),
            material,
            wetness=wetness,
            tint=0.6 * signed(points.at(parcel, 78))
            + 0.4 * smooth(points.x, points.y, 60.0, points.seed + 79),
            rough=signed(points.at(parcel, 80)),
        )
        plants, tint = points.scatter(5.0, np.where(kind < 0.22, 0.55, np.where(kind > 0.85, 0.30, 0.05)), 81)
        cover.put(
            plants,
            np.where(kind > 0.85, int(Material.CROP), int(Material.DRY_GRASS)),
            growth=-0.3 + 0.4 * tint,
        )
        cover.put(np.minimum(parcel.a, parcel.b) < 4.0, Material.GRASS)
        _hedges(cover, points, parcel.b, 0.12)
        return cover

    return fill


def allotments(label: int) -> Filler:
    """Tiny plots along gravel paths: shed, beds, lawn, fruit trees."""

    def fill(points: Points) -> Cover:
        lane = grid_cells(points.u, points.v, 160.0, 44.0)
        side = lane.b > 23.5
        plot = grid_cells(points.u, np.where(side, lane.j * 2 + 1.0, lane.j * 2.0) + 0.5, 15.0, 1.0)
        depth = np.where(side, 44.0 - lane.b, lane.b - 3.0)
        kind = points.at(plot, 82)
        cover = Cover.of(points, Material.GRASS, label, tint=signed(points.at(plot, 83)))
        cover.growth[:] = 0.4 * points.growth + 0.6 * signed(points.at(plot, 84))
        beds = (depth > 11.0 + 4.0 * kind) & (plot.a > 1.0)
        cover.put(beds, np.where(plot.a % 5.0 < 2.5, int(Material.LOAM), int(Material.CROP)), tint=0.5)
        trees(cover, points, depth > 2.0, 0.22, 85, size=6.0)
        shed = (np.abs(plot.a - 5.0 - 4.0 * kind) < 2.8) & (np.abs(depth - 7.5) < 2.6)
        roof = pick(
            points.at(plot, 86), (0.6, Material.BITUMEN), (0.85, Material.DARK_TILE), (1.0, Material.METAL)
        )
        cover.put(shed, roof, height=2.6, tint=signed(points.at(plot, 87)), rough=signed(points.at(plot, 88)))
        cover.put((plot.a < 1.2) & ~shed, Material.SHRUB, height=1.6)
        cover.put((depth < 0.0) | (lane.a < 4.0), Material.GRAVEL)
        return cover

    return fill
