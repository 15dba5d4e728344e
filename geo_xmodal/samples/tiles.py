"""Values of pixels on disk: the tiles of a raster in which they lie, packed one after the other.

Two million patches of 21 x 21 pixels and 248 bands are 860 GB; the raster that they are cut from is some GB.
So a file holds tiles of a raster, each with the margin around it that its patches reach into, and a patch is
cut out when it is asked for. Tiles are as large as takes the least room: scattered pixels have one each,
pixels that lie close share large ones. A file grows: other pixels add the tiles that it lacks.

In a folder: `store.json` says what of, `values` holds tiles (row, col, band) as float32, and `index` where
each belongs, with a checksum, written after the tile itself. Whatever a killed process, a full disk or a
damaged one left, what is whole is found out when the folder is opened again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from geo_xmodal.errors import ResumeError
from geo_xmodal.outputs import write_json
from geo_xmodal.patches import LocalFunction, Patches, Shape, Tell, cut_of
from geo_xmodal.raster import WindowReader
from geo_xmodal.samples.patches import block_side, blocks_with
from geo_xmodal.small_files import SmallFile, read_json_object
from geo_xmodal.types import FloatArray, IntArray, Progress, Window

SIDES = (128, 32, 8, 1)
"""Sides of tiles in pixels that are chosen from; blocks that a raster is read in are multiples of them."""

_HEAD, _VALUES, _INDEX = "store.json", "values", "index"
_SCHEMA = 1
_RECORD = np.dtype([("row", "<i4"), ("col", "<i4"), ("crc", "<u4")])
_AT_ONCE = 16 << 20
"""Bytes of tiles that are written, checked or derived from at a time, at least one tile."""

_PLACED = 1 << 16
"""Pixels that are looked up at a time."""

_FILE = SmallFile("what a store of values holds", ResumeError, "it is damaged", 1 << 20)


@dataclass(frozen=True)
class Tiling:
    """How a raster is cut.

    Attributes:
        side: Of a tile, in pixels.
        margin: Pixels around it that belong to it.
        bands: Of a pixel.
    """

    side: int
    margin: int
    bands: int

    @property
    def whole(self) -> int:
        """Pixels a side with the margin."""
        return self.side + 2 * self.margin

    @property
    def size(self) -> int:
        """Bytes of a tile."""
        return 4 * self.bands * self.whole**2

    @property
    def at_once(self) -> int:
        """Tiles that are worked on at a time."""
        return max(1, _AT_ONCE // self.size)

    def room(self, tiles: int) -> int:
        """Bytes on disk of so many tiles."""
        return tiles * (self.size + _RECORD.itemsize)

    def keys(self, positions: IntArray) -> IntArray:
        """(n,) one number for the tile of each pixel (n, 2)."""
        return _keys(positions[:, 0] // self.side, positions[:, 1] // self.side)

    def tiles(self, groups: Sequence[IntArray]) -> IntArray:
        """(k,) the numbers of all tiles of the pixels (n, 2) of groups, in rising order."""
        return np.unique(np.concatenate([np.empty(0, np.int64), *map(self.keys, groups)]))

    @classmethod
    def smallest(cls, groups: Sequence[IntArray], margin: int, bands: int) -> Tiling:
        """The one that takes the least room for the patches around the pixels (n, 2) of groups."""
        tilings = [cls(side, margin, bands) for side in SIDES]
        return min(tilings, key=lambda one: one.room(len(one.tiles(groups))))


def _keys(rows: npt.NDArray[Any], cols: npt.NDArray[Any]) -> IntArray:
    keys = rows.astype(np.int64)
    keys <<= 32
    keys += cols
    return keys


class TileFile:
    """Tiles of one modality in a folder.

    Attributes:
        folder: Where they lie.
        tiling: How they are cut.
        word: Fingerprint of the modality's values and of the margin.
        damaged: How many tiles an earlier process had written that could not be used.
        writing: A block that writes so many bytes of something, by whoever keeps the folder.
    """

    def __init__(self, folder: Path, tiling: Tiling, word: str, damaged: int = 0) -> None:
        self.folder = folder
        self.tiling = tiling
        self.word = word
        self.damaged = damaged
        self.writing: Callable[[int, str], AbstractContextManager[None]] = lambda needed, what: nullcontext()
        self._records = np.empty(0, _RECORD)
        self._whole = np.empty(0, bool)
        self._slots: IntArray = np.empty(0, np.int64)
        self._derived: set[str] = set()
        self._in_use: WeakValueDictionary[str, FloatArray] = WeakValueDictionary()

    @classmethod
    def begun(cls, folder: Path, tiling: Tiling, word: str) -> Self:
        """A new one, without tiles; the folder is made.

        Raises:
            OSError, OutputError: It cannot be written.
        """
        folder.mkdir(parents=True)
        write_json(folder / _HEAD, {"schema": _SCHEMA, "word": word, "side": tiling.side})
        for name in (_VALUES, _INDEX):
            (folder / name).touch()
        return cls(folder, tiling, word)

    @classmethod
    def found(
        cls, folder: Path, margin: int, bands: int, word: str, progress: Progress | None = None
    ) -> Self | None:
        """What an earlier process left, as far as it is whole; None if nothing is.

        Raises:
            OSError: It cannot be read or cut to what is whole.
        """
        try:
            head = read_json_object(folder / _HEAD, _FILE)
        except ResumeError:
            return None
        if head is None or head.get("schema") != _SCHEMA or head.get("word") != word:
            return None
        side = head.get("side")
        if side not in SIDES or not all((folder / name).is_file() for name in (_VALUES, _INDEX)):
            return None
        made = cls(folder, Tiling(side, margin, bands), word)
        made._recover(progress)
        return made

    def _recover(self, progress: Progress | None) -> None:
        """Take up the tiles that are whole, and drop what was being written."""
        values, index, size = self.folder / _VALUES, self.folder / _INDEX, self.tiling.size
        records = np.fromfile(index, _RECORD, index.stat().st_size // _RECORD.itemsize)
        count = min(len(records), values.stat().st_size // size)
        lost = len(records) - count
        for path, length in ((values, count * size), (index, count * _RECORD.itemsize)):
            with path.open("r+b") as file:
                file.truncate(length)
        self._records, self._whole = records[:count], np.zeros(count, bool)
        tiles, step = self._tiles(), self.tiling.at_once
        for start in range(0, count, step):
            for slot in range(start, min(start + step, count)):
                self._whole[slot] = zlib.crc32(tiles[slot].data) == self._records["crc"][slot]
            if progress is not None:
                progress(min(start + step, count), count, "checking stored values")
        self._look_up()
        torn = _keys(*(self._records[name][~self._whole] for name in ("row", "col")))
        self.damaged = lost + len(np.setdiff1d(torn, self._known))

    def _look_up(self) -> None:
        """The slots of whole tiles in the order of their keys."""
        slots = np.flatnonzero(self._whole)
        records = self._records[slots]
        self._slots = slots[np.unique(_keys(records["row"], records["col"]), return_index=True)[1]]

    @property
    def _known(self) -> IntArray:
        """Keys of the tiles that are there, in rising order."""
        records = self._records[self._slots]
        return _keys(records["row"], records["col"])

    def __len__(self) -> int:
        return len(self._slots)

    def missing(self, groups: Sequence[IntArray]) -> IntArray:
        """(k, 2) row and column of the tiles that patches around the pixels (n, 2) of groups lack."""
        keys = np.setdiff1d(self.tiling.tiles(groups), self._known, assume_unique=True)
        return np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1)

    def add(self, reader: WindowReader, tiles: IntArray, progress: Progress | None = None) -> None:
        """Read tiles (k, 2) that are missing; those that are written stay if it is cut short.

        Raises:
            OSError: The disk is full, say.
            RasterError: As `reader`.
        """
        tiling, done = self.tiling, 0
        corners = tiles * tiling.side
        added = [self._records]
        with (self.folder / _VALUES).open("ab") as values, (self.folder / _INDEX).open("ab") as index:
            for window, members in blocks_with(corners, block_side(tiling.bands)):
                for part, cut in self._cut(reader, window, corners, members):
                    records = np.empty(len(part), _RECORD)
                    records["row"], records["col"] = tiles[part].T
                    records["crc"] = [zlib.crc32(tile.data) for tile in cut]
                    values.write(cut.data)
                    values.flush()
                    index.write(records.tobytes())
                    index.flush()
                    added.append(records)
                    done += len(part)
                    if progress is not None:
                        progress(done, len(tiles), f"storing values of {Path(reader.name).name}")
        self._records = np.concatenate(added)
        self._whole = np.concatenate([self._whole, np.ones(len(self._records) - len(self._whole), bool)])
        self._look_up()

    def _cut(
        self, reader: WindowReader, window: Window, corners: IntArray, members: IntArray
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        """Which tiles of a block, and their values (k, row, col, band), as many as are written at once."""
        side, whole = self.tiling.side, self.tiling.whole
        reached = Window(window.row, window.col, window.height + side - 1, window.width + side - 1)
        block = np.ascontiguousarray(reader.read(reached, self.tiling.margin).transpose(1, 2, 0))
        views = np.lib.stride_tricks.sliding_window_view(block, (whole, whole), axis=(0, 1))
        views = views.transpose(0, 1, 3, 4, 2)
        for start in range(0, len(members), self.tiling.at_once):
            part = members[start : start + self.tiling.at_once]
            rows, cols = (corners[part] - (window.row, window.col)).T
            yield part, np.ascontiguousarray(views[rows, cols])

    def _tiles(self) -> FloatArray:
        """All tiles (tile, row, col, band), mapped and not read."""
        return self._mapped(_VALUES, self.tiling.whole, self.tiling.bands)

    def _mapped(self, name: str, side: int, features: int) -> FloatArray:
        shape = (len(self._records), side, side, features)
        if 0 in shape:
            return np.empty(shape, np.float32)
        return np.asarray(np.memmap(self.folder / name, "<f4", "r", shape=shape))

    def patches(self, positions: IntArray) -> StoredPatches:
        """The patches around pixels (n, 2), whose tiles are all there."""
        known, side = self._known, self.tiling.side
        slot = np.empty(len(positions), np.int32)
        row, col = np.empty((2, len(positions)), np.uint8)
        for start in range(0, len(positions), _PLACED):
            part = slice(start, start + _PLACED)
            slot[part] = self._slots[np.searchsorted(known, self.tiling.keys(positions[part]))]
            row[part], col[part] = (positions[part] % side).T
        return StoredPatches(self, self._tiles(), slot, row, col, self.tiling.margin)

    def derived(self, function: LocalFunction) -> FloatArray:
        """(tile, row, col, feature) of all tiles and their margin less that of `function`.

        They lie in a file beside the tiles. Those of earlier functions go, unless patches of them are in use.

        Raises:
            OSError, OutputError: The disk is full, say.
        """
        name = f"derived-{function.word}-{len(self._records)}"
        tiles = self._in_use.get(name)
        if tiles is None:
            if name not in self._derived:
                self._drop_unused()
                self._derive(function, self.folder / name)
                self._derived.add(name)
            tiles = self._mapped(name, self.tiling.whole - 2 * function.margin, function.features)
            self._in_use[name] = tiles
        return tiles

    def _drop_unused(self) -> None:
        for path in self.folder.glob("derived-*"):
            if path.name not in self._in_use:
                self._derived.discard(path.name)
                with suppress(OSError):  # Windows keeps what is mapped
                    path.unlink()

    def _derive(self, function: LocalFunction, path: Path) -> None:
        tiles, step = self._tiles(), self.tiling.at_once
        side = self.tiling.whole - 2 * function.margin
        needed = 4 * len(tiles) * side**2 * function.features
        with self.writing(needed, "numbers derived of stored values"), path.open("wb") as file:
            for start in range(0, len(tiles), step):
                made = function(tiles[start : start + step])
                file.write(np.ascontiguousarray(made, np.float32).data)


@dataclass(frozen=True, eq=False)
class StoredPatches(Patches):
    """Patches that are cut out of tiles on disk when they are asked for.

    Attributes:
        file: Where the tiles lie.
        tiles: (tile, row, col, band), mapped.
        slot: (n,) int32, the tile of each pixel.
        row: (n,) uint8, its place in the tile ...
        col: ... without the margin.
        margin: Radius of the patches, at most that of the tiles.
        word: What was derived of the values; empty for the values themselves.
    """

    file: TileFile
    tiles: FloatArray
    slot: npt.NDArray[np.int32]
    row: npt.NDArray[np.uint8]
    col: npt.NDArray[np.uint8]
    margin: int
    word: str = ""

    @property
    def shape(self) -> Shape:
        """Of the patches."""
        side = 2 * self.margin + 1
        return len(self.slot), self.tiles.shape[3], side, side

    @property
    def held(self) -> None:
        """They are on disk."""
        return None

    def take(self, index: IntArray) -> FloatArray:
        """Cut out; bands lie together in memory, as on disk."""
        side = 2 * self.margin + 1
        reach: int = (self.tiles.shape[1] - self.file.tiling.side) // 2
        cut = reach - self.margin
        views = np.lib.stride_tricks.sliding_window_view(self.tiles, (side, side), axis=(1, 2))
        rows, cols = (place[index].astype(np.int64) + cut for place in (self.row, self.col))
        return views.transpose(0, 1, 2, 4, 5, 3)[self.slot[index], rows, cols].transpose(0, 3, 1, 2)

    def chosen(self, index: IntArray) -> StoredPatches:
        """Places of some."""
        return StoredPatches(
            self.file, self.tiles, self.slot[index], self.row[index], self.col[index], self.margin, self.word
        )

    def cropped(self, margin: int) -> StoredPatches:
        """The same places, and less of each."""
        cut_of(self.shape, margin)
        return StoredPatches(self.file, self.tiles, self.slot, self.row, self.col, margin, self.word)

    def derived(self, function: LocalFunction) -> StoredPatches:
        """Of whole tiles, once."""
        margin = self.margin - function.margin
        cut_of(self.shape, function.margin)
        tiles = self.file.derived(function)
        return StoredPatches(self.file, tiles, self.slot, self.row, self.col, margin, function.word)

    def tell(self, update: Tell) -> None:
        """Fingerprints of the modality and of what was derived, and the size."""
        update(f"{self.file.word} {self.word} {self.margin}".encode())
