"""Houston2018: CASI at 1 m, multispectral LiDAR at 0.5 m, labels at 0.5 m (the 2018 contest).

File names: the contest's own (`20170218_UH_CASI_S4_NAD83.pix` with an ENVI header, whose last two of 50
bands are no measurements; one GeoTIFF a LiDAR product; `2018_IEEE_GRSS_DFC_GT_TR.tif`, and
`Test_Labels.tif` where people have it), the DCMNet group's (`houston_*.mat`, all on the grid of the training
labels), and plain GeoTIFF (`HSI.tif`, `LiDAR.tif`, `GT.tif`), as read by public loaders. In the contest's
files LiDAR and HSI cover more than the labels, and keep their coordinates. Not confirmed on real files: all
of it, and which value marks LiDAR pixels without return.
"""

from __future__ import annotations

from geo_xmodal.published.catalogue import (
    Indexed,
    KnownCounts,
    Maps,
    PublishedScene,
    Sensor,
    Source,
    Whole,
    source,
)
from geo_xmodal.types import LandClass

_GT = "2018_IEEE_GRSS_DFC_GT_TR"

HOUSTON2018 = PublishedScene(
    name="houston2018",
    title="Houston2018, HSI and multispectral LiDAR",
    citation=(
        "Y. Xu et al., Advanced multi-sensor optical remote sensing for urban land use and land cover "
        "classification: outcome of the 2018 IEEE GRSS data fusion contest, IEEE JSTARS 12 (2019)"
    ),
    pixel=0.5,
    targets=("lidar",),
    sensors=(
        Sensor(
            "lidar",
            "lidar",
            "Optech Titan MW: intensity at 1550, 1064 and 532 nm and surface model, or the model alone",
            bands=(4, 1),
            shapes=((2404, 8344), (1202, 4768)),
            sources=(
                Source(
                    ("UH17_GI1F051", "UH17_GI2F051", "UH17_GI3F051", "UH17c_GEF051"),
                    band_names=(
                        *("intensity 1550 nm", "intensity 1064 nm", "intensity 532 nm"),
                        "surface model",
                    ),
                ),
                source("houston_lidar"),
                source("LiDAR"),
            ),
        ),
        Sensor(
            "hsi",
            "hsi",
            "CASI-1500, 48 bands, 374 to 1047 nm",
            bands=(48, 50),
            shapes=((1202, 4172), (1202, 4768), (601, 2384)),
            sources=(
                Source(("20170218_UH_CASI_S4_NAD83",), keep=48),
                Source(("houston_hsi",), keep=48),
                Source(("DFC2018_HSI",), "data", keep=48),
                Source(("HSI",), keep=48),
            ),
        ),
    ),
    classes=(
        LandClass(1, "Healthy grass", "#4dac26"),
        LandClass(2, "Stressed grass", "#b8c965"),
        LandClass(3, "Artificial turf", "#00a08a"),
        LandClass(4, "Evergreen trees", "#14532d"),
        LandClass(5, "Deciduous trees", "#5aae61"),
        LandClass(6, "Bare earth", "#a6703d"),
        LandClass(7, "Water", "#2c7fb8"),
        LandClass(8, "Residential buildings", "#d9746c"),
        LandClass(9, "Non-residential buildings", "#c2185b"),
        LandClass(10, "Roads", "#6e6e6e"),
        LandClass(11, "Sidewalks", "#d9d9d9"),
        LandClass(12, "Crosswalks", "#fff3b0"),
        LandClass(13, "Major thoroughfares", "#3b3b3b"),
        LandClass(14, "Highways", "#1a1a2e"),
        LandClass(15, "Railways", "#8c6bb1"),
        LandClass(16, "Paved parking lots", "#f4c95d"),
        LandClass(17, "Unpaved parking lots", "#f08a24"),
        LandClass(18, "Cars", "#e0457b"),
        LandClass(19, "Trains", "#56b4e9"),
        LandClass(20, "Stadium seats", "#d7301f"),
    ),
    labels=(
        Indexed(source("houston_gt"), "houston_index", "houston_train", "houston_test"),
        Maps(source(_GT), source("Test_Labels")),
        Whole(source(_GT)),
        Whole(source("houston_gt")),
        Whole(source("DFC2018_HSI_GT", "A")),
        Whole(source("GT")),
    ),
    counts=(
        KnownCounts(
            "the split of UniFast-HGR",
            "supplement of UniFast-HGR, table 2",
            train=(*(1000,) * 6, 500, *(1000,) * 9, 250, *(1000,) * 3),
            test=(
                *(38196, 129008, 1736, 53322, 19172, 17064, 564, 157995, 893769, 182283),
                *(135035, 5059, 184438, 38438, 26748, 44932, 337, 25289, 20479, 26296),
            ),
        ),
    ),
    checked="no real file: none could be had",
)
