"""A map with another legend: names, colours and merged classes reach the file and all that lies beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geo_xmodal.errors import LabelError, UsageError
from geo_xmodal.export.regions import RegionMap
from geo_xmodal.export.smallest import Smallest, check_sizes, joined_regions
from geo_xmodal.mapping import qml
from geo_xmodal.mapping.attribute_table import MapCounts, class_side_car
from geo_xmodal.mapping.geotiff import RasterLayer, legend_tag, write_cog
from geo_xmodal.mapping.layers import Layers
from geo_xmodal.mapping.map_legends import NO_DATA, ClassMapReader, MapLegend, legend_of_map, open_class_map
from geo_xmodal.mapping.outputs import SHARES_TAG, put_map, side_car, style_file
from geo_xmodal.outputs import folder_beside
from geo_xmodal.raster import grid_of, name_key, pixel_areas
from geo_xmodal.scenes import Reclass, free_id, read_map_classes
from geo_xmodal.small_files import real_path, shortened
from geo_xmodal.types import ClassArray, LandClass, Progress, Window, windows_over

_WINDOW = 1024
_OF_PLACE = "AREA_OR_POINT"


@dataclass(frozen=True)
class ExportedMap:
    """A map with another legend.

    Attributes:
        out: The GeoTIFF; `.aux.xml` and `.qml` lie beside it.
        classes: Its legend.
        pixels: Class id to pixels.
        merged_pixels: Pixels that took a neighbour's class.
        warnings: Lines that the user should see.
    """

    out: Path
    classes: tuple[LandClass, ...]
    pixels: Mapping[int, int]
    merged_pixels: int = 0
    warnings: tuple[str, ...] = ()


def export_map(
    map_file: Path | str,
    out: Path | str,
    *,
    classes: Path | str | None = None,
    reclass: Reclass | None = None,
    mmu: float = 0.0,
    sieve: int = 0,
    progress: Progress | None = None,
) -> ExportedMap:
    """Write a map with other names, colours or classes: colour table, category names and styles follow.

    Args:
        map_file: A class map of this package or of another program.
        out: The GeoTIFF (COG).
        classes: TOML file with `[[classes]]`, or a known legend (`geo_xmodal.scenes.known_legends`). Without
            `reclass` its ids are the map's values; None keeps the map's legend.
        reclass: Class of the map, by name or value, to the name or id of the class that it becomes: of
            `classes`, else of the map, or a new name. Several may become one; an empty name is no data.
        mmu: Smallest area in hectares; smaller ones join the neighbour of the longest border.
        sieve: The same in pixels; the larger of both counts.
        progress: Told of every window.

    Raises:
        RasterError: The map cannot be read, or holds values that `classes` lacks.
        LabelError: `reclass` names a class that is not there, or leaves one without a place in `classes`.
        SceneError: `classes` cannot be read.
        UsageError: `out` is no `.tif`, or the map itself; a size without meaning, or hectares for a map
            without a place on the ground.
        OutputError: It cannot be written.
    """
    map_file, out = Path(map_file), Path(out)
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise UsageError(f"{out}: a map is a GeoTIFF: give a name that ends in .tif")
    if real_path(out) == real_path(map_file):
        raise UsageError(f"{out}: the map itself lies there: give another name")
    check_sizes(mmu=mmu, sieve=sieve)
    smallest = Smallest(mmu, sieve)
    listed = None if classes is None else Path(classes)
    with open_class_map(map_file) as opened:
        if not reclass:
            own = legend_of_map(opened, listed)
            legend, ids = own.classes, np.arange(256, dtype=np.uint8)
        else:
            own = legend_of_map(opened)
            legend, ids = _changed(own, reclass, listed)
        plain = _Blocks(opened, own, ids)
        blocks: _Blocks | _Joined = plain
        changed = 0
        if smallest:
            found, changed = joined_regions(
                plain,
                pixel_areas(grid_of(opened.dataset)),
                opened.dataset.shape,
                smallest,
                str(map_file),
                progress=progress,
            )
            blocks = _Joined(plain, found)
        counts = _counted(blocks, opened, progress)
        tags = {
            key: value
            for key, value in opened.dataset.tags().items()
            if key != _OF_PLACE and not (reclass and key == SHARES_TAG)
        }
        layer = RasterLayer(NO_DATA, "MODE", "land-cover class", legend, {**tags, **legend_tag(legend)})
        with folder_beside(out) as folder:
            made = folder / out.name
            write_cog(made, grid_of(opened.dataset), layer, blocks)
            side_car(made).write_bytes(class_side_car(legend, counts))
            style_file(made).write_bytes(qml.style(qml.paletted(legend)))
            put_map(out, [(of(made), of(out)) for of in (side_car, style_file, Path)], Layers())
    pixels = {entry.id: int(counts.pixels[entry.id]) for entry in legend}
    return ExportedMap(out, legend, pixels, changed, own.notes)


@dataclass(frozen=True)
class _Blocks:
    """The windows of a map as ids of the new legend; can be gone through again."""

    opened: ClassMapReader
    own: MapLegend
    ids: ClassArray

    def __iter__(self) -> Iterator[tuple[Window, ClassArray]]:
        for window in windows_over(self.opened.dataset.height, self.opened.dataset.width, _WINDOW):
            yield window, self.read(window)[0]

    def read(self, window: Window) -> tuple[ClassArray, None]:
        """Class ids (row, col) of a window, 0 = no data."""
        return self.ids[self.opened.ids(window, self.own)], None


@dataclass(frozen=True)
class _Joined:
    """The same once small areas have joined their neighbours."""

    blocks: _Blocks
    found: RegionMap

    def __iter__(self) -> Iterator[tuple[Window, ClassArray]]:
        ids = np.concatenate([np.zeros(1, np.uint8), self.found.regions.class_id])
        for number, strip in enumerate(self.found.strips):
            yield strip, ids[self.found.read(self.blocks, number)]


def _counted(blocks: _Blocks | _Joined, opened: ClassMapReader, progress: Progress | None) -> MapCounts:
    areas = pixel_areas(grid_of(opened.dataset))
    pixels, parts = np.zeros((2, 256), np.int64)
    height = opened.dataset.height
    for window, ids in blocks:
        for sums, found in zip((pixels, parts), areas.count(ids, window), strict=True):
            sums += found
        if progress is not None:
            progress(window.row + window.height, height, "counting")
    return MapCounts(pixels, None, areas.hectares(parts))


def _changed(
    own: MapLegend, reclass: Reclass, listed: Path | None
) -> tuple[tuple[LandClass, ...], ClassArray]:
    """The new legend, and the new id of each old one (256,)."""
    by_word = {str(own.value(entry.id)): entry for entry in own.classes}
    by_word |= {name_key(entry.name): entry for entry in own.classes}
    wanted: dict[int, str] = {}
    for word, name in reclass.items():
        entry = by_word.get(name_key(word))
        if entry is None:
            known = ", ".join(f"{own.value(one.id)} {one.name}" for one in own.classes)
            raise LabelError(
                f"the map has no class {shortened(repr(word))}, which is to become "
                f"{shortened(repr(name))}; its classes are {known}"
            )
        wanted[entry.id] = name
    targets = _targets(own, wanted, listed)
    ids = np.zeros(256, np.uint8)
    for entry in own.classes:
        name = wanted.get(entry.id, entry.name)
        if not name:
            continue
        target = targets.get(name_key(name))
        if target is None:
            raise LabelError(
                f"class {shortened(repr(entry.name))} of the map becomes none of {listed}: say which"
            )
        ids[entry.id] = target.id
    if not ids.any():
        raise LabelError("no class is left: every one would become no data")
    legend = {one.id: one for one in targets.values()}
    used = legend.keys() if listed is not None else set(ids[ids > 0].tolist())
    return tuple(legend[id_] for id_ in sorted(used)), ids


def _targets(own: MapLegend, wanted: Mapping[int, str], listed: Path | None) -> dict[str, LandClass]:
    """The classes that there may be, by name and by id."""
    if listed is not None:
        given = [LandClass(one.id, one.name, one.color) for one in read_map_classes(listed)]
        free = free_id(one.id for one in given)  # 0 is no data in maps of this package
        placed = [LandClass(one.id or free, one.name, one.color) for one in given]
        by_id = {str(before.id): one for before, one in zip(given, placed, strict=True)}
        return by_id | {name_key(one.name): one for one in placed}
    targets = {str(own.value(one.id)): one for one in own.classes}
    targets |= {name_key(one.name): one for one in own.classes if one.id not in wanted}
    for entry in own.classes:
        name = wanted.get(entry.id)
        if name and name_key(name) not in targets:
            targets[name_key(name)] = LandClass(entry.id, name, entry.color)
    return targets
