"""Where images without coordinates lie: all of them cover the same ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odc.geo.geobox import GeoBox
from rasterio import Affine

from geo_xmodal.errors import AlignmentError
from geo_xmodal.published.images import Image, nearest
from geo_xmodal.published.labelling import LabelMap
from geo_xmodal.raster import extent_text, overlap, pixel_offset

_STRETCH = 0.02
"""Images of one area differ by less than this in how their rows and columns relate (Berlin's by 0.0008)."""


def place_images(
    images: Mapping[str, Image], labels: Sequence[LabelMap], target: str, pixel: float
) -> dict[str, tuple[Image, GeoBox]]:
    """The images, and the grid of each.

    Files keep their coordinates. Images without any (without a CRS, where another file has one) cover what
    the target covers; if that has none either, what the first image with coordinates covers, or labels of the
    target's size. With no coordinates at all the target gets square pixels of the published size and no CRS,
    and all others are brought onto its pixels by nearest neighbour: without a CRS a scene has one grid.

    Args:
        images: By modality.
        labels: The label maps.
        target: The modality whose grid is the scene's.
        pixel: Side of the target's pixels, for files without coordinates.

    Raises:
        AlignmentError: Two images cannot be of the same ground.
    """
    _, rows, cols = images[target].shape
    given = [images[target].grid, *(image.grid for image in images.values())]
    given += [one.grid for one in labels if one.values.shape == (rows, cols)]
    known = [grid for grid in given if grid is not None]
    known.sort(key=lambda grid: grid.crs is None)  # stable: the target first among those with a CRS
    made = GeoBox((rows, cols), Affine(pixel, 0, 0, 0, -pixel, rows * pixel), None)
    anchor = known[0] if known else made
    grids = {}
    for name, image in images.items():
        shape = (image.shape[1], image.shape[2])
        own = image.grid if _says_where(image.grid, anchor) else None
        grids[name] = _covering(anchor, shape, image.origin) if own is None else own
    placed = {}
    for name, grid in grids.items():
        if overlap(grid, grids[target])[0] <= 0:
            raise AlignmentError(
                f"{images[name].origin} and {images[target].origin} do not overlap: {extent_text(grid)}; "
                f"{extent_text(grids[target])}"
            )
        if grids[target].crs is None and pixel_offset(grid, grids[target]) is None:
            if grid is images[name].grid:
                raise AlignmentError(
                    f"{images[name].origin} and {images[target].origin} have other pixels and no CRS; "
                    f"give both a CRS: {extent_text(grid)}; {extent_text(grids[target])}"
                )
            placed[name] = nearest(images[name], grids[target]), grids[target]
        else:
            placed[name] = images[name], grid
    return placed


def place_labels(labels: LabelMap, grid: GeoBox) -> GeoBox:
    """The grid of a label map: its own, or that of the target, whose size it must then have.

    Raises:
        AlignmentError: It has another size, or lies elsewhere.
    """
    if labels.grid is None or not _says_where(labels.grid, grid):
        if labels.values.shape != tuple(grid.shape):
            raise AlignmentError(
                f"{labels.origin}: labels of {labels.values.shape[0]} x {labels.values.shape[1]} pixels, "
                f"expected the target's {grid.shape[0]} x {grid.shape[1]}"
            )
        return grid
    if overlap(labels.grid, grid)[0] <= 0:
        raise AlignmentError(
            f"{labels.origin}: does not overlap the target: {extent_text(labels.grid)}; {extent_text(grid)}"
        )
    return labels.grid


def _says_where(own: GeoBox | None, anchor: GeoBox) -> bool:
    return own is not None and (own.crs is not None or anchor.crs is None)


def _covering(anchor: GeoBox, shape: tuple[int, int], origin: str) -> GeoBox:
    down, across = anchor.shape[0] / shape[0], anchor.shape[1] / shape[1]
    if abs(down / across - 1) > _STRETCH:
        swapped = ": rows and columns are swapped" if shape[::-1] == tuple(anchor.shape) else ""
        raise AlignmentError(
            f"{origin}: {shape[0]} x {shape[1]} pixels cannot cover the same ground as "
            f"{anchor.shape[0]} x {anchor.shape[1]}{swapped}; give files of one scene"
        )
    return GeoBox(shape, anchor.affine @ Affine.scale(across, down), anchor.crs)
