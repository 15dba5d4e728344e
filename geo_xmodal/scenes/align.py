"""Files of any CRS and resolution to a scene folder on one grid."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from geo_xmodal.errors import AlignmentError, UsageError
from geo_xmodal.kinds import KINDS, Kind
from geo_xmodal.outputs import new_folder
from geo_xmodal.raster import (
    AlignedReader,
    LabelValues,
    WarpGcps,
    aligned_reader,
    checked_values,
    control_points,
    create_raster,
    describe_raster,
    described,
    extent_text,
    file_window,
    is_raster,
    label_place,
    north_up,
    overlap,
    survey_labels,
    tags_of,
)
from geo_xmodal.scenes.config import (
    ClassConfig,
    LabelsConfig,
    SceneConfig,
    SplitConfig,
    parse_config,
    read_classes,
    write_config,
)
from geo_xmodal.scenes.label_summary import LabelTally, summary_tag
from geo_xmodal.scenes.labelled import all_labelled
from geo_xmodal.scenes.legend import color_table, legend_of
from geo_xmodal.scenes.scene import Scene, Split, open_scene
from geo_xmodal.scenes.splits import default_split
from geo_xmodal.small_files import real_path
from geo_xmodal.types import ClassArray, FloatArray, LandClass, Progress, Window, windows_over

Scale = Literal["linear", "db"]

TILE = 256
"""Side of the tiles that are read, warped and written at once; that of the reader's own blocks."""


@dataclass(frozen=True)
class _LabelInput:
    split: Split
    path: Path
    source: LabelsConfig
    survey: LabelValues


@dataclass(frozen=True)
class _Layer:
    """A raster to be written: where its values come from, and the window of the grid that it covers.

    `tags` is asked when all of it is read.
    """

    file: str
    origin: str
    read: Callable[[Window], FloatArray | ClassArray]
    window: Window
    dtype: str
    nodata: float
    band_names: tuple[str, ...]
    band_tags: tuple[Mapping[str, str], ...]
    colors: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    tags: Callable[[], Mapping[str, str]] = dict

    @property
    def tiles(self) -> list[Window]:
        """The window cut in tiles, in positions of the grid."""
        return [
            Window(self.window.row + tile.row, self.window.col + tile.col, tile.height, tile.width)
            for tile in windows_over(self.window.height, self.window.width, TILE)
        ]


def align_scene(
    out: Path | str,
    *,
    reference: Path | str,
    modalities: Mapping[str, Path | str],
    labels: Mapping[str, Path | str] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    scale: Scale | None = None,
    classes: Path | str | None = None,
    unlabelled: Collection[str] | None = None,
    name: str | None = None,
    warp_gcps: WarpGcps | None = None,
    progress: Progress | None = None,
) -> Scene:
    """Bring files of any CRS and resolution onto the grid of one of them, as a scene folder.

    Each modality is written on the pixels of the reference grid that it covers, float32 with NaN for no
    data, SAR in linear power; labels as class ids. Work is done tile by tile and the folder is renamed into
    place when it is whole.

    Args:
        out: The scene folder; must not exist, or be empty.
        reference: The target sensor's file, whose grid the scene gets.
        modalities: Name of each modality to its file. The reference may be among them, or is added under
            the kind that its file name tells (`target` if none).
        labels: `train`, `test` or `all` to a raster of class ids, or to a vector as `file.gpkg:column` or
            `file.gpkg:layer:column`. One of them alone is split in blocks that no window of a default
            method reaches across, or in smaller ones where labels cover too small an area.
        kinds: Kind of the modalities whose name (`hsi`, `sar2`) and file name do not tell it.
        scale: What SAR files hold. Without it, linear power, and a file of decibels is refused.
        classes: TOML file with `[[classes]]`, such as another scene's `scene.toml`. Without it the
            classes are the values in the labels.
        unlabelled: Values in the labels that mean unlabelled, in place of zero and negative numbers; empty
            where every value is a class.
        name: Of the scene; that of the folder if None.
        warp_gcps: What follows the ground control points of files (of sensors and labels) that have no other
            place: `polynomial`, or `tps` (a thin plate spline); None leaves them on their pixel grids.
        progress: Told after every tile.

    Returns:
        The new scene; `label_report` says what the labels became.

    Raises:
        RasterError, VectorError: A file cannot be read.
        AlignmentError: A file does not overlap the reference, or only one of the two has a CRS.
        LabelError: The labels hold no pixel of the grid, fewer than two classes, or values outside `classes`.
        SceneError: A kind, scale or class list that cannot be.
        OutputError: `out` is in the way, or cannot be written.
    """
    out, reference = Path(out), Path(reference)
    files, target = _with_reference({key: Path(path) for key, path in modalities.items()}, reference)
    known_kinds = {key: _kind(key, path, kinds or {}) for key, path in files.items()}
    decibel = {key: scale == "db" and KINDS[kind].power for key, kind in known_kinds.items()}
    if scale == "db" and not any(decibel.values()):
        raise UsageError(
            "scale db is for SAR, and no modality is of kind sar; name one sar, or give its kind"
        )
    grid = north_up(aligned_reader(reference, warp_gcps=warp_gcps).grid)
    readers = {
        key: aligned_reader(path, grid=grid, kind=known_kinds[key], decibel=decibel[key], warp_gcps=warp_gcps)
        for key, path in files.items()
    }
    notes = {key: tuple(map(str, checked_values(reader))) for key, reader in readers.items()}
    inputs = _label_inputs(labels or {}, unlabelled, grid, warp_gcps)
    if grid.crs is None:
        _check_points(reference, [*files.values(), *(item.path for item in inputs if is_raster(item.path))])
    legend, inputs = _legend(inputs, Path(classes) if classes is not None else None)
    config = parse_config(
        {
            "name": scene_name(name or real_path(out).name),
            "description": f"Aligned to the grid of {reference.name}",
            "target": target,
            "modalities": {
                key: {
                    "file": f"{key}.tif",
                    "kind": reader.kind,
                    "sensor": described(files[key].name, reader.product),
                    "notes": notes[key],
                }
                for key, reader in readers.items()
            },
            "classes": legend,
            "labels": {item.split: {"file": f"labels_{item.split}.tif"} for item in inputs},
            "split": SplitConfig() if len(inputs) == 1 else None,
        },
        str(out),
    )
    layers = [_modality_layer(key, reader) for key, reader in readers.items()]
    layers += [_label_layer(item, grid, config.legend) for item in inputs]
    with new_folder(out, RasterioError) as folder:
        _write_layers(layers, folder, grid, progress)
        write_config(_divided(config, folder, grid), folder)
    return open_scene(out)


def _check_points(reference: Path, others: Sequence[Path]) -> None:
    """See that files whose place is ground control points have the same, where these are not followed.

    Raises:
        AlignmentError: They have others, and so lie elsewhere; on one pixel grid they would lie together.
    """
    points = control_points(reference)
    for path in others:
        found = control_points(path)
        if points and found and found != points:
            raise AlignmentError(
                f"{path}: its {len(found)} ground control points are not the {len(points)} of {reference}, "
                "so that it lies elsewhere: have both warped with --warp-gcps polynomial or tps (warp_gcps "
                "in Python)"
            )


def _with_reference(files: dict[str, Path], reference: Path) -> tuple[dict[str, Path], str]:
    for key, path in files.items():
        if real_path(path) == real_path(reference):
            return files, key
    guess = _kind("", reference, {})
    target = "target" if guess == "other" or guess in files else guess
    if target in files:
        raise UsageError(f"modality {target!r} is {files[target]}, not the reference {reference}; rename it")
    return {target: reference, **files}, target


def _kind(key: str, path: Path, kinds: Mapping[str, Kind]) -> Kind:
    if key in kinds:
        if kinds[key] not in KINDS:
            raise UsageError(f"{key}: kind {kinds[key]!r} is not one of {', '.join(KINDS)}")
        return kinds[key]
    return describe_raster(path).likely_kind(key) or "other"


def scene_name(text: str) -> str:
    """`text` as the name of a scene."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-._")[:64] or "scene"


def _label_inputs(
    labels: Mapping[str, Path | str],
    unlabelled: Collection[str] | None,
    grid: GeoBox,
    warp_gcps: WarpGcps | None,
) -> list[_LabelInput]:
    given = set(labels)
    if given and given not in ({"train"}, {"all"}, {"train", "test"}):
        raise UsageError(
            f"labels for {', '.join(sorted(given))}; expected train and test, or one of train and all"
        )
    values = None if unlabelled is None else tuple(unlabelled)
    inputs = []
    for split in get_args(Split):
        if split in labels:
            place = label_place(labels[split])
            source = LabelsConfig(
                file="labels",
                column=place.column,
                layer=place.layer,
                unlabelled=values,
                warp_gcps=warp_gcps,
            )
            survey = survey_labels(place.path, place.column, place.layer, values, grid, warp_gcps)
            inputs.append(_LabelInput(split, place.path, source, survey))
    return inputs


def _legend(
    inputs: Sequence[_LabelInput], file: Path | None
) -> tuple[tuple[ClassConfig, ...], list[_LabelInput]]:
    """The classes, and the label inputs with a table of values to ids where their values are no ids."""
    if file is not None:
        return read_classes(file), list(inputs)
    if not inputs:
        return (), []
    legend, ids = legend_of(
        [value for item in inputs for value in item.survey.counts],
        ", ".join(str(item.path) for item in inputs),
    )
    return legend, [
        dataclasses.replace(item, source=item.source.model_copy(update={"classes": ids})) for item in inputs
    ]


def _divided(config: SceneConfig, folder: Path, grid: GeoBox) -> SceneConfig:
    """The scene with a split, where it has one set of labels."""
    given = dict(config.labels.given())
    if len(given) != 1:
        return config
    (source,) = given.values()
    pixels = all_labelled(source, folder / source.file, grid, config.legend)
    block, buffer = default_split(pixels.position, pixels.label)
    return config.model_copy(update={"split": SplitConfig(block=block, buffer=buffer)})


def _modality_layer(key: str, reader: AlignedReader) -> _Layer:
    _, covered = overlap(reader.source, reader.grid)
    tags = tuple(
        {}
        if band.wavelength is None
        else {"wavelength": f"{band.wavelength:g}", "wavelength_units": "Nanometers"}
        for band in reader.bands
    )
    return _Layer(
        f"{key}.tif",
        reader.name,
        reader.read,
        _snapped(covered, reader.grid),
        "float32",
        math.nan,
        reader.band_names,
        tags,
        tags=lambda: tags_of(reader.product),
    )


def _label_layer(item: _LabelInput, grid: GeoBox, legend: Sequence[LandClass]) -> _Layer:
    tally = LabelTally(item.source, item.path, grid, legend, item.survey)

    def read(window: Window) -> ClassArray:
        return tally.read(window)[np.newaxis]

    return _Layer(
        f"labels_{item.split}.tif",
        str(item.path),
        read,
        Window(0, 0, *grid.shape),
        "uint8",
        0,
        ("class",),
        ({},),
        color_table(legend),
        lambda: summary_tag(tally.summary()),
    )


def _snapped(covered: Window, grid: GeoBox) -> Window:
    """Grown to whole tiles of the grid, so that a tile is read, warped and written once."""
    row, col = covered.row // TILE * TILE, covered.col // TILE * TILE
    end_row = min(-(-(covered.row + covered.height) // TILE) * TILE, grid.shape[0])
    end_col = min(-(-(covered.col + covered.width) // TILE) * TILE, grid.shape[1])
    return Window(row, col, end_row - row, end_col - col)


def _write_layers(layers: Sequence[_Layer], folder: Path, grid: GeoBox, progress: Progress | None) -> None:
    total = sum(len(layer.tiles) for layer in layers)
    done = 0
    for layer in layers:
        holds_data = False
        with create_raster(folder / layer.file, **_profile(layer, grid)) as writer:
            _describe(writer.dataset, layer)
            for tile in layer.tiles:
                values = layer.read(tile)
                holds_data |= bool((values != layer.nodata).any() and np.isfinite(values).any())
                row, col = tile.row - layer.window.row, tile.col - layer.window.col
                writer.write(values, window=file_window(Window(row, col, tile.height, tile.width)))
                done += 1
                if progress is not None:
                    progress(done, total, f"aligning {Path(layer.origin).name}")
            writer.dataset.update_tags(**layer.tags())
        if not holds_data:
            raise AlignmentError(f"{layer.origin}: holds no data on the reference grid ({extent_text(grid)})")


def _profile(layer: _Layer, grid: GeoBox) -> dict[str, object]:
    floats = layer.dtype == "float32"
    return {
        "height": layer.window.height,
        "width": layer.window.width,
        "count": len(layer.band_names),
        "dtype": layer.dtype,
        "nodata": layer.nodata,
        "crs": None if grid.crs is None else grid.crs.to_wkt(),
        "transform": grid.translate_pix(layer.window.col, layer.window.row).affine,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "interleave": "band",
        "compress": "deflate",
        "predictor": 3 if floats else 1,
        "bigtiff": "if_safer",
    }


def _describe(dataset: rasterio.io.DatasetWriter, layer: _Layer) -> None:
    for band, (name, tags) in enumerate(zip(layer.band_names, layer.band_tags, strict=True), 1):
        dataset.set_band_description(band, name)
        dataset.update_tags(band, **tags)
    if layer.colors:
        dataset.write_colormap(1, layer.colors)
