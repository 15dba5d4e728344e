"""Precomputed features in place of a sensor: whose they are, and how a file holds them.

AlphaEarth's annual layers are 64 signed bytes v a pixel, -128 for no data; a vector is
sign(v) (|v| / 127.5)^2 and has length 1, and so has the mean of several, divided by its length
(https://developers.google.com/earth-engine/guides/aef_on_gcs_readme). TESSERA's 128 features are floats;
their integers need a file of scales beside them. Features of two products, or of two versions of one,
have nothing in common.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import rasterio

from geo_xmodal.errors import RasterError
from geo_xmodal.types import FloatArray

ALPHA_EARTH, TESSERA = "AlphaEarth", "TESSERA"

_ALPHA_EARTH_BANDS = tuple(f"A{band:02d}" for band in range(64))
_MISSING = -128
_FULL_SCALE = 127.5
_SHORTEST = 1e-6
"""A mean of unit vectors that is shorter has no direction but that of rounding."""


@dataclass(frozen=True)
class Product:
    """Whose features they are.

    Attributes:
        name: Of the product.
        version: Its version, and its variant if there are several; empty where nobody says.
    """

    name: str
    version: str = ""

    def __str__(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}".rstrip()

    @property
    def unit(self) -> bool:
        """Whether its vectors have length 1."""
        return self.name == ALPHA_EARTH

    def contradicts(self, other: Product) -> bool:
        """Whether features of the two cannot be mixed, as far as their versions are known."""
        versions = {self.version, other.version} - {""}
        return self.name != other.name or len(versions) > 1


def product_in(text: str) -> Product | None:
    """The product that a description of a sensor names, such as `TESSERA v1.1` or what `described` wrote."""
    if written := re.search(rf"\[({ALPHA_EARTH}|{TESSERA})(?: ([^\]]*))?\]", text):
        return Product(written[1], written[2] or "")
    if re.search(r"alpha[ _-]?earth|satellite[ _-]embedding", text, re.IGNORECASE):
        return Product(ALPHA_EARTH)
    version = r"(?:[ _-]*(?:v|version )?(\d{1,2}(?:\.\d+)+)|[ _-]*v(\d{1,2}))?"
    if found := re.search("tessera" + version, text, re.IGNORECASE):
        return Product(TESSERA, found[1] or found[2] or "")
    return None


def described(sensor: str, product: Product | None) -> str:
    """A description of a sensor that names the product of its features."""
    if product is None or product_in(sensor) == product:
        return sensor
    return f"{sensor} [{product}]".lstrip()


def product_of(dataset: rasterio.DatasetReader, name: str, sensor: str = "") -> tuple[Product | None, str]:
    """Whose features a file holds, as its tags, its bands or the description of its sensor say.

    Args:
        dataset: The file.
        name: Of it, for messages.
        sensor: What a person says of the sensor.

    Returns:
        The product, None where nobody says; and what was taken for granted, empty if nothing was.

    Raises:
        RasterError: Tags and description contradict each other, or the numbers stored cannot be decoded.
    """
    in_file, in_text = _product_in_file(dataset), product_in(sensor)
    if in_file is not None and in_text is not None and in_file.contradicts(in_text):
        raise RasterError(
            f"{name}: holds features of {in_file}, but is said to be {in_text} ({sensor!r}); "
            "features of two versions cannot be mixed: correct the sensor's description"
        )
    known = [one for one in (in_file, in_text) if one is not None]
    product = max(known, key=lambda one: len(one.version), default=None)
    bands, dtype = dataset.count, dataset.dtypes[0]
    if dtype == "int8" and bands == len(_ALPHA_EARTH_BANDS) and (product is None or product.unit):
        guessed = f"taken to be {ALPHA_EARTH}, as they are {bands} bands of int8"
        return Product(ALPHA_EARTH), "" if product is not None else f"does not say whose features: {guessed}"
    if not dtype.startswith("float"):
        raise RasterError(
            f"{name}: features stored as {bands} bands of {dtype}, expected floats, or {ALPHA_EARTH}'s "
            f"{len(_ALPHA_EARTH_BANDS)} bands of int8; {TESSERA}'s integers need the scales in a file of "
            "their own: export them as floats"
        )
    if product is None:
        return None, "does not say whose features: not compared with a model's, and averaged as they are"
    if product.name == TESSERA and not product.version:
        return product, f"does not say which version of {TESSERA}: not compared with a model's"
    return product, ""


def _product_in_file(dataset: rasterio.DatasetReader) -> Product | None:
    tags = dataset.tags()
    if version := tags.get("TESSERA_DATASET_VERSION", ""):
        variant = tags.get("TESSERA_DATASET_VARIANT", "")
        return Product(TESSERA, f"{version.removeprefix('v')} {variant}".rstrip())
    names = [name or "" for name in dataset.descriptions]
    if sorted(names) == list(_ALPHA_EARTH_BANDS):
        return Product(ALPHA_EARTH)
    return Product(TESSERA) if all(name.lower().startswith("tessera") for name in names) else None


def names_of(product: Product | None, names: tuple[str, ...], named: bool) -> tuple[str, ...]:
    """The names of a product's bands: those of a file, or the product's own where that has none."""
    return names if named or product is None or not product.unit else _ALPHA_EARTH_BANDS


def tags_of(product: Product | None) -> dict[str, str]:
    """Tags that tell the product where the names of its bands do not."""
    if product is None or product.name != TESSERA:
        return {}
    version, _, variant = product.version.partition(" ")
    found = {"TESSERA_DATASET_VERSION": version, "TESSERA_DATASET_VARIANT": variant}
    return {tag: value for tag, value in found.items() if value}


def signed_squares(stored: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
    """What AlphaEarth's bytes stand for; NaN where they are -128."""
    share = stored.astype(np.float64) / _FULL_SCALE
    return np.where(stored == _MISSING, np.nan, np.sign(share) * share**2)


def whole_vectors(values: FloatArray) -> FloatArray:
    """Vectors (band, row, col), missing in all bands where they are in one, and where all are 0."""
    known = np.isfinite(values).all(axis=0) & values.any(axis=0)
    return np.where(known, values, np.float32(np.nan))


def normalised(values: FloatArray) -> FloatArray:
    """Vectors (band, row, col) divided by their length; missing where they have none."""
    length = np.sqrt(np.sum(np.square(values, dtype=np.float64), axis=0))
    length[~(length > _SHORTEST)] = np.nan
    unit: FloatArray = (values / length).astype(np.float32)
    return unit
