"""Trento: AISA Eagle and LiDAR over fields and orchards.

File and variable names: `Italy_hsi.mat`, `Italy_lidar.mat` (`data`) with `allgrd.mat` (`mask_test`); the
toolkits' `HSI.mat`, `LiDAR.mat`, `TRLabel.mat`, `TSLabel.mat`; and `trento_*.mat`, `Trento-*.mat`, as read by
public loaders. `Italy_lidar.mat` has two bands, `LiDAR.mat` one. Confirmed on real files: all LiDAR and label
files of the first two, and that `TRLabel` and `TSLabel` together are `allgrd`. Not confirmed: the HSI.
"""

from __future__ import annotations

from geo_xmodal.published.catalogue import Indexed, KnownCounts, Maps, PublishedScene, Sensor, Whole, source
from geo_xmodal.types import LandClass

_SHAPES = ((166, 600),)

TRENTO = PublishedScene(
    name="trento",
    title="Trento, HSI and LiDAR",
    citation=(
        "B. Rasti, P. Ghamisi and R. Gloaguen, Hyperspectral and LiDAR fusion using extinction profiles and "
        "total variation component analysis, IEEE TGRS 55 (2017)"
    ),
    pixel=1.0,
    targets=("lidar",),
    sensors=(
        Sensor(
            "lidar",
            "lidar",
            "Optech ALTM 3100EA",
            bands=(1, 2),
            shapes=_SHAPES,
            sources=(
                source("LiDAR"),
                source("Italy_lidar", "data"),
                source("trento_lidar"),
                source("Trento-Lidar", "Lidar"),
            ),
        ),
        Sensor(
            "hsi",
            "hsi",
            "AISA Eagle, 63 bands, 403 to 989 nm",
            bands=(63,),
            shapes=_SHAPES,
            sources=(
                source("HSI"),
                source("Italy_hsi", "data"),
                source("trento_hsi"),
                source("Trento-HSI", "HSI"),
            ),
        ),
    ),
    classes=(
        LandClass(1, "Apple trees", "#5aae61"),
        LandClass(2, "Buildings", "#d9746c"),
        LandClass(3, "Ground", "#dfc27d"),
        LandClass(4, "Woods", "#14532d"),
        LandClass(5, "Vineyard", "#8c6bb1"),
        LandClass(6, "Roads", "#4d4d4d"),
    ),
    labels=(
        Maps(source("TRLabel"), source("TSLabel")),
        Indexed(source("trento_gt"), "trento_index", "trento_train", "trento_test"),
        Whole(source("allgrd", "mask_test")),
        Whole(source("gt")),
        Whole(source("trento_gt")),
        Whole(source("Trento-GT", "GT")),
    ),
    counts=(
        KnownCounts(
            "the usual split",
            "counted in a public copy of TRLabel.mat and TSLabel.mat",
            train=(129, 125, 105, 154, 184, 122),
            test=(3905, 2778, 374, 8969, 10317, 3052),
        ),
    ),
    checked=(
        "Italy_lidar.mat, LiDAR.mat, allgrd.mat, TRLabel.mat and TSLabel.mat of public copies; "
        "no HSI file could be had"
    ),
)
