"""Small copies of published scenes, in the layouts and formats that people have on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import rasterio
import scipy.io
from odc.geo.geobox import GeoBox
from rasterio import Affine

from geo_xmodal.published import PublishedScene, published_scenes
from tests.rasters import write_raster

ROWS, COLS = 24, 32
PIXELS = GeoBox((ROWS, COLS), Affine.identity(), None)
SCENES = {scene.name: scene for scene in published_scenes()}
Writer = Callable[[Path, str, str, np.ndarray], Path]


def cube(bands: int, rows: int = ROWS, cols: int = COLS, dtype: Any = np.float32) -> np.ndarray:
    """(band, row, col) whose values tell where they are."""
    band, row, col = np.mgrid[:bands, :rows, :cols]
    return (
        (band * 100 + row * 10 + col).astype(dtype)
        if dtype == np.uint8
        else code(band, row, col).astype(dtype)
    )


def code(band: Any, row: Any, col: Any) -> Any:
    """The value of a cube at a place, from 0 on."""
    return 1 + band * 10_000 + row * 100 + col


def labels(classes: int, rows: int = ROWS, cols: int = COLS) -> tuple[np.ndarray, np.ndarray]:
    """Training and test maps: diagonal stripes of all classes, training in even rows of the left half."""
    row, col = np.mgrid[:rows, :cols]
    every = ((row // 2 + col) % (classes + 1)).astype(np.uint8)
    training = (row % 2 == 0) & (col < cols // 2)
    return np.where(training, every, 0), np.where(~training & (col >= cols // 2), every, 0)


def write_mat5(folder: Path, stem: str, variable: str, values: np.ndarray) -> Path:
    """MATLAB 5, compressed as MATLAB does it."""
    path = folder / f"{stem}.mat"
    scipy.io.savemat(path, {variable: matlab(values)}, do_compression=True)
    return path


def write_mat73(folder: Path, stem: str, variable: str, values: np.ndarray) -> Path:
    """MATLAB 7.3: HDF5 behind a block of text, the axes the other way round."""
    path = folder / f"{stem}.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        array = np.ascontiguousarray(matlab(values).T)
        dataset = file.create_dataset(variable, data=array, compression="gzip")
        kind = {"float64": "double", "float32": "single"}.get(values.dtype.name, values.dtype.name)
        dataset.attrs["MATLAB_class"] = np.bytes_(kind)
    mark_73(path)
    return path


def mark_73(path: Path) -> None:
    """The text by which MATLAB knows its own HDF5 files."""
    with path.open("r+b") as stream:
        stream.write(
            b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024".ljust(124)
        )


def write_tif(folder: Path, stem: str, variable: str, values: np.ndarray, grid: GeoBox = PIXELS) -> Path:
    """GeoTIFF; without coordinates if the grid says nothing of any."""
    values = values if values.ndim == 3 else values[np.newaxis]
    return write_raster(folder / f"{stem}.tif", values, grid)


def write_envi(folder: Path, stem: str, variable: str, values: np.ndarray, grid: GeoBox = PIXELS) -> Path:
    """ENVI, band by line, with its header."""
    values = values if values.ndim == 3 else values[np.newaxis]
    path = folder / f"{stem}.dat"
    with rasterio.open(
        path,
        "w",
        driver="ENVI",
        interleave="bil",
        count=len(values),
        height=values.shape[1],
        width=values.shape[2],
        dtype=values.dtype,
        crs=None if grid.crs is None else grid.crs.to_wkt(),
        transform=grid.affine,
    ) as dataset:
        dataset.write(values)
    path.with_name(f"{path.name}.aux.xml").unlink(missing_ok=True)
    return path


WRITERS: Mapping[str, Writer] = {
    "mat5": write_mat5,
    "mat73": write_mat73,
    "tif": write_tif,
    "envi": write_envi,
}


def matlab(values: np.ndarray) -> np.ndarray:
    """(band, row, col) as MATLAB's (row, col, band)."""
    return np.moveaxis(values, 0, 2) if values.ndim == 3 else values


@dataclass(frozen=True)
class Layout:
    """File and variable of each part of a copy."""

    images: Mapping[str, tuple[str, str, int]]
    labels: tuple[tuple[str, str], ...] = field(
        default=(("TrainImage", "TrainImage"), ("TestImage", "TestImage"))
    )


_LABEL_PAIR = (("TRLabel", "TRLabel"), ("TSLabel", "TSLabel"))
LAYOUTS = {
    "berlin": Layout({"sar": ("data_SAR_HR", "data_SAR_HR", 4), "hsi": ("data_HS_LR", "data_HS_LR", 244)}),
    "augsburg": Layout(
        {
            "sar": ("data_SAR_HR", "data_SAR_HR", 4),
            "dsm": ("data_DSM", "data_DSM", 1),
            "hsi": ("data_HS_LR", "data_HS_LR", 180),
        }
    ),
    "houston2013": Layout(
        {
            "msi": ("data_MS_HR", "data_MS_HR", 8),
            "lidar": ("Houston2013_DSM", "DSM", 1),
            "hsi": ("Houston2013_HSI", "HSI", 144),
        },
        (("Houston2013_TR", "TR_map"), ("Houston2013_TE", "TE_map")),
    ),
    "houston2018": Layout(
        {"lidar": ("houston_lidar", "houston_lidar", 1), "hsi": ("houston_hsi", "houston_hsi", 48)},
        (("houston_gt", "houston_gt"),),
    ),
    "muufl": Layout({"lidar": ("LiDAR", "LiDAR", 2), "hsi": ("HSI", "HSI", 64)}, _LABEL_PAIR),
    "trento": Layout({"lidar": ("LiDAR", "LiDAR", 1), "hsi": ("HSI", "HSI", 63)}, _LABEL_PAIR),
}


def write_copy(folder: Path, name: str, writer: Writer = write_mat5) -> PublishedScene:
    """A small copy of a scene, every part in one format; coordinates in none."""
    folder.mkdir(parents=True, exist_ok=True)
    scene, layout = SCENES[name], LAYOUTS[name]
    for stem, variable, bands in layout.images.values():
        values = cube(bands)
        writer(
            folder,
            stem,
            variable,
            values[0] if bands == 1 and writer in (write_mat5, write_mat73) else values,
        )
    train, test = labels(len(scene.classes))
    maps = (train, test) if len(layout.labels) == 2 else (np.maximum(train, test),)
    for (stem, variable), values in zip(layout.labels, maps, strict=True):
        writer(folder, stem, variable, values)
    return scene
