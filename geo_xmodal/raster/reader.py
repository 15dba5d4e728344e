"""One sensor's raster on a grid: a file of this machine or behind an address, as a `WindowReader`."""

from __future__ import annotations

import dataclasses
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Self, TypedDict, TypeVar, Unpack

import numpy as np
import numpy.typing as npt
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window as FileWindow

from geo_xmodal.errors import AlignmentError, RasterError
from geo_xmodal.kinds import KINDS
from geo_xmodal.raster.control_points import WarpGcps, fit_control_points
from geo_xmodal.raster.embedding import names_of, product_of, signed_squares, whole_vectors
from geo_xmodal.raster.files import (
    GEOTIFF_ONLY,
    band_names,
    content_digest,
    file_window,
    marked_as_alpha,
    open_raster,
    read_window,
    sidecars,
    wavelengths,
)
from geo_xmodal.raster.grid import PixelPlaces, extent_text, grid_over, places_of
from geo_xmodal.raster.remote import RemoteFile, open_remote
from geo_xmodal.raster.warp import Placement, Read, Resampling, choose_resampling
from geo_xmodal.raster.window_reader import (
    Adaptation,
    Assumption,
    Band,
    Encoding,
    ReaderDefaults,
    grid_identity,
)
from geo_xmodal.small_files import real_path
from geo_xmodal.types import MAX_UNIT, FloatArray, Kind, Window, lattice

_ALPHA_NAME = re.compile(r"alpha|mask|transparen|opacity", re.IGNORECASE)

_WARP = "have it warped (warp_gcps = polynomial or tps), or warp it with: gdalwarp -tps INPUT OUTPUT.tif"

_PARTLY_CLEAR, _ALPHA_VALUES = 0.05, 16
"""Share of pixels, and number of values, up to which a band may be neither clear nor opaque and yet alpha:
edges may be blended."""


_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class RasterReader(ReaderDefaults, ABC):
    """How to read one raster on a grid (a `WindowReader`).

    Attributes:
        name: What messages call the raster.
        grid: The grid to read it on.
        source: Where the raster's own pixels lie.
        indexes: 1-based bands of the raster, in the order they are read.
        bands: What they are.
        nodata: Value that means "no data" in the raster, or None.
        kind: What the sensor measures.
        resampling: How values are brought onto the grid; None where the raster's pixels are the grid's.
        wanted: How a person wants them brought onto any grid, if one does.
        warp_gcps: What follows the ground control points of a raster that has no other place; None leaves it
            on its pixel grid.
        encoding: What scale and offset of the bands do.
        alpha: Band that is 0 where there is no data, or None.
        masked: The raster has a mask inside.
        assumptions: What was taken for granted about the raster.
    """

    name: str
    grid: GeoBox
    source: PixelPlaces
    indexes: tuple[int, ...]
    bands: tuple[Band, ...]
    nodata: float | None
    kind: Kind
    resampling: Resampling | None
    wanted: Resampling | None = None
    warp_gcps: WarpGcps | None = None
    encoding: Encoding = "physical"
    alpha: int | None = None
    masked: bool = False
    assumptions: tuple[Assumption, ...] = ()

    @property
    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """The files of this machine that it reads, absolute."""

    @property
    def decibel(self) -> bool:
        """Whether the raster holds decibels; what is read is linear power."""
        return any(band.decibel for band in self.bands)

    @abstractmethod
    def opened(self) -> AbstractContextManager[rasterio.DatasetReader]:
        """The raster, open as long as the `with` block runs."""

    @abstractmethod
    def content(self) -> Mapping[str, str]:
        """What tells the raster's content from another's, without reading all of it."""

    def identity(self) -> Mapping[str, str]:
        """All that the values depend on."""
        return {
            **self.content(),
            "bands": ", ".join(map(str, self.indexes)),
            "no data": str(self.nodata),
            "kind": self.kind,
            "decibels": str(self.decibel),
            "encoding": f"{self.encoding} {[(band.scale, band.offset) for band in self.bands]}",
            "mask": f"alpha {self.alpha}, inside {self.masked}",
            "resampling": str(self.resampling),
            "product": str(self.product),
            "own grid": grid_identity(self.source),
            "grid": grid_identity(self.grid),
        }

    def adapted(self, how: Adaptation) -> Self:
        """The same raster, read otherwise."""
        chosen = range(len(self.bands)) if how.bands is None else how.bands
        return dataclasses.replace(
            self,
            indexes=tuple(self.indexes[band] for band in chosen),
            bands=tuple(
                dataclasses.replace(self.bands[band], asked=how.asked or self.bands[band].asked)
                for band in chosen
            ),
            kind=how.kind or self.kind,
            encoding=how.encoding or self.encoding,
        )

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """Values (band, row, col) of `window` with `margin` pixels more on every side.

        NaN outside the grid, outside the raster, at its nodata value or mask, where it holds NaN or
        infinity, and where a kind that is never 0 in all bands is. Memory is bounded by the window.

        Raises:
            RasterError: The raster is gone, has changed its grid, or cannot be decoded there.
        """
        return self._placed(Placement.values, window.padded(margin))

    def valid(self, window: Window, margin: int = 0) -> npt.NDArray[np.bool_]:
        """Where (row, col) every band of `window` has data; raises as `read`."""
        return self._placed(Placement.valid, window.padded(margin))

    def _placed(self, how: Callable[[Placement, Window, Read], _Result], window: Window) -> _Result:
        placement = Placement(
            self.name, self.source, self.grid, len(self.bands), self.resampling, self.product
        )
        if window.common(Window(0, 0, *self.grid.shape)) is None:
            return how(placement, window, placement.nothing)
        with self.opened() as dataset:
            if (
                places_of(dataset, self.name, self.warp_gcps) != self.source
                or max(self.indexes) > dataset.count
            ):
                raise RasterError(f"{self.name}: has changed since it was opened; open the scene again")
            return how(placement, window, lambda there: self._values(dataset, file_window(there)))

    def on(self, grid: GeoBox, *, measured: bool = False) -> Self:
        """The same raster on another grid, resampled once from its own.

        For `measured` see `choose_resampling`.

        Raises:
            AlignmentError: The raster and the grid do not overlap, or cannot be compared.
        """
        resampling = choose_resampling(self.name, self.source, grid, self.wanted, measured=measured)
        return dataclasses.replace(self, grid=grid, resampling=resampling)

    def _values(self, dataset: rasterio.DatasetReader, there: FileWindow) -> FloatArray:
        """Float32 values with NaN for no data, before anything is averaged.

        What is missing is found in the numbers stored: -inf decibels would convert to a power of 0.
        """
        raw = read_window(dataset, self.indexes, there)
        missing = _equals(raw, self.nodata)
        if self.nodata is None:
            for usual in KINDS[self.kind].nodata:
                missing |= _equals(raw, usual)
        with np.errstate(over="ignore", invalid="ignore"):
            converted = self._converted(raw)
            values: FloatArray = converted.astype(np.float32)
        if converted is not raw and raw.dtype.kind == "f":
            missing |= ~np.isfinite(raw)
        missing |= ~np.isfinite(values)
        values[missing] = np.nan
        if self._zero_is_no_data:
            zero = (values if self.decibel else raw) == 0  # 0 dB is a power of 1
            if zero.any():
                values[:, (zero | missing).all(axis=0)] = np.nan
        if self.alpha is not None:
            values[:, read_window(dataset, [self.alpha], there)[0] == 0] = np.nan
        if self.masked:
            values[:, dataset.read_masks(1, window=there) == 0] = np.nan
        return whole_vectors(values) if KINDS[self.kind].vectors else values

    @property
    def _zero_is_no_data(self) -> bool:
        kind = KINDS[self.kind]
        told = kind.zero_unless_told and self.nodata is not None and self.nodata != 0
        return kind.zero_is_no_data and not told

    def _converted(self, raw: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Numbers stored (band, row, col) as what the sensor measures; decibels become power."""
        if KINDS[self.kind].vectors and raw.dtype == np.int8:
            return signed_squares(raw)
        values = raw
        if self.encoding != "stored" and any(band.tagged for band in self.bands):
            scale, offset = np.array([(band.scale, band.offset) for band in self.bands]).T[:, :, None, None]
            values = raw + offset / scale if self.encoding == "shifted" else raw * scale + offset
        return np.power(10.0, values.astype(np.float64) / 10) if self.decibel else values


@dataclass(frozen=True, kw_only=True)
class AlignedReader(RasterReader):
    """How to read a file on a grid.

    Attributes:
        path: The file, absolute, so that workers in other working folders find it.
        formats: What it may be (`geo_xmodal.raster.files.open_raster`).
    """

    path: Path
    formats: frozenset[str] = GEOTIFF_ONLY

    @property
    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    def opened(self) -> AbstractContextManager[rasterio.DatasetReader]:
        """The file, open as long as the `with` block runs."""
        return open_raster(self.path, formats=self.formats)

    def content(self) -> Mapping[str, str]:
        """Place, size, time and the sha256 of some of its bytes."""
        return {"file": str(self.path), **content_digest(self.path)}


@dataclass(frozen=True, kw_only=True)
class RemoteReader(RasterReader):
    """How to read a raster behind an address on a grid.

    Attributes:
        remote: What was found there.
    """

    remote: RemoteFile

    @property
    def files(self) -> tuple[Path, ...]:
        """None."""
        return ()

    def opened(self) -> AbstractContextManager[rasterio.DatasetReader]:
        """The raster, open as long as the `with` block runs."""
        return open_remote(self.remote)

    def content(self) -> Mapping[str, str]:
        """Address, size and version, as the server told them."""
        return {
            "address": self.remote.name,
            "size": str(self.remote.size),
            "version": self.remote.version,
        }


class ReadOptions(TypedDict, total=False):
    """How any raster is read, whatever it lies in.

    Attributes:
        kind: What the sensor measures (default: `other`).
        bands: Numbers from 1 up, or names as the file gives them (default: all).
        invalid_bands: Numbers of bands to leave out.
        nodata: Value that means "no data", in place of the file's own.
        resampling: How values come onto another grid. Without it, they are averaged where that is coarser
            than the file, and interpolated bilinearly where it is finer or turned.
        decibel: The file holds decibels.
        sensor: A description of the sensor; that of an embedding may name its product and version.
        warp_gcps: What follows the ground control points of a file that has no other place; its own grid is
            then a north-up one of pixels of about their size, which get the nearest values.
    """

    kind: Kind
    bands: Sequence[int | str] | None
    invalid_bands: Sequence[int]
    nodata: float | None
    resampling: Resampling | None
    decibel: bool
    sensor: str
    warp_gcps: WarpGcps | None


def aligned_reader(
    path: Path | str,
    *,
    grid: GeoBox | None = None,
    formats: frozenset[str] = GEOTIFF_ONLY,
    **how: Unpack[ReadOptions],
) -> AlignedReader:
    """A reader of the raster at `path` on `grid` (its own grid if None); see `ReadOptions`, `open_raster`.

    Raises:
        RasterError: The file cannot be opened, lacks a band that is asked for, or holds no such kind.
        AlignmentError: The file and the grid do not overlap, or cannot be compared.
    """
    with open_raster(path, formats=formats) as dataset:
        fields = _fields(dataset, str(path), grid, **how)
        placed = dataset.crs is not None or not dataset.transform.is_identity
    fields["assumptions"] += _beside(Path(path), placed)
    return AlignedReader(path=real_path(Path(path)), formats=formats, **fields)


def remote_reader(remote: RemoteFile, **how: Unpack[ReadOptions]) -> RemoteReader:
    """A reader of the raster behind an address, on its own grid; see `ReadOptions`.

    Raises:
        RasterError: It cannot be opened, or lacks a band that is asked for.
    """
    with open_remote(remote) as dataset:
        return RemoteReader(remote=remote, **_fields(dataset, remote.name, None, **how))


def _fields(
    dataset: rasterio.DatasetReader,
    name: str,
    grid: GeoBox | None,
    *,
    kind: Kind = "other",
    bands: Sequence[int | str] | None = None,
    invalid_bands: Sequence[int] = (),
    nodata: float | None = None,
    resampling: Resampling | None = None,
    decibel: bool = False,
    sensor: str = "",
    warp_gcps: WarpGcps | None = None,
) -> dict[str, Any]:
    """The fields of a `RasterReader`."""
    source = places_of(dataset, name, warp_gcps)
    alpha, about_alpha = _alpha(dataset)
    chosen = _chosen_bands(dataset, name, bands, invalid_bands, alpha)
    product, assumed = product_of(dataset, name, sensor) if KINDS[kind].vectors else (None, "")
    if product is not None and product.unit and len(set(chosen)) < dataset.count:
        raise RasterError(
            f"{name}: the {dataset.count} bands of {product} are one vector, asked for {len(set(chosen))}: "
            "leave bands and invalid_bands out"
        )
    names = names_of(product, band_names(dataset), any(dataset.descriptions))
    waves = wavelengths(dataset)
    known = tuple(
        Band(
            name=names[band - 1],
            wavelength=waves[band - 1],
            unit=(dataset.units[band - 1] or "")[:MAX_UNIT],
            scale=dataset.scales[band - 1],
            offset=dataset.offsets[band - 1],
            product=product,
            decibel=decibel,
        )
        for band in chosen
    )
    own = grid is None
    if grid is None:
        grid = grid_over(source)
    elif source.crs is None and grid.crs is not None:
        points = len(dataset.gcps[0])
        found, advice = "", "set it with: gdal_edit.py -a_srs EPSG:32633 FILE"
        if points:
            found, advice = f" but {points} ground control points", _WARP
        raise AlignmentError(f"{name}: has no CRS{found}, the grid has one ({extent_text(grid)}): {advice}")
    about_product = ("product", assumed) if assumed else None
    said = [
        about_product,
        about_alpha,
        _about_scales(name, known),
        _about_place(dataset, name, warp_gcps),
        _about_images(dataset),
        _about_colors(dataset, chosen),
        _about_nodata(kind, dataset.nodata, nodata),
    ]
    flags = dataset.mask_flag_enums[0]
    return {
        "name": name,
        "grid": grid,
        "source": source,
        "indexes": chosen,
        "bands": known,
        "nodata": dataset.nodata if nodata is None else nodata,
        "kind": kind,
        "resampling": choose_resampling(name, source, grid, resampling, measured=own),
        "wanted": resampling,
        "warp_gcps": warp_gcps,
        "alpha": None if alpha in chosen else alpha,
        "masked": MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags,
        "assumptions": tuple(Assumption(*one, PurePath(name).name) for one in said if one is not None),
    }


_Said = tuple[str, str] | None
"""Code and text of an assumption, if there is one."""


def _alpha(dataset: rasterio.DatasetReader) -> tuple[int | None, _Said]:
    """The band that is 0 where there is no data, if there is one, and what is said of it.

    TIFF calls the fourth band of red, green and blue an alpha channel unless it is told otherwise, so the
    near-infrared of many files is marked as one.
    """
    band = marked_as_alpha(dataset)
    if band is None:
        return None, None
    name = dataset.descriptions[band - 1] or ""
    if name and not _ALPHA_NAME.search(name):
        return None, ("alpha", f"band {band} is marked as alpha but called {name!r}: taken as data")
    values = np.concatenate([_ravelled(dataset, band, window) for window in lattice(dataset.shape)])
    within = np.mean((values != 0) & (values != values.max()))
    if not name and within > _PARTLY_CLEAR and len(np.unique(values)) > _ALPHA_VALUES:
        return None, ("alpha", f"band {band} is marked as alpha but has many values: taken as data")
    return band, ("alpha", f"band {band} is alpha and no data of the sensor: where it is 0 there is no data")


def _ravelled(dataset: rasterio.DatasetReader, band: int, window: Window) -> npt.NDArray[Any]:
    return read_window(dataset, [band], file_window(window)).ravel()


def _about_scales(name: str, bands: Sequence[Band]) -> _Said:
    """What is said of scale and offset.

    Raises:
        RasterError: They are no numbers, or leave nothing.
    """
    for band in bands:
        if not (math.isfinite(band.scale) and math.isfinite(band.offset) and band.scale):
            raise RasterError(
                f"{name}: {band.name} has scale {band.scale:g} and offset {band.offset:g} in its tags, "
                "expected numbers other than a scale of 0: gdal_edit.py -scale 1 -offset 0 FILE"
            )
    tagged = {(band.scale, band.offset) for band in bands if band.tagged}
    if not tagged:
        return None
    scale, offset = next(iter(tagged))
    how = f"stored x {scale:g} {'-' if offset < 0 else '+'} {abs(offset):g}"
    more = f", and {len(tagged) - 1} other pairs" if len(tagged) > 1 else ""
    return "scale", f"scale and offset tags are applied: values are {how}{more}"


def _about_place(dataset: rasterio.DatasetReader, name: str, warp_gcps: WarpGcps | None) -> _Said:
    if dataset.crs is not None:
        return None
    if warp_gcps is not None and (fit := fit_control_points(dataset, name, warp_gcps)) is not None:
        return "place", fit.text
    if dataset.gcps[0]:
        return "place", (
            f"has {len(dataset.gcps[0])} ground control points and no grid, so it is read on its pixel grid: "
            f"{_WARP}"
        )
    if dataset.rpcs is not None:
        return "place", (
            "has rational polynomial coefficients (RPC) and no grid, so it is read on its pixel grid: "
            "warp it with: gdalwarp -rpc INPUT OUTPUT.tif"
        )
    if dataset.transform.is_identity:
        return "place", "says neither CRS nor place: it is read on its pixel grid"
    return "place", "has no CRS: its coordinates are taken as they are"


def _about_images(dataset: rasterio.DatasetReader) -> _Said:
    if not (images := dataset.subdatasets):
        return None
    return "images", (
        f"holds {len(images)} images, the first of which is read: take another one out with: "
        "gdal_translate GTIFF_DIR:2:INPUT OUTPUT.tif"
    )


def _about_colors(dataset: rasterio.DatasetReader, bands: Sequence[int]) -> _Said:
    meant = dataset.colorinterp  # asks GDAL for every band
    if not any(meant[band - 1] == ColorInterp.palette for band in bands):
        return None
    return "colors", "has a colour table: its values are taken as they are, and not as the colours"


def _about_nodata(kind: Kind, *told: float | None) -> _Said:
    usual = KINDS[kind].nodata
    if not usual or any(value is not None for value in told):
        return None
    values = ", ".join(f"{value:g}" for value in usual)
    return "nodata", (
        f"does not say which value is no data: {values} are taken so, as is usual for {KINDS[kind].adjective}"
    )


def _beside(path: Path, placed: bool) -> tuple[Assumption, ...]:
    """What is said of files beside a raster, which are not read."""
    found = sidecars(path, placed=placed)
    return (Assumption("beside", found, path.name),) if found else ()


def _chosen_bands(
    dataset: rasterio.DatasetReader,
    name: str,
    wanted: Sequence[int | str] | None,
    invalid: Sequence[int],
    alpha: int | None,
) -> tuple[int, ...]:
    bands = None if wanted is None else [_band(dataset, name, band) for band in wanted]
    absent = sorted(band for band in {*(bands or ()), *invalid} if not 1 <= band <= dataset.count)
    if absent:
        raise RasterError(f"{name}: has bands 1 to {dataset.count}, asked for {', '.join(map(str, absent))}")
    if bands is None:
        bands = [band for band in range(1, dataset.count + 1) if band != alpha]
    chosen = tuple(band for band in bands if band not in set(invalid))
    if not chosen:
        raise RasterError(f"{name}: no band is left of {dataset.count} after the invalid bands")
    return chosen


def _band(dataset: rasterio.DatasetReader, name: str, band: int | str) -> int:
    """The number of a band."""
    if isinstance(band, int):
        return band
    names = [one.lower() for one in band_names(dataset)]
    if names.count(band.lower()) != 1:
        several = "several bands" if band.lower() in names else "no band"
        raise RasterError(
            f"{name}: has {several} called {band!r}; its bands: {', '.join(band_names(dataset)[:20])}"
        )
    return names.index(band.lower()) + 1


def _equals(raw: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    """Where `raw` holds `nodata`, compared in the file's dtype; nowhere if that cannot hold it."""
    if nodata is None or not math.isfinite(nodata):
        return np.zeros(raw.shape, np.bool_)
    if np.issubdtype(raw.dtype, np.integer):
        limits = np.iinfo(raw.dtype)
        if nodata != int(nodata) or not limits.min <= nodata <= limits.max:
            return np.zeros(raw.shape, np.bool_)
        return np.asarray(raw == int(nodata))
    with np.errstate(over="ignore"):
        return np.asarray(raw == np.asarray(nodata).astype(raw.dtype))
