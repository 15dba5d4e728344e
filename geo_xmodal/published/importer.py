"""A copy of a published scene to a scene folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from geo_xmodal.errors import SceneError
from geo_xmodal.kinds import KINDS
from geo_xmodal.outputs import new_folder
from geo_xmodal.published.catalogue import PublishedScene
from geo_xmodal.published.finding import Folder, list_folder
from geo_xmodal.published.images import Image, open_image
from geo_xmodal.published.labelling import LabelMap, SceneLabels, read_scene_labels
from geo_xmodal.published.placing import place_images, place_labels
from geo_xmodal.published.report import ImportReport, compare, refuse_another_scene
from geo_xmodal.published.scenes import find_scene, published_scenes
from geo_xmodal.raster import RasterWriter, create_raster, pixel_size
from geo_xmodal.scenes import SceneConfig, color_table, parse_config, write_config
from geo_xmodal.types import Progress

_FEW_BANDS = 16
"""Up to so many bands, tiles have 128 pixels a side, with more 64: a tile is read whole."""

_COARSER = 1.5
"""From so many times the target's pixel on, an image is brought onto its grid by nearest neighbour."""

"""Intensity is never negative; decibels of natural surfaces nearly always are."""

_MAX_DIFFERENCES = 5


def import_scene(
    name: str, folder: Path | str, out: Path | str, *, strict: bool = False, progress: Progress | None = None
) -> ImportReport:
    """Make a scene folder of a published scene as people have it on disk.

    Where files have coordinates, every image is written on its own grid, so that an HSI of larger pixels
    stays as it was measured; it is brought onto the target's grid when it is read, by nearest neighbour as
    the papers do (X-ModalNet, Hong et al. 2020). Without coordinates, as in most copies, that is done here.
    Pixel values are not changed, but float64 and 64-bit integers become float32. What is not as published
    (sizes, counts of classes) is said, in the report and in the description of the scene.

    Args:
        name: Of a published scene (`published_scenes`).
        folder: The folder with the files; they may lie in subfolders.
        out: The scene folder; must not exist, or be empty.
        strict: Refuse files that are not as published.
        progress: Told after every band.

    Returns:
        What was found.

    Raises:
        UsageError: No such published scene.
        SceneError: The folder is not that scene, lacks files, or (with `strict`) is not as published.
        RasterError: A file is damaged, of another format, or not safe to read.
        LabelError: Labels hold other values than the scene's classes.
        AlignmentError: Images and labels are not of the same ground.
        OutputError: `out` is in the way, or cannot be written.
    """
    scene, files, out = find_scene(name), list_folder(Path(folder)), Path(out)
    images = {
        sensor.name: image for sensor in scene.sensors if (image := open_image(files, sensor)) is not None
    }
    target = _target(scene, images, files)
    refuse_another_scene(scene, images, published_scenes(), files.path)
    labels = read_scene_labels(files, scene)
    if labels is None:
        ways = "; or ".join(" + ".join(names) for names in scene.label_files)
        raise SceneError(
            f"{files.path}: no labels of {scene.name}: looked for {ways}; found {files.contents}"
        )
    placed = place_images(images, list(labels.maps.values()), target, scene.pixel)
    _, grid = placed[target]
    label_grids = {split: place_labels(one, grid) for split, one in labels.maps.items()}
    counts, known, differences = compare(scene, images, labels.maps)
    if strict and differences:
        raise SceneError(
            f"{files.path}: not as {scene.name} is published: {_shortened(differences)}; "
            "without strict it is imported all the same"
        )
    decibel = _holds_decibels(scene, images)
    config = _config(scene, placed, labels, target, decibel, differences)
    steps = sum(image.shape[0] for image in images.values()) + len(labels.maps)
    with new_folder(out, RasterioError) as place:
        done = 0
        for key, (image, own) in placed.items():
            done = _write_image(place / f"{key}.tif", image, own, done, steps, progress)
        for split, one in labels.maps.items():
            _write_labels(place / f"{split}.tif", one, label_grids[split], scene)
            done += 1
            if progress is not None:
                progress(done, steps, f"labels: {split}")
        write_config(config, place)
    return ImportReport(
        name=scene.name,
        out=out,
        target=target,
        files={key: image.origin for key, image in images.items()}
        | {f"labels.{split}": one.origin for split, one in labels.maps.items()},
        shapes={key: image.shape for key, image in images.items()},
        counts=counts,
        compared_with=f"{known.name} ({known.origin})" if known else "no published numbers are known",
        differences=differences,
        notes=(
            *_notes([image for image, _ in placed.values()], labels, grid),
            *(f"{key}: holds decibels" for key in decibel),
        ),
        checked=scene.checked,
    )


def _target(scene: PublishedScene, images: Mapping[str, Image], files: Folder) -> str:
    found = [name for name in scene.targets if name in images]
    lacking = [
        sensor
        for sensor in scene.sensors
        if sensor.name not in images and (sensor.name not in scene.targets or not found)
    ]
    if lacking:
        wanted = "; ".join(
            f"{sensor.name}: {' or '.join(' + '.join(one.stems) for one in sensor.sources)}"
            for sensor in lacking
        )
        raise SceneError(
            f"{files.path}: not {scene.name}: no file of {', '.join(one.name for one in lacking)}; "
            f"looked for {wanted} (.mat, .tif or ENVI); found {files.contents}"
        )
    return found[0]


def _holds_decibels(scene: PublishedScene, images: Mapping[str, Image]) -> tuple[str, ...]:
    """Sensors of power whose first band, an intensity, is negative."""
    names = []
    for sensor in scene.sensors:
        kind = KINDS[sensor.kind]
        if kind.power and sensor.name in images:
            with images[sensor.name].opened() as bands:
                band = bands(0)
            if not kind.plausible.fits(band[np.isfinite(band)]):
                names.append(sensor.name)
    return tuple(names)


def _config(
    scene: PublishedScene,
    placed: Mapping[str, tuple[Image, GeoBox]],
    labels: SceneLabels,
    target: str,
    decibel: tuple[str, ...],
    differences: tuple[str, ...],
) -> SceneConfig:
    modalities: dict[str, dict[str, Any]] = {}
    for sensor in scene.sensors:
        if sensor.name in placed:
            modality: dict[str, Any] = {
                "file": f"{sensor.name}.tif",
                "kind": sensor.kind,
                "sensor": sensor.title,
            }
            if sensor.name in decibel:
                modality["scale"] = "db"
            if _side(placed[sensor.name][1]) > _COARSER * _side(placed[target][1]):
                modality["resampling"] = "nearest"
            modalities[sensor.name] = modality
    description = f"{scene.title}, imported"
    if differences:
        description += f"; not as published: {_shortened(differences)}"
    table: dict[str, Any] = {
        "name": scene.name,
        "description": description,
        "citation": scene.citation,
        "license": scene.license,
        "target": target,
        "modalities": modalities,
        "classes": [{"id": one.id, "name": one.name, "color": one.color} for one in scene.classes],
        "labels": {split: {"file": f"{split}.tif"} for split in labels.maps},
    }
    if "all" in labels.maps:
        table["split"] = {"kind": "blocks"}
    return parse_config(table)


def _shortened(lines: tuple[str, ...]) -> str:
    more = f"; and {len(lines) - _MAX_DIFFERENCES} more" if len(lines) > _MAX_DIFFERENCES else ""
    return "; ".join(lines[:_MAX_DIFFERENCES]) + more


def _notes(images: Sequence[Image], labels: SceneLabels, grid: GeoBox) -> list[str]:
    notes = [note for image in images for note in image.notes] + list(labels.notes)
    if grid.crs is None:
        row, col, _ = pixel_size(grid)
        notes.append(f"no file has coordinates: no CRS, pixels of {row:g} x {col:g} m")
    return notes


def _side(grid: GeoBox) -> float:
    return max(pixel_size(grid)[:2])


def _write_image(
    path: Path, image: Image, grid: GeoBox, done: int, steps: int, progress: Progress | None
) -> int:
    floats, nodata = image.dtype == "float32", image.nodata
    if floats and (nodata is None or abs(nodata) > np.finfo(np.float32).max):
        nodata = math.nan  # values beyond float32 become infinite, which is no data as well
    with (
        image.opened() as bands,
        _created(path, grid, image.shape[0], image.dtype, nodata, 3 if floats else 2) as writer,
    ):
        for band in range(image.shape[0]):
            with np.errstate(over="ignore"):
                writer.write(bands(band).astype(image.dtype), band + 1)
            writer.dataset.set_band_description(band + 1, image.names[band])
            writer.dataset.update_tags(band + 1, **image.tags[band])
            done += 1
            if progress is not None:
                progress(done, steps, f"{path.stem}: {image.origin}")
    return done


def _write_labels(path: Path, labels: LabelMap, grid: GeoBox, scene: PublishedScene) -> None:
    with _created(path, grid, 1, "uint8", 0, 1) as writer:
        writer.write(labels.values, 1)
        writer.dataset.write_colormap(1, color_table(scene.classes))


def _created(
    path: Path, grid: GeoBox, bands: int, dtype: str, nodata: float | None, predictor: int
) -> AbstractContextManager[RasterWriter]:
    side = 128 if bands <= _FEW_BANDS else 64
    return create_raster(
        path,
        height=grid.shape[0],
        width=grid.shape[1],
        count=bands,
        dtype=dtype,
        nodata=nodata,
        crs=None if grid.crs is None else grid.crs.to_wkt(),
        transform=grid.affine,
        tiled=True,
        blockxsize=side,
        blockysize=side,
        interleave="band",
        compress="deflate",
        predictor=predictor,
        bigtiff="if_safer",
    )
