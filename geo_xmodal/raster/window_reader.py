"""The one type of a sensor's values: whoever trains, aligns, correlates or maps reads pixels through it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from geo_xmodal.raster.control_points import ControlGrid
from geo_xmodal.raster.embedding import Product
from geo_xmodal.raster.grid import PixelPlaces
from geo_xmodal.types import FloatArray, Kind, Window

Encoding = Literal["physical", "stored", "shifted"]
"""What a band's scale and offset do to the number stored: `physical` is stored * scale + offset, `stored` the
number itself, `shifted` the physical value in steps of the scale (stored + offset / scale)."""

_SPELT_OUT = 32
"""Parts of a source whose identity is spelt out; of more it is one sha256."""


@dataclass(frozen=True)
class Band:
    """One band of a source.

    Attributes:
        name: As the file gives it, `band 1` and so on where it gives none.
        wavelength: Its centre in nanometres, or None where nobody says.
        unit: Of physical values, as the file says; empty where it does not.
        scale: Physical values are stored * scale + offset ...
        offset: ... as GDAL's tags say; 1 and 0 without tags.
        product: Whose features an embedding holds, where somebody says.
        decibel: Whether physical values are decibels; what is read is power.
        asked: Whether a person named the band for its place, so that its name does not decide it.
    """

    name: str
    wavelength: float | None = None
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    product: Product | None = None
    decibel: bool = False
    asked: bool = False

    @property
    def tagged(self) -> bool:
        """Whether scale and offset change anything."""
        return (self.scale, self.offset) != (1.0, 0.0)


@dataclass(frozen=True)
class Assumption:
    """Something taken for granted about a source.

    Attributes:
        code: A word for what it is about, the same for all sources.
        text: A sentence, without the source's name.
        source: Name of the file, or of several.
    """

    code: str
    text: str
    source: str

    def __str__(self) -> str:
        """The line that a person sees."""
        return f"{self.source}: {self.text}"


@dataclass(frozen=True)
class Adaptation:
    """How a source is to be read for a model; what is None stays.

    Attributes:
        bands: Only the bands at these positions (from 0), in this order.
        kind: What it measures.
        encoding: What scale and offset do.
        asked: A person named the bands for their places.
    """

    bands: tuple[int, ...] | None = None
    kind: Kind | None = None
    encoding: Encoding | None = None
    asked: bool = False


class WindowReader(Protocol):
    """A sensor on a grid: one file, tiles, band files, an address, or any of them resampled or cut.

    It holds no open file and is picklable, so that it travels to workers as it is. A pixel has the same
    value, to the bit, whatever window it is read in.
    """

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def grid(self) -> GeoBox:
        """The grid that it is read on."""

    @property
    def kind(self) -> Kind:
        """What the sensor measures; `other` where nobody said."""

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands, in the order they are read."""

    @property
    def band_names(self) -> tuple[str, ...]:
        """One name a band."""

    @property
    def product(self) -> Product | None:
        """Whose features an embedding holds, where somebody says; None for any other kind."""

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """All that was taken for granted about its files; pixels may tell more (`checked_values`)."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of this machine that it reads, absolute."""

    def identity(self) -> Mapping[str, str]:
        """All that its values depend on, to be compared when work on them is resumed."""

    def on(self, grid: GeoBox, *, measured: bool = False) -> WindowReader:
        """The same values on another grid; for `measured` see `geo_xmodal.raster.warp.choose_resampling`.

        Raises:
            AlignmentError: The two do not overlap, or cannot be compared.
        """

    def adapted(self, how: Adaptation) -> WindowReader:
        """The same source, read otherwise."""

    def read(self, window: Window, margin: int = 0) -> FloatArray:
        """(band, row, col) float32 of `window` and `margin` pixels around, NaN without data or grid.

        Raises:
            RasterError: A file is gone, has changed its grid, or cannot be decoded there.
        """

    def valid(self, window: Window, margin: int = 0) -> npt.NDArray[np.bool_]:
        """Where (row, col) every band of `window` has data."""


class _Readable(Protocol):
    @property
    def bands(self) -> tuple[Band, ...]: ...

    def read(self, window: Window, margin: int = 0) -> FloatArray: ...


class ReaderDefaults:
    """What a `WindowReader` has once it has bands and can read."""

    @property
    def band_names(self: _Readable) -> tuple[str, ...]:
        """One name a band."""
        return tuple(band.name for band in self.bands)

    @property
    def product(self: _Readable) -> Product | None:
        """Whose features an embedding holds, where somebody says."""
        return self.bands[0].product

    def valid(self: _Readable, window: Window, margin: int = 0) -> npt.NDArray[np.bool_]:
        """Where (row, col) every band of `window` has data."""
        return np.asarray(np.isfinite(self.read(window, margin)).all(axis=0))


class _Wrapping(Protocol):
    @property
    def inner(self) -> WindowReader: ...


class InnerDefaults(ReaderDefaults):
    """What a `WindowReader` shares with the reader `inner` whose values it gives otherwise."""

    @property
    def name(self: _Wrapping) -> str:
        """The inner reader's."""
        return self.inner.name

    @property
    def kind(self: _Wrapping) -> Kind:
        """What the sensor measures."""
        return self.inner.kind

    @property
    def bands(self: _Wrapping) -> tuple[Band, ...]:
        """The inner reader's."""
        return self.inner.bands

    @property
    def assumptions(self: _Wrapping) -> tuple[Assumption, ...]:
        """The inner reader's."""
        return self.inner.assumptions


def joined_identity(kind: str, parts: Sequence[WindowReader]) -> dict[str, str]:
    """The identity of a source that is put together of `parts`, each called a `kind`."""
    identities = [part.identity() for part in parts]
    if len(parts) <= _SPELT_OUT:
        return {
            f"{kind} {number} {name}": value
            for number, identity in enumerate(identities, 1)
            for name, value in identity.items()
        }
    digest = hashlib.sha256()
    for identity in identities:
        digest.update(repr(sorted(identity.items())).encode())
    return {f"{kind}s": f"{len(parts)} of sha256 {digest.hexdigest()}"}


def joined_assumptions(parts: Iterable[WindowReader]) -> tuple[Assumption, ...]:
    """What was taken for granted about any of `parts`; what holds of several files is said once."""
    sources: dict[tuple[str, str], list[str]] = {}
    for part in parts:
        for one in part.assumptions:
            sources.setdefault((one.code, one.text), []).append(one.source)
    return tuple(
        Assumption(code, text, names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else ""))
        for (code, text), names in sources.items()
    )


def source_name(reader: WindowReader) -> str:
    """What an assumption calls a reader: its file, or the first of several."""
    if not reader.files:
        return reader.name
    more = len(reader.files) - 1
    return reader.files[0].name + (f" and {more} more" if more else "")


def grid_identity(grid: PixelPlaces) -> str:
    """Where pixels lie as text, for an identity."""
    if isinstance(grid, ControlGrid):
        return str(grid)
    crs = "no CRS" if grid.crs is None else grid.crs.to_wkt()
    return f"{grid.shape[0]} x {grid.shape[1]} {tuple(grid.affine)[:6]} {crs}"
