"""MUUFL Gulfport: CASI and LiDAR over a campus.

File and variable names: the university's own MATLAB file (a struct `hsi` with `Data`, `Lidar`, of which the
first of two is taken, and `sceneLabels.labels`, -1 = unlabelled), and the toolkits' (`HSI.mat`, `LiDAR.mat`,
`gt.mat`, `mask_train_150.mat`, `mask_test_150.mat`), as read by public loaders. Confirmed on real pixels
(copies in another format): the LiDAR, all labels, the split of 150 pixels a class. Not confirmed: the MATLAB
files themselves.
"""

from __future__ import annotations

from geo_xmodal.published.catalogue import KnownCounts, Maps, PublishedScene, Sensor, Whole, source
from geo_xmodal.types import LandClass

_SCENE = "muufl_gulfport_campus_1_hsi_220_label"
_SHAPES = ((325, 220),)
_TOTAL = (23246, 4270, 6882, 1826, 6687, 466, 2233, 6240, 1385, 183, 269)

MUUFL = PublishedScene(
    name="muufl",
    title="MUUFL Gulfport, HSI and LiDAR",
    citation=(
        "P. Gader et al., MUUFL Gulfport Hyperspectral and LiDAR Airborne Data Set, Univ. of Florida, "
        "REP-2013-570 (2013); X. Du and A. Zare, Scene Label Ground Truth Map for MUUFL Gulfport Data Set, "
        "Univ. of Florida, 20170417 (2017)"
    ),
    pixel=1.0,
    targets=("lidar",),
    sensors=(
        Sensor(
            "lidar",
            "lidar",
            "Gemini ALTM, two rasters of the first of two data sets",
            bands=(2,),
            shapes=_SHAPES,
            sources=(source(_SCENE, "hsi.Lidar[0].z"), source("LiDAR"), source("muufl_lidar")),
        ),
        Sensor(
            "hsi",
            "hsi",
            "CASI-1500, 64 bands, 375 to 1050 nm",
            bands=(64,),
            shapes=_SHAPES,
            sources=(source(_SCENE, "hsi.Data"), source("HSI"), source("muufl_hsi")),
        ),
    ),
    classes=(
        LandClass(1, "trees", "#1b7837"),
        LandClass(2, "mostly grass", "#a6d96a"),
        LandClass(3, "mixed ground surface", "#dfc27d"),
        LandClass(4, "dirt and sand", "#b8864b"),
        LandClass(5, "road", "#4d4d4d"),
        LandClass(6, "water", "#2c7fb8"),
        LandClass(7, "building shadow", "#2c5f8a"),
        LandClass(8, "building", "#d9746c"),
        LandClass(9, "sidewalk", "#e6e6e6"),
        LandClass(10, "yellow curb", "#f4c95d"),
        LandClass(11, "cloth panels", "#c2185b"),
    ),
    labels=(
        Maps(source("mask_train_150", "mask_train"), source("mask_test_150", "mask_test")),
        Maps(source("muufl_tr", "training_map"), source("muufl_ts", "testing_map")),
        Maps(source("TRLabel"), source("TSLabel")),
        Whole(source(_SCENE, "hsi.sceneLabels.labels")),
        Whole(source("gt")),
        Whole(source("muufl_gt")),
    ),
    counts=(
        KnownCounts(
            "150 pixels a class",
            "counted in a public copy of the labels",
            train=(150,) * 11,
            test=tuple(total - 150 for total in _TOTAL),
        ),
    ),
    checked="the pixels of labels and LiDAR from a copy in another format; no MATLAB file could be had",
    license="MIT",
)
