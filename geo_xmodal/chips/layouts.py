"""Known sets of chips as people have them on disk: each a description like a `chips.toml`.

Names of files and folders, values of labels and splits are those of the papers and of loaders in public
repositories; no copy of these sets was at hand when they were written, only made-up files of their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geo_xmodal.chips.bigearthnet import patches_v1, patches_v2
from geo_xmodal.chips.config import ChipsConfig, ChipSplit
from geo_xmodal.chips.finding import Found, Key, found_chips
from geo_xmodal.errors import ChipError
from geo_xmodal.scenes import palette


@dataclass(frozen=True)
class Layout:
    """A known set of chips.

    Attributes:
        name: As `open_chips` takes it.
        title: In words.
        variants: Ways in which copies lie on disk; the one with most files is taken.
        keys: What tells the chips apart where names of files do not; None takes them from the files.
        places: Files or folders, with `*`, one of which a copy has: by them it is recognised.
    """

    name: str
    title: str
    variants: tuple[ChipsConfig, ...]
    places: tuple[str, ...]
    keys: Callable[[Path], Mapping[Key, ChipSplit | None]] | None = None

    def lies_in(self, folder: Path) -> bool:
        """Whether a folder looks like a copy."""
        return any(next(folder.glob(place), None) is not None for place in self.places)

    def variant(self, folder: Path) -> tuple[ChipsConfig, Found]:
        """The description of the copy in a folder, and its chips.

        Raises:
            ChipError: None of the variants has a chip there.
        """
        keys = None if self.keys is None else self.keys(folder)
        best: tuple[ChipsConfig, Found] | None = None
        for config in self.variants:
            try:
                found = found_chips(folder, config, keys)
            except ChipError:
                continue
            if best is None or found.files > best[1].files:
                best = config, found
        if best is None:
            raise ChipError(f"{folder}: holds no chip of {self.title}; files are called {self._files}")
        return best

    @property
    def _files(self) -> str:
        return self.variants[0].modalities[self.variants[0].target].files


_VAIHINGEN_TRAIN = (1, 3, 5, 7, 11, 13, 15, 17, 21, 23, 26, 28, 30, 32, 34, 37)
_VAIHINGEN_TEST = (2, 4, 6, 8, 10, 12, 14, 16, 20, 22, 24, 27, 29, 31, 33, 35, 38)

_IGBP = (
    ("Forest", (1, 2, 3, 4, 5)), ("Shrubland", (6, 7)), ("Savanna", (8, 9)), ("Grassland", (10,)),
    ("Wetlands", (11,)), ("Croplands", (12, 14)), ("Urban and built-up", (13,)), ("Snow and ice", (15,)),
    ("Barren", (16,)), ("Water", (17,)),
)  # fmt: skip
"""The simplified classes of SEN12MS, with the IGBP classes of MODIS that each holds."""

_CORINE = (
    ("Urban fabric", (111, 112)),
    ("Industrial or commercial units", (121,)),
    ("Arable land", (211, 212, 213)),
    ("Permanent crops", (221, 222, 223, 241)),
    ("Pastures", (231,)),
    ("Complex cultivation patterns", (242,)),
    ("Land principally occupied by agriculture, with significant areas of natural vegetation", (243,)),
    ("Agro-forestry areas", (244,)),
    ("Broad-leaved forest", (311,)),
    ("Coniferous forest", (312,)),
    ("Mixed forest", (313,)),
    ("Natural grassland and sparsely vegetated areas", (321, 333)),
    ("Moors, heathland and sclerophyllous vegetation", (322, 323)),
    ("Transitional woodland, shrub", (324,)),
    ("Beaches, dunes, sands", (331,)),
    ("Inland wetlands", (411, 412)),
    ("Coastal wetlands", (421, 422)),
    ("Inland waters", (511, 512)),
    ("Marine waters", (521, 522, 523)),
)
"""The 19 classes of BigEarthNet, with the CORINE classes of level 3 that each holds."""

_CORINE_LEFT_OUT = (0, 122, 123, 124, 131, 132, 133, 141, 142, 332, 334, 335, 423, 990, 995, 999)

_S2_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
_S1 = {"kind": "sar", "sensor": "Sentinel-1 GRD IW, VV and VH", "scale": "db"}


def _valued(classes: tuple[tuple[str, tuple[int, ...]], ...]) -> list[dict[str, Any]]:
    colors = palette(len(classes))
    return [
        {"id": id_, "name": name, "color": colors[id_ - 1], "values": values}
        for id_, (name, values) in enumerate(classes, start=1)
    ]


def _numbered(*names: str) -> list[dict[str, Any]]:
    return _valued(tuple((name, (value,)) for value, name in enumerate(names, start=1)))


def _config(table: Mapping[str, Any]) -> ChipsConfig:
    return ChipsConfig.model_validate(table)


def _vaihingen(images: str, heights: str, labels: str) -> ChipsConfig:
    classes = (
        ("Impervious surfaces", "#ffffff"), ("Building", "#0000ff"), ("Low vegetation", "#00ffff"),
        ("Tree", "#00ff00"), ("Car", "#ffff00"), ("Clutter", "#ff0000"),
    )  # fmt: skip
    return _config(
        {
            "name": "vaihingen",
            "citation": "Rottensteiner et al., ISPRS benchmark on urban object detection and 3D building "
            "reconstruction, ISPRS Journal 93 (2014)",
            "target": "irrg",
            "modalities": {
                "irrg": {
                    "files": f"{images}top_mosaic_09cm_area{{area}}.tif",
                    "kind": "msi",
                    "sensor": "orthophoto: near infrared, red, green",
                },
                "dsm": {
                    "files": f"{heights}dsm_09cm_matching_area{{area}}.tif",
                    "kind": "dem",
                    "sensor": "surface heights by dense matching",
                },
            },
            "labels": {
                "files": f"{labels}top_mosaic_09cm_area{{area}}.tif",
                "colors": True,
                "unlabelled": ["#000000"],
            },
            "classes": [
                {"id": id_, "name": name, "color": color}
                for id_, (name, color) in enumerate(classes, start=1)
            ],
            "splits": {
                "train": {"ids": [str(area) for area in _VAIHINGEN_TRAIN]},
                "test": {"ids": [str(area) for area in _VAIHINGEN_TEST]},
            },
        }
    )


_IMAGES = "ISPRS_semantic_labeling_Vaihingen/"
VAIHINGEN = Layout(
    "vaihingen",
    "ISPRS Vaihingen (IRRG and DSM tiles, colours as labels; published split of areas)",
    tuple(
        _vaihingen(f"{root}top/", f"{root}dsm/", labels)
        for root in (_IMAGES, "")
        for labels in (
            "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE/",
            "gts_for_participants/",
            f"{_IMAGES}gts_for_participants/",
            "",
        )
    ),
    ("top/top_mosaic_09cm_area*.tif", f"{_IMAGES}top/top_mosaic_09cm_area*.tif"),
)

GLOBE230K = Layout(
    "globe230k",
    "Globe230k (RGB at 1 m with NDVI, heights and Sentinel-1 where they are present)",
    (
        _config(
            {
                "name": "globe230k",
                "citation": "Shi et al., Globe230k, Journal of Remote Sensing 3 (2023)",
                "target": "rgb",
                "modalities": {
                    "rgb": {
                        "files": "image_patch/{id}.jpg",
                        "kind": "msi",
                        "sensor": "aerial and satellite pictures: red, green, blue",
                    },
                    "sar": {"files": "vvvh_patch/{id}.tif", "kind": "sar", "sensor": "Sentinel-1, VV and VH",
                            "scale": "db"},
                    "dem": {"files": "dem_patch/{id}.tif", "kind": "dem", "sensor": "SRTM"},
                    "ndvi": {"files": "ndvi_patch/{id}.tif", "kind": "other", "sensor": "NDVI"},
                },
                "labels": {"files": "label_patch/{id}.png"},
                "classes": _numbered(
                    "Cropland", "Forest", "Grassland", "Shrubland", "Wetland", "Water", "Tundra",
                    "Impervious surface", "Bareland", "Ice and snow",
                ),
                "splits": {"test": {"share": 0.2}, "train": {"rest": True}},
            }
        ),
    ),
    ("image_patch/*.jpg",),
)  # fmt: skip

GEONRW = Layout(
    "geonrw",
    "GeoNRW (RGB orthophotos and heights at 1 m; tested on Düsseldorf, Herne and Neuss)",
    (
        _config(
            {
                "name": "geonrw",
                "citation": "Baier et al., GeoNRW, IEEE DataPort (2020), doi 10.21227/s5xq-b822",
                "target": "rgb",
                "modalities": {
                    "rgb": {
                        "files": "{city}/{tile}_rgb.jp2",
                        "kind": "msi",
                        "sensor": "orthophoto: red, green, blue",
                    },
                    "dem": {"files": "{city}/{tile}_dem.tif", "kind": "dem", "sensor": "airborne LiDAR"},
                },
                "labels": {"files": "{city}/{tile}_seg.tif"},
                "classes": _numbered(
                    "Forest", "Water", "Agricultural", "Residential, commercial, industrial",
                    "Grassland, swamp, shrubbery", "Railway, train station", "Highway, squares",
                    "Airport, shipyard", "Roads", "Buildings",
                ),
                "group": "city",
                "splits": {
                    "test": {"ids": ["duesseldorf/*", "herne/*", "neuss/*"]},
                    "train": {"rest": True},
                },
            }
        ),
    ),
    ("*/*_rgb.jp2",),
)  # fmt: skip

SEN12MS = Layout(
    "sen12ms",
    "SEN12MS (Sentinel-1, Sentinel-2 and land cover of MODIS, simplified IGBP classes)",
    (
        _config(
            {
                "name": "sen12ms",
                "citation": "Schmitt et al., SEN12MS, ISPRS Annals IV-2/W7 (2019)",
                "target": "s1",
                "modalities": {
                    "s1": {"files": "{season}/s1_{scene}/{season}_s1_{scene}_p{patch}.tif", **_S1},
                    "s2": {
                        "files": "{season}/s2_{scene}/{season}_s2_{scene}_p{patch}.tif",
                        "kind": "msi",
                        "sensor": "Sentinel-2 L1C, 13 bands",
                    },
                },
                "labels": {
                    "files": "{season}/lc_{scene}/{season}_lc_{scene}_p{patch}.tif",
                    "unlabelled": [0, 254, 255],
                },
                "classes": _valued(_IGBP),
                "group": "scene",
                "splits": {
                    split: {"file": f"{split}_list.txt", "line": "{season}_{source}_{scene}_p{patch}.tif"}
                    for split in ("train", "test")
                },
            }
        ),
    ),
    ("ROIs*/s1_*/ROIs*_s1_*.tif",),
)

BIGEARTHNET_V1 = Layout(
    "bigearthnet-v1",
    "BigEarthNet-MM v1 (pairs of Sentinel-1 and Sentinel-2 patches; labels of whole patches are not read)",
    (
        _config(
            {
                "name": "bigearthnet-v1",
                "citation": "Sumbul et al., BigEarthNet-MM, IEEE GRSM 9 (2021)",
                "target": "s1",
                "modalities": {
                    "s1": {
                        "files": "BigEarthNet-S1-v1.0/{s1}/{s1}_{band}.tif", "bands": ["VV", "VH"], **_S1,
                    },
                    "s2": {
                        "files": "BigEarthNet-v1.0/{s2}/{s2}_{band}.tif",
                        "bands": _S2_BANDS,
                        "kind": "msi",
                        "sensor": "Sentinel-2 L2A, 12 bands",
                    },
                },
            }
        ),
    ),
    ("BigEarthNet-S1-v1.0",),
    patches_v1,
)  # fmt: skip

BIGEARTHNET_V2 = Layout(
    "bigearthnet-v2",
    "BigEarthNet v2 (reBEN: pairs of Sentinel-1 and Sentinel-2 patches with CORINE reference maps)",
    (
        _config(
            {
                "name": "bigearthnet-v2",
                "citation": "Clasen et al., reBEN, arXiv 2407.03653 (2024)",
                "target": "s1",
                "modalities": {
                    "s1": {
                        "files": "BigEarthNet-S1/{s1_scene}/{s1}/{s1}_{band}.tif",
                        "bands": ["VV", "VH"],
                        **_S1,
                    },
                    "s2": {
                        "files": "BigEarthNet-S2/{s2_scene}/{s2}/{s2}_{band}.tif",
                        "bands": _S2_BANDS,
                        "kind": "msi",
                        "sensor": "Sentinel-2 L2A, 12 bands",
                    },
                },
                "labels": {
                    "files": "Reference_Maps/{s2_scene}/{s2}/{s2}_reference_map.tif",
                    "unlabelled": _CORINE_LEFT_OUT,
                },
                "classes": _valued(_CORINE),
                "group": "s2_scene",
            }
        ),
    ),
    ("BigEarthNet-S1", "Reference_Maps"),
    patches_v2,
)

_INDOOR = (
    "Wall", "Floor", "Cabinet", "Bed", "Chair", "Sofa", "Table", "Door", "Window", "Bookshelf", "Picture",
    "Counter", "Blinds", "Desk", "Shelves", "Curtain", "Dresser", "Pillow", "Mirror", "Floor mat", "Clothes",
    "Ceiling", "Books", "Refrigerator", "Television", "Paper", "Towel", "Shower curtain", "Box", "Whiteboard",
    "Person", "Night stand", "Toilet", "Sink", "Lamp", "Bathtub", "Bag",
)  # fmt: skip
"""The 37 classes of SUN RGB-D, which are the first of the 40 of NYU Depth v2."""


def _indoor(name: str, citation: str, labels: str, classes: tuple[str, ...]) -> ChipsConfig:
    """Photographs with depth, in the folders that CMX and DFormer read."""
    line = ("{id}", f"RGB/{{id}}.jpg {labels}/{{id}}.png")
    return _config(
        {
            "name": name,
            "citation": citation,
            "target": "rgb",
            "modalities": {
                "rgb": {"files": "RGB/{id}.jpg", "kind": "msi", "sensor": "camera: red, green, blue"},
                "hha": {
                    "files": "HHA/{id}.jpg",
                    "kind": "other",
                    "sensor": "depth as HHA: disparity, height, angle with gravity",
                },
                "depth": {"files": "Depth/{id}.png", "kind": "other", "sensor": "depth"},
            },
            "labels": {"files": f"{labels}/{{id}}.png", "unlabelled": [0, 255]},
            "classes": _numbered(*classes),
            "splits": {split: {"file": f"{split}.txt", "line": line} for split in ("train", "test")},
        }
    )


NYUV2 = Layout(
    "nyuv2",
    "NYU Depth v2 (RGB with HHA or depth, 40 classes, in the folders of CMX: train.txt and test.txt)",
    (
        _indoor(
            "nyuv2",
            "Silberman et al., Indoor segmentation and support inference from RGBD images, ECCV (2012)",
            "Label",
            (*_INDOOR, "Other structure", "Other furniture", "Other props"),
        ),
    ),
    ("RGB/../Label/*.png",),
)

SUNRGBD = Layout(
    "sunrgbd",
    "SUN RGB-D (RGB with HHA or depth, 37 classes, in the folders of CMX: train.txt and test.txt)",
    (
        _indoor(
            "sunrgbd",
            "Song et al., SUN RGB-D: a RGB-D scene understanding benchmark suite, CVPR (2015)",
            "labels",
            _INDOOR,
        ),
    ),
    ("RGB/../labels/*.png",),
)

LAYOUTS: Mapping[str, Layout] = {
    one.name: one
    for one in (
        VAIHINGEN, GLOBE230K, GEONRW, SEN12MS, BIGEARTHNET_V1, BIGEARTHNET_V2, NYUV2, SUNRGBD,
    )
}  # fmt: skip
"""The known sets by name."""
