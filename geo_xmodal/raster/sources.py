"""What a person names as a sensor's values, as one reader: files, tiles, folders, lists, addresses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Unpack

from odc.geo.geobox import GeoBox

from geo_xmodal.errors import RasterError, UsageError
from geo_xmodal.named_options import option
from geo_xmodal.raster.band_files import band_files_reader, names_bands, rasters_in
from geo_xmodal.raster.files import content_digest, describe_raster
from geo_xmodal.raster.grid import same_grid
from geo_xmodal.raster.mosaic import mosaic
from geo_xmodal.raster.reader import ReadOptions, RemoteReader, aligned_reader, remote_reader
from geo_xmodal.raster.remote import find_remote, is_address
from geo_xmodal.raster.window_reader import WindowReader
from geo_xmodal.small_files import SmallFile, read_text, real_path

_MAX_PATH = 4096
_LIST = SmallFile("a list of paths, one a line", UsageError, "give one path a line", 4 << 20)

_COMPARED = 64
"""Files of a folder among which such are looked for that lie over each other."""


@dataclass(frozen=True)
class Source:
    """What inputs hold together.

    Attributes:
        reader: Their values.
        parts: What each input is made of, file by file.
        names: What messages call each file.
        notes: Lines on what was chosen.
    """

    reader: WindowReader
    parts: tuple[tuple[WindowReader, ...], ...]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def fingerprints(self) -> tuple[str, ...]:
        """For each input what tells its content from another's, wherever it lies and whenever it was copied.

        Raises:
            RasterError: A file cannot be read.
        """
        return tuple(_fingerprint(readers) for readers in self.parts)


@dataclass(frozen=True)
class _BandFiles:
    """A folder whose files are called after bands."""

    folder: Path
    bands: Sequence[str]

    def __str__(self) -> str:
        return str(self.folder)


_Piece = Path | str | _BandFiles
"""A file, an address, or a folder of band files: what one reader reads."""


def open_source(
    inputs: Sequence[Path | str],
    *,
    grid: GeoBox | None = None,
    band_files: Sequence[str] = (),
    remote: bool = False,
    within: Collection[Path] | None = None,
    **how: Unpack[ReadOptions],
) -> Source:
    """The reader of what a person names; several tiles are one mosaic, in the order given.

    Args:
        inputs: GeoTIFFs, folders of tiles (in the order of their names) or of band files, `.txt` lists with
            one path a line (relative to the list, `#` begins a comment), and addresses.
        grid: To read them on; their own if None.
        band_files: Bands that the files of a folder may be called after, unless `bands` names some.
        remote: Whether an input may be an address (s3, https, http).
        within: Folders, one of which every file must lie in, symbolic links followed; anywhere if None.
        how: They are read.

    Raises:
        UsageError: Nothing is named, or a list is none.
        RasterError: A file is missing or cannot be read, or lies where it must not.
        AlignmentError: Files do not go together, or not with the grid.
    """
    bands = how.get("bands")
    every = [(one, list(_pieces(one, bands, band_files, remote, within))) for one in inputs]
    count = sum(len(pieces) for _, pieces in every)
    if not count:
        raise UsageError(
            f"{', '.join(map(str, inputs)) or 'the list of inputs'} names no file: give one path a line"
        )
    # tiles come onto the grid together, so that each is read here as it lies
    each: ReadOptions = how if count == 1 else {**how, "resampling": None}
    notes: list[str] = []
    parts = tuple(
        tuple(_opened(one, piece, grid if count == 1 else None, each, notes) for piece in pieces)
        for one, pieces in every
    )
    names = tuple(_name(piece) for _, pieces in every for piece in pieces)
    readers = [reader for part in parts for reader in part]
    if count == 1:
        whole = readers[0]
    else:
        tiles = list(zip(names, readers, strict=True))
        whole = mosaic(tiles, same_names=bands is None, resampling=how.get("resampling"))
    if grid is not None and whole.grid != grid:
        whole = whole.on(grid)
    return Source(whole, parts, names, tuple(notes))


def _pieces(
    given: Path | str,
    bands: Sequence[int | str] | None,
    band_files: Sequence[str],
    remote: bool,
    within: Collection[Path] | None,
) -> Iterator[_Piece]:
    """One input, file by file."""
    text = str(given)
    if is_address(text):
        if not remote:
            raise RasterError(f"{text!r}: an address is read only where it is given on the command line")
        yield text
        return
    path = Path(given)
    is_list = path.suffix.lower() == ".txt" and not _is_folder(path)
    if is_list:
        _check_within(path, within)
    for one in _listed(path) if is_list else [path]:
        _check_within(one, within)
        if not _is_folder(one):
            yield one
            continue
        files = rasters_in(one)
        for file in files:
            _check_within(file, within)
        names = _bands_of_files(files, bands, band_files)
        if names is not None:
            yield _BandFiles(one, names)
        else:
            if not band_files:
                _check_tiles(one, files)
            yield from files


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112  # Path.is_dir fails on a name that is too long


def _check_within(path: Path, within: Collection[Path] | None) -> None:
    """See that a file lies in one of some folders, before anything of it is read.

    Raises:
        RasterError: It does not.
    """
    if within is None:
        return
    lies = real_path(path)
    if not any(lies.is_relative_to(real_path(folder)) for folder in within):
        raise RasterError(f"{path}: lies outside {' and '.join(map(str, within))}; copy it there")


def _listed(path: Path) -> list[Path]:
    lines = [line.strip() for line in read_text(path, _LIST).splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    for line in wanted:
        if len(line) > _MAX_PATH:
            raise UsageError(f"{path}: a line of {len(line)} letters, expected one path a line")
        if is_address(line):
            raise UsageError(
                f"{path}: {line[:100]!r} is an address, which a list may not name; give {option('input')}"
            )
    return [path.parent / line for line in wanted]


def _bands_of_files(
    files: Sequence[Path], bands: Sequence[int | str] | None, band_files: Sequence[str]
) -> Sequence[str] | None:
    """The bands that the files of a folder are called after, if they are."""
    if bands is not None:
        names = [str(band) for band in bands]
        named = not any(isinstance(band, int) for band in bands)
        return names if named and any(names_bands(files, [name]) for name in names) else None
    if not band_files or not names_bands(files, band_files):
        return None
    return None if describe_raster(files[0]).count == len(band_files) else band_files


def _check_tiles(folder: Path, files: Sequence[Path]) -> None:
    """See that files of a folder are tiles, and not bands: of one band each and over each other.

    Raises:
        RasterError: They seem to be bands.
    """
    known = [describe_raster(file) for file in files[:_COMPARED]]
    for a, b in combinations([one for one in known if one.count == 1], 2):
        if same_grid(a.grid, b.grid):
            raise RasterError(
                f"{folder}: {a.path.name} and {b.path.name} have one band each, of the same pixels, so that "
                "they are bands and no tiles: name the bands (B02,B03,...) that its files are called after"
            )


def _opened(
    given: Path | str, piece: _Piece, grid: GeoBox | None, how: ReadOptions, notes: list[str]
) -> WindowReader:
    try:
        if isinstance(piece, str):
            return remote_reader(find_remote(piece), **how)
        if isinstance(piece, Path):
            return aligned_reader(piece, grid=grid, **how)
        of_files: ReadOptions = {**how, "bands": None, "invalid_bands": ()}
        reader, said = band_files_reader(piece.folder, piece.bands, **of_files)
        notes += said
        return reader
    except RasterError as error:
        if str(piece) == str(given) or not str(given).lower().endswith(".txt"):
            raise
        raise RasterError(f"{error.marked} (a tile of {given})") from error


def _name(piece: _Piece) -> str:
    return piece.partition("?")[0] if isinstance(piece, str) else str(piece)


def _fingerprint(readers: Sequence[WindowReader]) -> str:
    digest = hashlib.sha256()
    for reader in readers:
        if isinstance(reader, RemoteReader):
            digest.update(f"{reader.remote.size} {reader.remote.version}\n".encode())
        for file in reader.files:
            found = content_digest(file)
            digest.update(f"{found['size']} {found['content']}\n".encode())
    return f"sha256 {digest.hexdigest()}"
