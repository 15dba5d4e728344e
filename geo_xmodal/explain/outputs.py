"""The files of an explanation: figures, rasters, one HTML page and explanation.json."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

from odc.geo.geobox import GeoBox
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from geo_xmodal.accuracy.report.page import page_environment
from geo_xmodal.accuracy.report.pictures import png_uri
from geo_xmodal.explain.explanation import JSON_NAME, PAGE_NAME, Explanation
from geo_xmodal.mapping.attribute_table import printable
from geo_xmodal.outputs import files_together, held, new_file, write_json, write_text
from geo_xmodal.raster import create_raster
from geo_xmodal.types import FloatArray

_OPTIONAL = tuple(
    f"{name}.{suffix}"
    for name in (
        "integrated_gradients", "occlusion", "gradcam", "shap", "alignment", "tsne", "agreement",
    )
    for suffix in ("png", "tif")
)  # fmt: skip
"""Files that not every explanation has: those of an earlier one go."""

_BLOCK = 256


def save_explanation(explanation: Explanation, out: Path) -> None:
    """Write an explanation into a folder, all files together.

    Raises:
        OutputError: The folder cannot be written.
    """
    with held(out), files_together(out, older=_OPTIONAL) as beside:
        pictures = {}
        for one in explanation.routines:
            one.draw(beside / one.picture)
            pictures[one.picture] = png_uri((beside / one.picture).read_bytes())
            for name, write in one.rasters.items():
                write(beside / name)
        page = page_environment(__package__).get_template("page.html")
        write_text(beside / PAGE_NAME, page.render(explanation=explanation, pictures=pictures))
        write_json(beside / JSON_NAME, explanation.as_dict())


def write_raster(path: Path, grid: GeoBox, values: FloatArray, names: Sequence[str]) -> None:
    """Write a GeoTIFF of float32 bands, NaN where there is no data.

    Args:
        path: The file.
        grid: Where its pixels lie.
        values: (band, row, col).
        names: What each band is.

    Raises:
        OutputError: It cannot be written.
    """
    with new_file(path, RasterioError) as beside, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a pixel grid is a legal grid here
        with create_raster(
            beside,
            dtype="float32",
            count=len(names),
            height=grid.shape[0],
            width=grid.shape[1],
            transform=grid.affine,
            crs=None if grid.crs is None else grid.crs.to_wkt(),
            nodata=math.nan,
            compress="DEFLATE",
            tiled=True,
            blockxsize=_BLOCK,
            blockysize=_BLOCK,
        ) as writer:
            writer.dataset.descriptions = tuple(map(printable, names))
            writer.write(values)
