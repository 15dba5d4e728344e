"""How houses, tenements, slabs, shops and works fill their districts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from geo_xmodal.simulate.cover import Cover, Filler, Mask, Points, pick, signed, trees
from geo_xmodal.simulate.noise import Floats, Grid, grid_cells
from geo_xmodal.simulate.spectra import Material


class Block(NamedTuple):
    """The street block of each point: grid cell, inner size, and coordinates inside its kerbs (metres)."""

    cell: Grid
    length: Floats
    depth: Floats
    a: Floats
    b: Floats
    street: Mask

    @property
    def inset(self) -> Floats:
        """Distance to the nearest kerb, negative in the street (metres)."""
        nearest: Floats = np.minimum.reduce([self.a, self.length - self.a, self.b, self.depth - self.b])
        return nearest


def _blocks(points: Points, length: Floats, depth: Floats, street: float) -> Block:
    cell = grid_cells(points.u, points.v, length, depth)
    a, b = cell.a - street, cell.b - street
    return Block(cell, length - street, depth - street, a, b, (a < 0) | (b < 0))


def _streets(cover: Cover, points: Points, block: Block, verge: float, planted: float) -> None:
    """Asphalt with parked cars and, on verges, street trees."""
    cover.put(block.street, Material.ASPHALT, tint=signed(points.own(10)), growth=0.0)
    kerb = block.street & ((block.a > -verge) | (block.b > -verge))
    cover.put(kerb, Material.CONCRETE, tint=0.3)
    cars, tint = points.scatter(5.0, 0.25, 11)
    cover.put(kerb & cars, Material.CAR, height=1.5, tint=tint)
    near = block.street | (np.minimum(block.a, block.b) < 2.0)
    trees(cover, points, kerb & near, planted, 12)


def _roof(
    cover: Cover,
    points: Points,
    where: Mask,
    lot: Grid,
    height: Floats,
    kinds: npt.NDArray[np.uint8],
    slope: Floats,
) -> None:
    cover.put(
        where,
        kinds,
        height=height,
        slope=slope,
        tint=signed(points.at(lot, 13)),
        rough=signed(points.at(lot, 14)),
        growth=0.0,
        wetness=0.0,
    )


def houses(label: int) -> Filler:
    """Detached houses in gardens, two rows of lots a block."""

    def fill(points: Points) -> Cover:
        block = _blocks(points, 140.0 + 70.0 * points.own(1), 62.0 + 18.0 * points.own(2), 7.5)
        back = block.b > block.depth / 2
        front = np.where(back, block.depth - block.b, block.b)
        width = block.length / np.round(block.length / (17.0 + 9.0 * points.own(3)))
        k = np.floor(block.a / width)
        lot = Grid(
            block.cell.i * 64 + k.astype(np.int64), block.cell.j * 2 + back, block.a - k * width, front
        )
        cover = Cover.of(points, Material.GRASS, label)
        cover.growth[:] = 0.6 * points.growth + 0.5 * signed(points.at(lot, 15))
        lawn = points.at(lot, 16)
        cover.put(lawn < 0.22, Material.DRY_GRASS)
        trees(cover, points, front > 3.0, 0.16 + 0.22 * points.own(4), 17)
        cover.put((lot.a < 3.2) & (front < 12.0 + 8.0 * lawn), Material.CONCRETE, tint=-0.2)
        cover.put((front > 18.0) & (front < 22.0) & (lot.a < 9.0) & (lawn > 0.5), Material.CONCRETE, tint=0.4)
        size = points.at(lot, 18)
        across, along = 3.6 + 2.6 * size, 4.2 + 2.6 * points.at(lot, 19)
        middle = 6.0 + 3.0 * points.own(5) + along
        house = (np.abs(lot.a - width / 2 - 1.0) < across) & (np.abs(front - middle) < along)
        house &= (points.edge > 6.0) & (points.at(lot, 20) > 0.06)
        kinds = pick(
            points.at(lot, 21),
            (0.55, Material.CLAY_TILE),
            (0.80, Material.DARK_TILE),
            (0.95, Material.BITUMEN),
            (1.0, Material.METAL),
        )
        lean = np.where(front < middle, 1.0, -1.0) * np.where(back, -1.0, 1.0)
        _roof(cover, points, house, lot, 5.5 + 3.5 * size, kinds, 0.8 * lean)
        _streets(cover, points, block, 2.2, 0.35)
        return cover

    return fill


def tenements(label: int) -> Filler:
    """Blocks built up along the street, with wings and planted courts behind."""

    def fill(points: Points) -> Cover:
        block = _blocks(points, 105.0 + 60.0 * points.own(1), 80.0 + 30.0 * points.own(2), 13.0)
        inset = block.inset
        lot = grid_cells(points.u + points.v, points.v, 22.0, 26.0)
        cover = Cover.of(
            points, pick(points.at(lot, 15), (0.5, Material.GRASS), (1.0, Material.CONCRETE)), label
        )
        trees(cover, points, inset > 14.0, 0.38, 17)
        wing = grid_cells(block.a, block.b, 24.0, 1e6)
        built = (inset < 13.0) | ((wing.a < 9.0) & (points.at(wing, 16) < 0.55) & (inset < 32.0))
        built &= (points.edge > 9.0) & (points.at(lot, 18) > 0.05)
        kinds = pick(
            points.at(lot, 21),
            (0.45, Material.CLAY_TILE),
            (0.80, Material.BITUMEN),
            (0.93, Material.DARK_TILE),
            (1.0, Material.METAL),
        )
        lean = np.where(block.b < block.depth / 2, 0.5, -0.5) * np.where(inset < 6.5, 1.0, -1.0)
        _roof(cover, points, built, lot, 15.0 + 6.0 * points.at(lot, 19), kinds, lean)
        _streets(cover, points, block, 3.5, 0.40)
        return cover

    return fill


def slabs(label: int) -> Filler:
    """Long apartment houses on lawns with trees and parking."""

    def fill(points: Points) -> Cover:
        block = _blocks(points, 120.0 + 40.0 * points.own(1), 58.0 + 20.0 * points.own(2), 8.0)
        cover = Cover.of(points, Material.GRASS, label)
        cover.put(points.growth < -0.7, Material.DRY_GRASS)
        trees(cover, points, ~block.street, 0.30, 17, size=8.0)
        parking = block.b < 13.0 * (points.at(block.cell, 15) < 0.6)
        cover.put(parking, Material.ASPHALT, tint=0.3)
        cars, tint = points.scatter(4.5, 0.45, 16)
        cover.put(parking & cars, Material.CAR, height=1.5, tint=tint)
        house = (
            (np.abs(block.b - block.depth * 0.62) < 6.3) & (block.a > 8.0) & (block.a < block.length - 10.0)
        )
        house &= (points.edge > 7.0) & (points.at(block.cell, 18) > 0.08)
        kinds = pick(
            points.at(block.cell, 21),
            (0.6, Material.BITUMEN),
            (0.85, Material.GRAVEL),
            (1, Material.BRIGHT_ROOF),
        )
        height = 15.0 + 16.0 * points.at(block.cell, 19)
        _roof(cover, points, house, block.cell, height, kinds, np.zeros_like(points.x))
        _streets(cover, points, block, 2.0, 0.25)
        return cover

    return fill


def commerce(label: int) -> Filler:
    """Dense centre: large connected roofs of many heights, plazas, few trees."""

    def fill(points: Points) -> Cover:
        block = _blocks(points, 95.0 + 55.0 * points.own(1), 80.0 + 35.0 * points.own(2), 14.0)
        inset = block.inset
        lot = grid_cells(points.u, points.v, 36.0, 31.0)
        ground = pick(points.at(block.cell, 15), (0.6, Material.CONCRETE), (1.0, Material.ASPHALT))
        cover = Cover.of(points, ground, label, tint=0.2)
        trees(cover, points, ~block.street, 0.07, 17)
        built = (inset > 2.0) & (points.at(lot, 18) > 0.14) & (points.edge > 11.0)
        built &= points.at(block.cell, 16) > 0.07
        kinds = pick(
            points.at(lot, 21),
            (0.42, Material.BITUMEN),
            (0.66, Material.GRAVEL),
            (0.80, Material.METAL),
            (0.92, Material.BRIGHT_ROOF),
            (1.0, Material.CLAY_TILE),
        )
        height = 11.0 + 24.0 * points.at(lot, 19) ** 2
        _roof(cover, points, built, lot, height, kinds, np.zeros_like(points.x))
        _streets(cover, points, block, 4.0, 0.15)
        return cover

    return fill


def works(label: int) -> Filler:
    """Halls with metal and bright roofs, paved yards with stacked goods, verges."""

    def fill(points: Points) -> Cover:
        block = _blocks(points, 200.0 + 80.0 * points.own(1), 140.0 + 60.0 * points.own(2), 10.0)
        lot = grid_cells(block.a, block.b, block.length / 2 + 0.01, block.depth / 2 + 0.01)
        lot = Grid(block.cell.i * 2 + lot.i, block.cell.j * 2 + lot.j, lot.a, lot.b)
        yard = points.at(lot, 15)
        ground = pick(
            yard,
            (0.40, Material.ASPHALT),
            (0.68, Material.CONCRETE),
            (0.84, Material.GRAVEL),
            (1.0, Material.DRY_GRASS),
        )
        cover = Cover.of(points, ground, label, tint=signed(points.at(lot, 16)))
        goods, tint = points.scatter(11.0, 0.10, 22)
        cover.put(goods & (yard < 0.84), Material.METAL, height=3.0, tint=tint, rough=tint)
        fringe = (lot.a < 4.0) | (lot.b < 4.0)
        cover.put(fringe, Material.GRASS)
        trees(cover, points, fringe, 0.3, 17)
        share_a, share_b = 0.45 + 0.45 * points.at(lot, 18), 0.45 + 0.42 * points.at(lot, 20)
        hall = (
            (lot.a > 9.0)
            & (lot.a < block.length / 2 * share_a)
            & (lot.b > 8.0)
            & (lot.b < block.depth / 2 * share_b)
        )
        hall &= (points.edge > 10.0) & (points.at(lot, 23) > 0.12)
        kinds = pick(
            points.at(lot, 21),
            (0.42, Material.METAL),
            (0.66, Material.BRIGHT_ROOF),
            (0.90, Material.BITUMEN),
            (1.0, Material.GRAVEL),
        )
        # saw-tooth or barrel roofs lean to and fro over a hall
        lean = 0.5 * np.where(lot.b % 16.0 < 8.0, 1.0, -1.0) * (points.at(lot, 24) < 0.5)
        _roof(cover, points, hall, lot, 6.0 + 7.0 * points.at(lot, 19), kinds, lean)
        _streets(cover, points, block, 2.0, 0.15)
        return cover

    return fill
