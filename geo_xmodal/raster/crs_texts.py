"""A CRS as files and people write it: by authority and code, or as a definition that leads nowhere else."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pyproj
import pyproj.exceptions

from geo_xmodal.errors import UsageError, VectorError
from geo_xmodal.small_files import shortened

_NAME = re.compile(
    r"(?:urn:(?:ogc|x-ogc):def:crs:|https?://www\.opengis\.net/def/crs/)?(\w+)[:/](?:[\w.]*[:/])?(\w+)",
    re.ASCII,
)
"""Authority and code in the ways that name a CRS."""

_MAX_DEFINITION = 100_000
"""Characters of a CRS; a long one has some thousand."""

_GRIDS = re.compile(r"grids=", re.IGNORECASE)
_PARAMETER_FILE = re.compile(r"PARAMETERFILE\s*\[", re.IGNORECASE)
_PLACE = re.compile(r"[/\\:]")


def named_crs(name: str) -> pyproj.CRS | None:
    """The CRS of an authority and a code, such as `EPSG:32633` or its URN; None where it is no such name.

    CRS84, longitude and latitude of WGS 84, is taken as EPSG:4326: coordinates are x before y either way.

    Raises:
        pyproj.exceptions.CRSError: There is no such code.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    authority, code = found.groups()
    return pyproj.CRS.from_authority(*(("EPSG", "4326") if code == "CRS84" else (authority, code)))


def given_crs(name: str) -> pyproj.CRS:
    """The CRS that a person names by authority and code.

    Raises:
        UsageError: There is none of that name.
    """
    with suppress(pyproj.exceptions.CRSError):
        found = named_crs(name.strip())
        if found is not None:
            return found
    raise UsageError(
        f"CRS {shortened(repr(name))} is not known; expected authority and code, such as EPSG:32633 for UTM "
        "zone 33 north or EPSG:4326 for longitude and latitude"
    )


def defined_crs(path: Path, definition: str) -> pyproj.CRS | None:
    """The CRS of a definition (WKT of OGC or Esri) that a file holds; None where it is undefined.

    Raises:
        VectorError: It is too long, or names a grid file by its place, which PROJ would open.
        pyproj.exceptions.CRSError: It is no definition.
    """
    if len(definition) > _MAX_DEFINITION:
        raise VectorError(
            f"{path}: its CRS has {len(definition)} characters, expected at most {_MAX_DEFINITION}; "
            "write it with a CRS of EPSG"
        )
    if _names_grid_file(definition):
        raise VectorError(f"{path}: its CRS names a grid file by its place; write it with a CRS of EPSG")
    crs = pyproj.CRS.from_wkt(definition)
    return None if crs.name.lower().startswith("undefined") else crs


def _names_grid_file(definition: str) -> bool:
    """Whether a CRS names the file of a shift of datum by a path or an address, which PROJ would open."""
    for part in definition.split("]"):
        named = []
        if found := _GRIDS.search(part):
            named.append(part[found.end() :])
        if found := _PARAMETER_FILE.search(part):
            named.append(part[found.end() :].partition(",")[2])
        if any(_PLACE.search(text) for text in named):
            return True
    return False
