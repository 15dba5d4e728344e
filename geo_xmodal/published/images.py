"""An image of a published scene, whatever file it lies in: bands one by one, and its grid if it has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from geo_xmodal.errors import RasterError
from geo_xmodal.published import finding
from geo_xmodal.published.catalogue import Sensor, Source
from geo_xmodal.published.envi import open_envi
from geo_xmodal.published.finding import Folder
from geo_xmodal.published.matfile import list_variables, listed, read_variable
from geo_xmodal.raster import band_names, grid_of, open_raster, read_window, same_grid

Array = npt.NDArray[Any]

_STORED = frozenset(["uint8", "int16", "uint16", "int32", "float32"])
"""Types that are written as they are; all others become float32."""


Bands = Callable[[int], Array]
"""Gives a band (row, col) of an open image by its number from 0 on."""


@dataclass(frozen=True)
class Image:
    """An image as a file has it.

    Attributes:
        origin: File, and variable in it.
        shape: Bands, rows, columns.
        dtype: Of the pixels as they are to be written.
        opened: Opens its files while its bands are read.
        grid: None where the file has no coordinates.
        nodata: Value without data, if the file names one.
        names: Of the bands.
        tags: Of the bands, such as wavelengths.
        notes: What had to be decided in reading it.
    """

    origin: str
    shape: tuple[int, int, int]
    dtype: str
    opened: Callable[[], AbstractContextManager[Bands]]
    grid: GeoBox | None = None
    nodata: float | None = None
    names: tuple[str, ...] = ()
    tags: tuple[Mapping[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def open_image(folder: Folder, sensor: Sensor) -> Image | None:
    """The image of a sensor, from the first of its sources that is there; None if none is.

    Raises:
        SceneError: Several files of one name.
        RasterError: A file is not what its name says, or is damaged.
    """
    for wanted in sensor.sources:
        if files := folder.find_all(wanted, finding.MATLAB):
            return _stacked([_from_matlab(folder, file, wanted, sensor) for file in files], wanted)
        if files := folder.find_all(wanted, finding.GEOTIFF):
            return _stacked([_from_raster(folder, file, open_raster, file) for file in files], wanted)
        if files := folder.find_all(wanted, finding.ENVI):
            headers = [folder.header(file) for file in files]
            pairs = [(file, header) for file, header in zip(files, headers, strict=True) if header]
            return _stacked(
                [_from_raster(folder, file, open_envi, file, header) for file, header in pairs], wanted
            )
    return None


def read_matrix(path: Path, variable: str) -> tuple[Array, str]:
    """The array (row, col) of that name in a MATLAB file, or the only one that it holds, and its name.

    Raises:
        RasterError: There is none of two axes.
    """
    name = _chosen(path, variable, axes=(2,))
    return read_variable(path, name), name


def nearest(image: Image, grid: GeoBox) -> Image:
    """An image that covers what `grid` covers, on the pixels of `grid` by nearest neighbour."""
    _, rows, cols = image.shape
    height, width = grid.shape
    row = ((np.arange(height) + 0.5) * rows / height).astype(np.int64)
    col = ((np.arange(width) + 0.5) * cols / width).astype(np.int64)

    @contextmanager
    def opened() -> Iterator[Bands]:
        with image.opened() as bands:
            yield lambda band: bands(band)[np.ix_(row, col)]

    note = (
        f"{image.origin}: its {rows} x {cols} pixels are brought onto {height} x {width} by nearest "
        "neighbour, as no file has coordinates"
    )
    shape = (image.shape[0], height, width)
    return replace(image, shape=shape, opened=opened, notes=(*image.notes, note))


def has_coordinates(dataset: Any) -> bool:
    """Whether an open raster says where it lies."""
    return dataset.crs is not None or not dataset.transform.is_identity


def _from_matlab(folder: Folder, file: Path, wanted: Source, sensor: Sensor) -> Image:
    name = _chosen(file, wanted.variable or wanted.stems[0], axes=(2, 3))
    cube, notes = _bands_first(read_variable(file, name), sensor)
    if 0 in cube.shape:
        raise RasterError(f"{file}: {name} is empty ({' x '.join(map(str, cube.shape))})")
    if name != (wanted.variable or wanted.stems[0]):
        notes = (f"{folder.shown(file)}: took {name}, its only array that can be an image", *notes)
    dtype = "uint8" if cube.dtype == bool else cube.dtype.name
    return Image(
        f"{folder.shown(file)}: {name}",
        (cube.shape[0], cube.shape[1], cube.shape[2]),
        dtype if dtype in _STORED else "float32",
        lambda: nullcontext(cube.__getitem__),
        names=tuple(f"band {band}" for band in range(1, len(cube) + 1)),
        tags=({},) * len(cube),
        notes=notes,
    )


def _chosen(path: Path, wanted: str, axes: Sequence[int]) -> str:
    """The variable of that name, else the only numeric one with as many axes (of more than one element)."""
    variables = list_variables(path)
    names = {variable.name.lower(): variable.name for variable in variables}
    root, point, fields = wanted.partition(".")
    if root.lower() in names and (
        point or any(v.numeric for v in variables if v.name.lower() == root.lower())
    ):
        return names[root.lower()] + point + fields
    able = [
        v.name
        for v in variables
        if v.numeric and len(v.shape) in axes and min(v.shape) > 0 and max(v.shape) > 1
    ]
    if len(able) == 1:
        return able[0]
    raise RasterError(
        f"{path}: expected the variable {wanted}, or one array with {' or '.join(map(str, axes))} axes; "
        f"it holds {listed(variables)}"
    )


def _bands_first(array: Array, sensor: Sensor) -> tuple[Array, tuple[str, ...]]:
    """MATLAB's (row, col, band) as (band, row, col); kept where only the first axis can be the bands."""
    if array.ndim == 2:
        return array[np.newaxis], ()
    if array.ndim != 3:
        raise RasterError(f"{sensor.name}: an array of {array.ndim} axes, expected row x column x band")
    if array.shape[2] not in sensor.bands and array.shape[0] in sensor.bands:
        return array, (f"{sensor.name}: bands are the first axis, not the last",)
    return np.moveaxis(array, 2, 0), ()


def _from_raster(folder: Folder, file: Path, opener: Callable[..., Any], *paths: Path) -> Image:
    with opener(*paths) as dataset:
        dtype = dataset.dtypes[0]
        shape = (dataset.count, dataset.height, dataset.width)
        grid = grid_of(dataset) if has_coordinates(dataset) else None
        nodata, names = dataset.nodata, band_names(dataset)
        tags = tuple(_spectral_tags(dataset.tags(band)) for band in dataset.indexes)

    @contextmanager
    def opened() -> Iterator[Bands]:
        with opener(*paths) as dataset:
            yield lambda band: read_window(dataset, [band + 1], Window(0, 0, *shape[:0:-1]))[0]

    return Image(
        folder.shown(file), shape, dtype if dtype in _STORED else "float32", opened, grid, nodata, names, tags
    )


def _spectral_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key.lower().startswith("wavelength")}


def _stacked(images: Sequence[Image], wanted: Source) -> Image:
    """Images of one grid as one, and of its bands those that are measurements."""
    first = images[0]
    for other in images[1:]:
        same = other.shape[1:] == first.shape[1:] and (other.grid is None) == (first.grid is None)
        if not same or (
            first.grid is not None and other.grid is not None and not same_grid(first.grid, other.grid)
        ):
            raise RasterError(
                f"{other.origin}: {_size(other)}, not on the grid of {first.origin} ({_size(first)}); "
                "they have to be on one"
            )
    places = [(image, number) for image in images for number in range(image.shape[0])][: wanted.keep]
    left_out = sum(image.shape[0] for image in images) - len(places)
    notes = [note for image in images for note in image.notes]
    if left_out:
        notes.append(f"{first.origin}: its last {left_out} bands are no measurements and are left out")

    @contextmanager
    def opened() -> Iterator[Bands]:
        with ExitStack() as stack:
            bands = {id(image): stack.enter_context(image.opened()) for image in images}
            yield lambda band: bands[id(places[band][0])](places[band][1])

    dtypes = {image.dtype for image in images}
    named = len(wanted.band_names) == len(places)
    return Image(
        ", ".join(image.origin for image in images),
        (len(places), *first.shape[1:]),
        dtypes.pop() if len(dtypes) == 1 else "float32",
        opened,
        first.grid,
        first.nodata,
        wanted.band_names if named else tuple(image.names[number] for image, number in places),
        tuple(image.tags[number] for image, number in places),
        tuple(notes),
    )


def _size(image: Image) -> str:
    return f"{image.shape[1]} x {image.shape[2]} pixels"
