"""Houston2013: CASI with LiDAR (the 2013 contest), or with a simulated MSI (S2FL, X-ModalNet).

File and variable names: the contest's own (`2013_IEEE_GRSS_DF_Contest_*`, labels as ENVI regions of
interest exported as text, or as GeoTIFF in S2FL), S2FL's (`data_HS_LR.mat`, `data_MS_HR.mat`), MDL-RS's
(`Houston2013_HSI.mat` with `HSI`, `Houston2013_DSM.mat` with `DSM`, `Houston2013_TR.mat` with `TR_map`,
`Houston2013_TE.mat` with `TE_map`), and the toolkits' (`HSI.mat`, `LiDAR.mat`, `TRLabel.mat`, `TSLabel.mat`;
`houston_*.mat`), as read by public loaders. The contest gives the test labels as a zip of a binary `.roi`:
export it as text with ENVI. Confirmed on real files: the exported text of the test labels, names and counts.
Not confirmed: the images, the training labels.
"""

from __future__ import annotations

from geo_xmodal.published.catalogue import Indexed, KnownCounts, Maps, PublishedScene, Sensor, Whole, source
from geo_xmodal.simulate.houston import HOUSTON as SIMULATED

_CONTEST = "2013_IEEE_GRSS_DF_Contest"
_SHAPES = ((349, 1905),)

HOUSTON2013 = PublishedScene(
    name="houston2013",
    title="Houston2013, HSI with MSI or LiDAR",
    citation=(
        "C. Debes et al., Hyperspectral and LiDAR data fusion: outcome of the 2013 GRSS data fusion contest, "
        "IEEE JSTARS 7 (2014); with the MSI also D. Hong et al., ISPRS J. 178 (2021)"
    ),
    pixel=2.5,
    targets=("msi", "lidar"),
    sensors=(
        Sensor(
            "msi",
            "msi",
            "8 bands of Sentinel-2 simulated from the HSI",
            bands=(8,),
            shapes=_SHAPES,
            sources=(source("data_MS_HR"), source("MS_HR_Houston", "data_MS_HR")),
        ),
        Sensor(
            "lidar",
            "lidar",
            "NCALM airborne LiDAR, surface model",
            bands=(1,),
            shapes=_SHAPES,
            sources=(
                source(f"{_CONTEST}_LiDAR", "LiDAR_data"),
                source("Houston2013_DSM", "DSM"),
                source("houston_lidar"),
                source("LiDAR"),
            ),
        ),
        Sensor(
            "hsi",
            "hsi",
            "CASI-1500, 144 bands, 364 to 1046 nm",
            bands=(144,),
            shapes=_SHAPES,
            sources=(
                source(f"{_CONTEST}_CASI"),
                source(f"{_CONTEST}_CASI_349_1905_144", "ans"),
                source("data_HS_LR"),
                source("HS_LR_Houston", "data_HS_LR"),
                source("Houston2013_HSI", "HSI"),
                source("houston_hsi"),
                source("HSI"),
            ),
        ),
    ),
    classes=SIMULATED.classes,
    labels=(
        Maps(source(f"{_CONTEST}_Samples_TR"), source(f"{_CONTEST}_Samples_VA")),
        Maps(source("TrainImage"), source("TestImage")),
        Maps(source("TRLabel"), source("TSLabel")),
        Maps(source("Houston2013_TR", "TR_map"), source("Houston2013_TE", "TE_map")),
        Indexed(source("houston_gt"), "houston_index", "houston_train", "houston_test"),
        Whole(source("houston_gt")),
        Whole(source("gt")),
    ),
    counts=(
        KnownCounts(
            "the split of the 2013 contest",
            "training: public loaders; test: counted in the exported regions of interest",
            train=(198, 190, 192, 188, 186, 182, 196, 191, 193, 191, 181, 192, 184, 181, 187),
            test=(1053, 1064, 505, 1056, 1056, 143, 1072, 1053, 1059, 1036, 1054, 1041, 285, 247, 473),
        ),
        KnownCounts(
            "the split of X-ModalNet",
            "X-ModalNet (Hong et al. 2020), table 3, whose rows add up to 2897 and 12021, not its totals",
            train=SIMULATED.train,
            test=SIMULATED.test,
        ),
    ),
    checked=(
        "the test labels as text (2013_IEEE_GRSS_DF_Contest_Samples_VA.txt) of a public copy; "
        "no image file could be had"
    ),
    regions=(
        *("grass_healthy", "grass_stressed", "grass_synthetic", "tree", "soil", "water", "residential"),
        *("commercial", "road", "highway", "railway", "parking_lot1", "parking_lot2", "tennis_court"),
        "running_track",
    ),
)
