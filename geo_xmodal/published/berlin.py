"""Berlin: EnMAP simulated from HyMap, Sentinel-1, labels from OpenStreetMap.

File and variable names: the distribution of S2FL (Hong et al. 2021) as read by public loaders
(`data_HS_LR.mat`, `data_SAR_HR.mat`, `TrainImage.mat`, `TestImage.mat`), and that of the DCMNet group
(`berlin_hsi.mat`, `berlin_sar.mat`, `berlin_gt.mat`, `berlin_index.mat`). Both hold the HSI brought onto the
grid of the SAR; the original HSI has 797 x 220 pixels of 30 m. Not confirmed on real files: all of it, and
the order of the four SAR bands.
"""

from __future__ import annotations

from geo_xmodal.published.catalogue import Indexed, KnownCounts, Maps, PublishedScene, Sensor, Whole, source
from geo_xmodal.simulate.berlin import BERLIN as SIMULATED

BERLIN = PublishedScene(
    name="berlin",
    title="Berlin, HSI and SAR",
    citation=(
        "D. Hong et al., Multimodal remote sensing benchmark datasets for land cover classification with a "
        "shared and specific feature learning model, ISPRS J. 178 (2021); A. Okujeni et al., "
        "Berlin-Urban-Gradient dataset 2009, GFZ Data Services (2016), doi 10.5880/enmap.2016.008"
    ),
    pixel=13.89,
    targets=("sar",),
    sensors=(
        Sensor(
            "sar",
            "sar",
            "Sentinel-1 IW, dual polarisation, four bands of the covariance matrix",
            bands=(4,),
            shapes=((1723, 476),),
            sources=(source("data_SAR_HR"), source("berlin_sar")),
        ),
        Sensor(
            "hsi",
            "hsi",
            "EnMAP simulated from HyMap, 244 bands, 400 to 2500 nm",
            bands=(244,),
            shapes=((1723, 476), (797, 220)),
            sources=(source("data_HS_LR"), source("berlin_hsi")),
        ),
    ),
    classes=SIMULATED.classes,
    labels=(
        Maps(source("TrainImage"), source("TestImage")),
        Indexed(source("berlin_gt"), "berlin_index", "berlin_train", "berlin_test"),
        Whole(source("berlin_gt")),
    ),
    counts=(
        KnownCounts(
            "the split of S2FL",
            "supplement of UniFast-HGR, table 1",
            train=SIMULATED.train,
            test=SIMULATED.test,
        ),
        KnownCounts(
            "the split of X-ModalNet",
            "X-ModalNet (Hong et al. 2020), table 3",
            train=(1437, 961, 623, 1098, 728, 260, 451, 144),
            test=(3249, 2373, 1510, 2681, 1817, 747, 1313, 256),
        ),
    ),
    checked="no real file: none could be had",
)
