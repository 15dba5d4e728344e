"""Values and labels read from files: rasters, tiles, addresses and vectors, on any grid, window by window.

`open_raster` is the one door for rasters and `open_layer` the one for vectors; `WindowReader` is the one type
of values, and `read_labels` gives class ids. What they read is not trusted: it is checked here, and an error
names the file in one line.
"""

from geo_xmodal.raster.band_files import stacked_bands
from geo_xmodal.raster.band_match import BandMatch, few_names, is_unnamed, match_bands
from geo_xmodal.raster.class_names import first_spellings, name_key, number_of, shown_name
from geo_xmodal.raster.control_points import WarpGcps
from geo_xmodal.raster.embedding import described, product_in, tags_of
from geo_xmodal.raster.files import (
    CHIP_FORMATS,
    RasterInfo,
    RasterLimits,
    band_names,
    content_digest,
    control_points,
    describe_raster,
    file_window,
    kept_open,
    open_raster,
    read_window,
    to_nanometres,
)
from geo_xmodal.raster.geopackage import Stamp, vector_digest
from geo_xmodal.raster.grid import (
    Points,
    crs_name,
    extended,
    extent_text,
    grid_of,
    grid_over,
    north_up,
    overlap,
    pixel_offset,
    pixel_size,
    places_of,
    same_grid,
    to_pixels,
    with_pixels,
)
from geo_xmodal.raster.ground import (
    MAX_PLACE,
    SQUARE_METRES,
    Floats,
    PixelAreas,
    pixel_areas,
    size_text,
    sizes_differ,
)
from geo_xmodal.raster.labels import (
    LabelledPoints,
    LabelSource,
    LabelValues,
    class_table,
    count_conflicts,
    is_raster,
    label_place,
    label_stamp,
    label_values,
    means_unlabelled,
    read_labels,
    read_reference,
    read_window_labels,
    survey_labels,
)
from geo_xmodal.raster.outline import world_outline
from geo_xmodal.raster.reader import AlignedReader, ReadOptions, aligned_reader
from geo_xmodal.raster.remote import is_address
from geo_xmodal.raster.resampled import covered_window
from geo_xmodal.raster.sources import Source, open_source
from geo_xmodal.raster.value_check import checked_sample, checked_values, infinite_values
from geo_xmodal.raster.vector import Layer, file_and_rest, layer_names, open_layer, read_polygons
from geo_xmodal.raster.vector_summary import VectorSummary, describe_vector
from geo_xmodal.raster.warp import Resampling
from geo_xmodal.raster.window_reader import (
    Adaptation,
    Assumption,
    Band,
    Encoding,
    InnerDefaults,
    ReaderDefaults,
    WindowReader,
    source_name,
)
from geo_xmodal.raster.writer import RasterWriter, create_raster

__all__ = [
    "CHIP_FORMATS",
    "MAX_PLACE",
    "SQUARE_METRES",
    "Adaptation",
    "AlignedReader",
    "Assumption",
    "Band",
    "BandMatch",
    "Encoding",
    "Floats",
    "InnerDefaults",
    "LabelSource",
    "LabelValues",
    "LabelledPoints",
    "Layer",
    "PixelAreas",
    "Points",
    "RasterInfo",
    "RasterLimits",
    "RasterWriter",
    "ReadOptions",
    "ReaderDefaults",
    "Resampling",
    "Source",
    "Stamp",
    "VectorSummary",
    "WarpGcps",
    "WindowReader",
    "aligned_reader",
    "band_names",
    "checked_sample",
    "checked_values",
    "class_table",
    "content_digest",
    "control_points",
    "count_conflicts",
    "covered_window",
    "create_raster",
    "crs_name",
    "describe_raster",
    "describe_vector",
    "described",
    "extended",
    "extent_text",
    "few_names",
    "file_and_rest",
    "file_window",
    "first_spellings",
    "grid_of",
    "grid_over",
    "infinite_values",
    "is_address",
    "is_raster",
    "is_unnamed",
    "kept_open",
    "label_place",
    "label_stamp",
    "label_values",
    "layer_names",
    "match_bands",
    "means_unlabelled",
    "name_key",
    "north_up",
    "number_of",
    "open_layer",
    "open_raster",
    "open_source",
    "overlap",
    "pixel_areas",
    "pixel_offset",
    "pixel_size",
    "places_of",
    "product_in",
    "read_labels",
    "read_polygons",
    "read_reference",
    "read_window",
    "read_window_labels",
    "same_grid",
    "shown_name",
    "size_text",
    "sizes_differ",
    "source_name",
    "stacked_bands",
    "survey_labels",
    "tags_of",
    "to_nanometres",
    "to_pixels",
    "vector_digest",
    "with_pixels",
    "world_outline",
]
