"""Many tiles of one sensor as one raster: thousands of them, of which a window opens only those it meets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import AlignmentError
from geo_xmodal.named_options import option
from geo_xmodal.raster.files import DEFAULT_LIMITS
from geo_xmodal.raster.grid import columns_of_turn, extended, extent_text, placed, turned_round
from geo_xmodal.raster.resampled import ResampledReader
from geo_xmodal.raster.warp import Resampling
from geo_xmodal.raster.window_reader import (
    Adaptation,
    Assumption,
    Band,
    ReaderDefaults,
    WindowReader,
    grid_identity,
    joined_assumptions,
    joined_identity,
)
from geo_xmodal.types import FloatArray, Kind, Window
from geo_xmodal.wording import counted

_MIN_SHARE = 0.001
"""Share of the pixels of a mosaic that its tiles cover at least ..."""

_SMALL_GRID = 1 << 26
"""... unless it has no more pixels than that: a few chips of one town are soon mapped."""


@dataclass(frozen=True)
class MosaicReader(ReaderDefaults):
    """Tiles on the grid of the first of them, extended to all.

    Where tiles overlap, a pixel is that of the first tile with data in all bands there; where none has, of
    the first with data in any.

    Attributes:
        tiles: Readers on `grid`, or on the same pixels full turns of longitude away; the first wins.
        places: Where on `grid` each of them may have data.
        grid: CRS, pixel size and anchoring of the first tile, over the extent of all.
        wanted: How a person wants values brought onto another grid, if one does.
    """

    tiles: tuple[WindowReader, ...]
    places: tuple[Window, ...]
    grid: GeoBox
    wanted: Resampling | None = None

    @property
    def kind(self) -> Kind:
        """What the sensor measures."""
        return self.tiles[0].kind

    @property
    def name(self) -> str:
        """The first tile's, and how many more there are."""
        more = len(self.tiles) - 1
        return self.tiles[0].name + (f" and {more} more tiles" if more else "")

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands, as the first tile has them."""
        return self.tiles[0].bands

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Those of all tiles."""
        return joined_assumptions(self.tiles)

    @property
    def files(self) -> tuple[Path, ...]:
        """Those of all tiles."""
        return tuple(file for tile in self.tiles for file in tile.files)

    def identity(self) -> Mapping[str, str]:
        """That of all tiles in their order."""
        return {"grid": grid_identity(self.grid), **joined_identity("tile", self.tiles)}

    def on(self, grid: GeoBox, *, measured: bool = False) -> ResampledReader:
        """The same values on another grid, put together first, so that tiles leave no seams."""
        return ResampledReader.of(self, grid, self.wanted, measured=measured)

    def adapted(self, how: Adaptation) -> MosaicReader:
        """The same tiles, read otherwise."""
        return dataclasses.replace(self, tiles=tuple(tile.adapted(how) for tile in self.tiles))

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col) float32, NaN where no tile has data; tiles are opened one after another.

        Raises:
            RasterError: A tile is gone, has changed its grid, or cannot be decoded there.
        """
        window = window.padded(margin)
        values = np.full((len(self.bands), window.height, window.width), np.nan, np.float32)
        for index in self.near(window):
            part = window.common(self.places[index])
            if part is None:
                continue
            rows, cols = part.seen_from(window).slices
            found = values[:, rows, cols]
            whole = np.isfinite(found).all(axis=0)
            if whole.all():
                continue
            more = self.tiles[index].read(part)
            taken = ~whole & (np.isfinite(more).all(axis=0) | ~np.isfinite(found).any(axis=0))
            found[:, taken] = more[:, taken]
        return values

    def near(self, window: Window) -> list[int]:
        """The tiles that may have data in `window`, in order."""
        return sorted(int(index) for index in self._index.query(_box(window)))

    @cached_property
    def _index(self) -> shapely.STRtree:
        return shapely.STRtree([_box(place) for place in self.places])


def mosaic(
    tiles: Sequence[tuple[str, WindowReader]],
    *,
    same_names: bool = True,
    resampling: Resampling | None = None,
) -> MosaicReader:
    """Tiles as one raster.

    Tiles whose pixels are those of the first tile's grid are read as they are. Others with pixels of about
    that size (of another UTM zone, say) give each pixel their nearest value, and tiles of another pixel size
    are resampled. In degrees, tiles from both sides of 180 lie beside each other: the grid runs past it.

    Args:
        tiles: Each by the name that messages call it; the first wins.
        same_names: Whether bands must have the same names, or only be as many.
        resampling: How the whole comes onto another grid, in place of the choice by pixel size.

    Raises:
        AlignmentError: Tiles have different bands, or only some a CRS, or lie too far apart for one grid,
            or cover hardly any of it.
    """
    (first_name, first), *_ = tiles
    if same_names:
        tiles = [(name, _in_order(first, tile)) for name, tile in tiles]
    for name, tile in tiles:
        _check_alike(first_name, first, name, tile, same_names)
        _check_placed(first_name, name, tile, len(tiles))
    spans = [_span(name, tile, first_name, first.grid) for name, tile in tiles]
    turns = _turns(spans, columns_of_turn(first.grid))
    spans = [
        _span(name, tile, first_name, turned_round(first.grid, -turn)) if turn else span
        for (name, tile), turn, span in zip(tiles, turns, spans, strict=True)
    ]
    row, col = min(span.row for span in spans), min(span.col for span in spans)
    whole = Window(
        row,
        col,
        max(span.row + span.height for span in spans) - row,
        max(span.col + span.width for span in spans) - col,
    )
    _check_near(tiles, spans, whole)
    grid = extended(first.grid, whole)
    return MosaicReader(
        tiles=tuple(
            _on(name, tile, turned_round(grid, -turn) if turn else grid)
            for (name, tile), turn in zip(tiles, turns, strict=True)
        ),
        places=tuple(span.seen_from(whole) for span in spans),
        grid=grid,
        wanted=resampling,
    )


def _span(name: str, tile: WindowReader, first_name: str, grid: GeoBox) -> Window:
    try:
        return placed(tile.grid, grid)
    except AlignmentError as error:
        raise AlignmentError(f"{name}: cannot be put beside {first_name}: {error.marked}") from None


def _turns(spans: Sequence[Window], turn: float | None) -> list[int]:
    """Full turns, of `turn` columns each, by which each place moves so that all together are narrowest.

    All are 0 where nothing is gained, and that of the first place always is.
    """
    still = [0] * len(spans)
    if turn is None:
        return still
    left = np.array([span.col for span in spans], np.float64)
    right = left + [span.width for span in spans]
    turns = -np.floor((left - left[0]) / turn)
    order = np.argsort(left + turns * turn, kind="stable")
    lefts, rights = (left + turns * turn)[order], (right + turns * turn)[order]
    # What lies west of the place that becomes the westernmost goes around to the east of all.
    from_here = np.maximum.accumulate(rights[::-1])[::-1]
    gone_round = np.concatenate([[-np.inf], np.maximum.accumulate(rights)[:-1] + turn])
    widths = np.maximum(from_here, gone_round) - lefts
    westernmost = int(np.argmin(widths))
    if widths[westernmost] > right.max() - left.min() - 1:
        return still
    turns[order[:westernmost]] += 1
    return [int(one) for one in turns - turns[0]]


def _check_near(tiles: Sequence[tuple[str, WindowReader]], spans: Sequence[Window], whole: Window) -> None:
    """See that tiles make one map, and not an empty frame around a few of them."""
    covered = sum(span.height * span.width for span in spans) / (whole.height * whole.width)
    if max(whole.height, whole.width) > DEFAULT_LIMITS.side:
        wrong = f"span {whole.height} x {whole.width} pixels, expected at most {DEFAULT_LIMITS.side} a side"
    elif whole.height * whole.width > _SMALL_GRID and covered < _MIN_SHARE:
        wrong = (
            f"cover {100 * covered:.2g} % of the {whole.height} x {whole.width} pixels that they span, "
            f"expected at least {100 * _MIN_SHARE:g} %"
        )
    else:
        return
    far = max(range(len(spans)), key=lambda index: _distance(spans[0], spans[index]))
    (first_name, first), (name, tile) = tiles[0], tiles[far]
    raise AlignmentError(
        f"{len(spans)} tiles {wrong}: {name} lies far from {first_name} ({extent_text(tile.grid)}; "
        f"{extent_text(first.grid)}); map it apart"
    )


def _distance(a: Window, b: Window) -> int:
    return abs(a.row - b.row) + abs(a.col - b.col)


def _in_order(first: WindowReader, tile: WindowReader) -> WindowReader:
    """A tile with its bands in the order of the first tile's, where the names are the same and unique."""
    names = tile.band_names
    if names == first.band_names or sorted(names) != sorted(first.band_names) or len(set(names)) < len(names):
        return tile
    return tile.adapted(Adaptation(bands=tuple(names.index(name) for name in first.band_names)))


def _check_placed(first_name: str, name: str, tile: WindowReader, count: int) -> None:
    if count > 1 and tile.grid.crs is None and tile.grid.affine.is_identity:
        about = next((one.text for one in tile.assumptions if one.code == "place"), "has no place")
        raise AlignmentError(f"{name}: {about}; {count} inputs of one map need a place each, or map it alone")


def _on(name: str, tile: WindowReader, grid: GeoBox) -> WindowReader:
    try:
        return tile.on(grid, measured=True)
    except AlignmentError as error:
        raise AlignmentError(
            f"{name}: cannot be put on the grid {extent_text(grid)}: {error.marked}"
        ) from None


def _check_alike(
    first_name: str, first: WindowReader, name: str, tile: WindowReader, same_names: bool
) -> None:
    count, expected = len(tile.band_names), len(first.band_names)
    if count != expected:
        raise AlignmentError(
            f"{name}: has {counted(count, 'band')}, {first_name} has {expected}: tiles of one map need the "
            f"same bands; choose them with {option('bands')}, or map this file apart"
        )
    if any(a.tagged != b.tagged for a, b in zip(tile.bands, first.bands, strict=True)):
        tagged, bare = (name, first_name) if any(band.tagged for band in tile.bands) else (first_name, name)
        raise AlignmentError(
            f"{tagged}: has scale and offset tags, {bare} has none: tiles of one map need the same units; "
            "map one of them apart, or set the tags of both with: gdal_edit.py -scale S -offset O FILE"
        )
    own, other = tile.product, first.product
    if own is not None and other is not None and own.contradicts(other):
        raise AlignmentError(
            f"{name}: holds features of {own}, {first_name} of {other}: these cannot be mixed"
        )
    if same_names and tile.band_names != first.band_names:
        raise AlignmentError(
            f"{name}: its bands are {', '.join(tile.band_names[:10])}, those of {first_name} are "
            f"{', '.join(first.band_names[:10])}: tiles of one map need the same bands in the same order; "
            f"choose them with {option('bands')}"
        )


def _box(window: Window) -> shapely.Geometry:
    # Half a pixel less on every side: windows that only touch share no pixel.
    return shapely.box(
        window.col + 0.5, window.row + 0.5, window.col + window.width - 0.5, window.row + window.height - 0.5
    )
