"""A scene whose sensors are simulated from a real HSI: the MSI by spectral responses, the HSI coarser.

This is how the HSI-MSI scene of X-ModalNet was made (Hong et al. 2020, section 4.1.1).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from geo_xmodal.errors import LabelError, UsageError
from geo_xmodal.outputs import new_folder
from geo_xmodal.raster import Adaptation, file_window, read_labels
from geo_xmodal.scenes import LabelsConfig, Scene, open_scene, parse_config, scene_name, write_config
from geo_xmodal.scenes import scene_file as inside
from geo_xmodal.simulate.files import placed
from geo_xmodal.simulate.hsi import BLOCK, MAX_STRIP, HsiSource, open_hsi, strips
from geo_xmodal.simulate.noise import Floats
from geo_xmodal.simulate.point_spread import coarse_grid, point_spread, sampled
from geo_xmodal.simulate.response import (
    MIN_COVERAGE,
    SpectralResponse,
    band_weights,
    mixed,
    require_covered,
)
from geo_xmodal.simulate.response_files import read_response
from geo_xmodal.small_files import real_path
from geo_xmodal.types import FloatArray, Progress, Window, windows_over

_SMALL_BLOCK, _SMALL_FROM = 16, 8
"""Rows of a strip and side of tiles where a coarse pixel has many fine ones, and from which factor on."""

MAX_FACTOR = 64
"""Fine pixels along a coarse one, at most: a strip of more would no longer be small."""

_LABEL_WINDOW = 1024


@dataclass(frozen=True)
class SimulatedSensor:
    """What `simulate_sensor` made.

    Attributes:
        scene: The new scene, whose target is the simulated MSI.
        bands: Names of the simulated bands.
        left_out: Names of the bands that were not, with the share of each response that the HSI covers.
    """

    scene: Scene
    bands: tuple[str, ...]
    left_out: Mapping[str, float]


def simulate_sensor(
    out: Path | str,
    source: Path | str,
    responses: Path | str | SpectralResponse,
    *,
    bands: Sequence[str] | None = None,
    coarse: int | None = None,
    name: str | None = None,
    progress: Progress | None = None,
) -> SimulatedSensor:
    """Make a scene folder whose target is an MSI simulated from an HSI, and whose HSI may be degraded.

    `msi.tif` has the HSI's pixels, the names of the responses as band descriptions and their centres as
    wavelengths. From a scene, classes, labels and split are carried over (block sizes in pixels, which are
    now the HSI's) and `hsi.tif` is a copy of its HSI; from a file, the scene has no labels, and the HSI
    only if `coarse` is given. With `coarse`, `hsi.tif` is the HSI seen through a Gaussian point spread of
    one coarse pixel (`point_spread.degrade`), its good bands only. Memory does not grow with the image.

    Args:
        out: The folder to make; must not exist, or be empty.
        source: A GeoTIFF with wavelengths, or a scene (folder or name) with one HSI.
        responses: GeoJSON or CSV (`response_files.read_response`), or what was read from one.
        bands: Names of the bands to simulate. Without it, all that the good bands of the HSI cover to nine
            tenths; the others are left out and named in the result and in scene.toml.
        coarse: Pixels of the new HSI are this many times as large.
        name: Of the scene; that of the folder if None.
        progress: Told after every strip.

    Returns:
        The new scene, which is marked as simulated, its bands, and what was left out.

    Raises:
        ResponseError: The responses cannot be read, or too little of them is covered.
        RasterError: The HSI cannot be read, or does not say its wavelengths.
        SceneError: The scene cannot be opened, or has no HSI, or several.
        LabelError: Labels of the scene that hold no pixel of the HSI's grid.
        UsageError: A factor below 2, above `MAX_FACTOR` or larger than the image.
        OutputError: `out` is in the way, or cannot be written.
    """
    out = Path(out)
    response = responses if isinstance(responses, SpectralResponse) else read_response(responses)
    response = response.select(bands) if bands is not None else response
    # the default block cache is a share of the machine's memory, which would unbound ours
    with rasterio.Env(GDAL_CACHEMAX=64 << 20):
        hsi = open_hsi(source)
        weights, covered = band_weights(response, hsi.wavelengths, hsi.good)
        enough = covered >= MIN_COVERAGE
        if bands is not None or not enough.any():
            require_covered(response, covered, hsi.wavelengths)
        left_out = {
            band: float(share)
            for band, share, kept in zip(response.names, covered, enough, strict=True)
            if not kept
        }
        response, weights = response.where(enough), weights[np.ix_(enough, hsi.good)]
        labels = _labels(hsi)
        table = _config(hsi, response, left_out, coarse, labels)
        config = parse_config(table | {"name": scene_name(name or real_path(out).name)}, str(out))
        layers = [_msi_layer(hsi, response, weights)]
        if coarse is not None:
            layers.append(_coarse_layer(hsi, coarse))
        with new_folder(out, RasterioError) as folder:
            _write(layers, folder, progress)
            if coarse is None and hsi.scene is not None:
                shutil.copyfile(hsi.reader.files[0], folder / "hsi.tif")
            for file, carried in labels.values():
                shutil.copyfile(file, folder / carried.file)
            write_config(config, folder)
    return SimulatedSensor(open_scene(out), response.names, left_out)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A raster to be written: on what grid, and how a window of some of its bands (0-based) is made."""

    file: str
    grid: GeoBox
    block: int
    names: tuple[str, ...]
    wavelengths: Floats
    pieces: tuple[tuple[slice, Window], ...]
    make: Callable[[slice, Window], FloatArray]


def _msi_layer(hsi: HsiSource, response: SpectralResponse, weights: Floats) -> _Layer:
    whole = slice(0, len(response.names))
    windows = strips(hsi.grid.shape.yx, len(hsi.reader.bands) * BLOCK)
    return _Layer(
        "msi.tif",
        hsi.grid,
        BLOCK,
        response.names,
        response.centres,
        tuple((whole, window) for window in windows),
        lambda _, window: mixed(hsi.reader.read(window), weights),
    )


def _coarse_layer(hsi: HsiSource, factor: int) -> _Layer:
    if not 2 <= factor <= MAX_FACTOR:
        raise UsageError(f"pixels {factor} times as large: expected 2 to {MAX_FACTOR} times")
    grid, spread = coarse_grid(hsi.grid, factor), point_spread(factor)
    block = _SMALL_BLOCK if factor >= _SMALL_FROM else BLOCK
    side = block * factor + 2 * spread.margin
    count = len(hsi.reader.bands)
    group = min(count, max(1, MAX_STRIP // side**2))
    pieces = tuple(
        (slice(first, min(first + group, count)), window)
        for window in strips(grid.shape.yx, group * side * factor, block)
        for first in range(0, count, group)
    )

    def make(bands: slice, window: Window) -> FloatArray:
        fine = Window(*(factor * edge for edge in (window.row, window.col, window.height, window.width)))
        reader = hsi.reader.adapted(Adaptation(bands=tuple(range(count)[bands])))
        return sampled(reader.read(fine, spread.margin), spread)

    return _Layer("hsi.tif", grid, block, hsi.reader.band_names, hsi.wavelengths[hsi.good], pieces, make)


def _write(layers: Sequence[_Layer], folder: Path, progress: Progress | None) -> None:
    total, done = sum(len(layer.pieces) for layer in layers), 0
    for layer in layers:
        crs = None if layer.grid.crs is None else layer.grid.crs.to_wkt()
        tags = [{"wavelength": f"{nm:g}", "wavelength_units": "Nanometers"} for nm in layer.wavelengths]
        with placed(
            folder / layer.file,
            layer.grid.shape.yx,
            crs,
            layer.grid.affine,
            layer.names,
            "float32",
            block=layer.block,
            nodata=math.nan,
            tags=tags,
        ) as writer:
            for bands, window in layer.pieces:
                numbers = list(range(bands.start + 1, bands.stop + 1))
                writer.write(layer.make(bands, window), numbers, window=file_window(window))
                done += 1
                if progress is not None:
                    progress(done, total, f"simulating {layer.file}")


def _labels(hsi: HsiSource) -> dict[str, tuple[Path, LabelsConfig]]:
    """The label files of the scene and what the new scene says of them, once they fit the HSI's grid."""
    if hsi.scene is None:
        return {}
    found: dict[str, tuple[Path, LabelsConfig]] = {}
    for split, source in hsi.scene.config.labels.given():
        path = inside(hsi.scene.folder, source.file)
        if not any(
            read_labels(source, path, hsi.grid, hsi.scene.classes, window).any()
            for window in windows_over(*hsi.grid.shape.yx, _LABEL_WINDOW)
        ):
            raise LabelError(
                f"{path}: no label of {split!r} lies on the HSI, whose grid the new scene gets; simulate "
                f"from {hsi.reader.name} alone, and give labels with: geo-xmodal align"
            )
        file = f"labels_{split}{path.suffix}"
        found[split] = path, source.model_copy(update={"file": file})
    return found


def _config(
    hsi: HsiSource,
    response: SpectralResponse,
    left_out: Mapping[str, float],
    coarse: int | None,
    labels: Mapping[str, tuple[Path, LabelsConfig]],
) -> dict[str, Any]:
    """What scene.toml holds, but for the name."""
    auxiliary = hsi.modality.sensor or hsi.reader.files[0].name
    sensor = response.sensor or "spectral responses"
    said = [f"The MSI is simulated: {sensor}, from {auxiliary} by spectral responses"]
    if left_out:
        said.append(f"without {', '.join(left_out)}, which the HSI does not cover")
    modalities: dict[str, Any] = {
        "msi": {"file": "msi.tif", "kind": "msi", "sensor": f"{sensor}, simulated from {auxiliary}"}
    }
    if coarse is not None:
        said.append(f"the HSI is degraded to pixels {coarse} times as large by a Gaussian point spread")
        modalities["hsi"] = {
            "file": "hsi.tif",
            "kind": "hsi",
            "sensor": f"{auxiliary}, pixels {coarse} times as large (simulated)",
            "resampling": hsi.modality.resampling,
        }
    elif hsi.scene is not None:
        unused = tuple(sorted({*hsi.modality.invalid_bands, *hsi.useless}))
        modalities["hsi"] = hsi.modality.model_copy(
            update={"file": "hsi.tif", "files": None, "fingerprints": None, "invalid_bands": unused}
        )
    table: dict[str, Any] = {
        "description": "; ".join(said),
        "simulated": True,
        "target": "msi",
        "modalities": modalities,
    }
    if hsi.scene is not None:
        old = hsi.scene.config
        table |= {
            "citation": old.citation,
            "license": old.license,
            "classes": old.classes,
            "split": old.split,
        }
        table["labels"] = {split: carried for split, (_, carried) in labels.items()}
        if old.description:
            table["description"] += f". Made from {old.name}: {old.description}"
    return table
