"""Augsburg: DLR HySpex as EnMAP, Sentinel-1, a surface model from aerial photographs (MDAS, S2FL's cut).

File and variable names: the distribution of S2FL (`data_HS_LR.mat`, `data_SAR_HR.mat`, `data_DSM.mat`,
`TrainImage.mat`, `TestImage.mat`) and that of the DCMNet group (`augsburg_*.mat`), as read by public
loaders. Confirmed on real files: both label maps, their ids and counts. Not confirmed: the images.
"""

from __future__ import annotations

from geo_xmodal.published.catalogue import Indexed, KnownCounts, Maps, PublishedScene, Sensor, Whole, source
from geo_xmodal.types import LandClass

_SHAPES = ((332, 485),)

AUGSBURG = PublishedScene(
    name="augsburg",
    title="Augsburg, HSI, SAR and DSM",
    citation=(
        "D. Hong et al., Multimodal remote sensing benchmark datasets for land cover classification with a "
        "shared and specific feature learning model, ISPRS J. 178 (2021); J. Hu et al., MDAS: a new "
        "multimodal benchmark dataset for remote sensing, Earth Syst. Sci. Data (2023)"
    ),
    pixel=30.0,
    targets=("sar", "dsm"),
    sensors=(
        Sensor(
            "sar",
            "sar",
            "Sentinel-1 IW, dual polarisation, four bands",
            bands=(4,),
            shapes=_SHAPES,
            sources=(source("data_SAR_HR"), source("augsburg_sar")),
        ),
        Sensor(
            "dsm",
            "lidar",
            "surface model of DLR 3K aerial photographs",
            bands=(1,),
            shapes=_SHAPES,
            sources=(source("data_DSM"), source("augsburg_dsm")),
        ),
        Sensor(
            "hsi",
            "hsi",
            "DLR HySpex as EnMAP, 180 bands, 400 to 2500 nm",
            bands=(180,),
            shapes=_SHAPES,
            sources=(source("data_HS_LR"), source("augsburg_hsi")),
        ),
    ),
    classes=(
        LandClass(1, "Forest", "#1b7837"),
        LandClass(2, "Residential Area", "#d9746c"),
        LandClass(3, "Industrial Area", "#8c6bb1"),
        LandClass(4, "Low Plants", "#a6d96a"),
        LandClass(5, "Allotment", "#f4c95d"),
        LandClass(6, "Commercial Area", "#c2185b"),
        LandClass(7, "Water", "#2c7fb8"),
    ),
    labels=(
        Maps(source("TrainImage"), source("TestImage")),
        Indexed(source("augsburg_gt"), "augsburg_index", "augsburg_train", "augsburg_test"),
        Whole(source("augsburg_gt")),
    ),
    counts=(
        KnownCounts(
            "the split of S2FL",
            "counted in a public copy of TrainImage.mat and TestImage.mat",
            train=(146, 264, 21, 248, 52, 7, 23),
            test=(13361, 30065, 3830, 26609, 523, 1638, 1507),
        ),
    ),
    checked="TrainImage.mat and TestImage.mat of a public copy; no image file could be had",
)
