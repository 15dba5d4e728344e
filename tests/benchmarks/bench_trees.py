"""Mapping with trees beside Orfeo ToolBox: `python tests/benchmarks/bench_trees.py [side=1000]`.

Both get the same raster of 40 features and 8 classes, made up, and forests of 100 trees of depth 15 that were
trained on the same 8,000 pixels: `otbcli_TrainVectorClassifier` and `otbcli_ImageClassifier` (otb-bin) beside
`forest` and `map_scene`. Prints processor seconds of the whole map, reading and writing included, which other
work on the machine hardly changes; the mark is half of Orfeo ToolBox's.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin

FEATURES, CLASSES, TRAINING, TREES, DEPTH = 40, 8, 8000, 100, 15
CRS = "EPSG:32633"

MAP = """
import sys
import geo_xmodal as gx
gx.map_scene(sys.argv[1], gx.aligned_reader(sys.argv[2], kind="other"), sys.argv[3], threads=1)
"""


def pixels(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) float32 of classes that overlap, and the classes from 1 on."""
    centres = np.random.default_rng(0).normal(size=(CLASSES, FEATURES)) * 0.5
    label = rng.integers(CLASSES, size=count)
    return (centres[label] + rng.normal(size=(count, FEATURES))).astype(np.float32), label + 1


def write_features(path: Path, side: int) -> np.ndarray:
    """The raster; its classes (row, col)."""
    values, label = pixels(np.random.default_rng(1), side * side)
    profile = {
        "driver": "GTiff", "height": side, "width": side, "count": FEATURES, "dtype": "float32", "crs": CRS,
        "transform": from_origin(500_000, 5_800_000, 10, 10), "tiled": True, "interleave": "pixel",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.ascontiguousarray(values.T).reshape(FEATURES, side, side))
    return label.reshape(side, side)


def seconds(*command: str) -> float:
    """Processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def train_otb(folder: Path, values: np.ndarray, label: np.ndarray) -> Path:
    """A forest of Orfeo ToolBox."""
    names = [f"f{k}" for k in range(FEATURES)]
    columns = dict(zip(names, values.T.astype(float), strict=True))
    places = shapely.points(np.arange(len(label)), np.zeros(len(label)))
    table = geopandas.GeoDataFrame(columns | {"class": label}, geometry=places, crs=CRS)
    table.to_file(folder / "training.shp")
    settings = {"max": DEPTH, "nbtrees": TREES, "min": 2, "acc": 0}
    options = [word for key, value in settings.items() for word in (f"-classifier.rf.{key}", str(value))]
    seconds(
        "otbcli_TrainVectorClassifier", "-io.vd", str(folder / "training.shp"), "-io.out",
        str(folder / "otb.model"), "-feat", *names, "-cfield", "class", "-classifier", "rf", *options,
    )  # fmt: skip
    return folder / "otb.model"


def train_ours(folder: Path, values: np.ndarray, label: np.ndarray) -> Path:
    """The same kind of forest as a bundle."""
    from geo_xmodal import bundle
    from geo_xmodal.methods.context_trees import trees_model
    from geo_xmodal.methods.forest import ForestGrowth, fit_forest
    from geo_xmodal.networks import ContextOptions
    from geo_xmodal.types import BandStatistics

    growth = ForestGrowth(kind="random_forest", trees=TREES, max_depth=DEPTH, min_leaf=2)
    grown = fit_forest(values, np.eye(CLASSES)[label - 1], np.ones(len(label)), growth, 0)
    one = (1.0,) * FEATURES
    statistics = BandStatistics(
        tuple(f"Band {k + 1}" for k in range(FEATURES)), ("identity",) * FEATURES, one,
        (-100.0,) * FEATURES, (100.0,) * FEATURES, (0.0,) * FEATURES, one,
    )  # fmt: skip
    model = trees_model(statistics, CLASSES, ContextOptions(), grown)
    card = bundle.Card(
        method="forest",
        network=bundle.NetworkEntry(name=model.spec.name, options=dict(model.spec.options)),
        margin=model.margin,
        target=bundle.describe_target("features", "other", "made up", statistics),
        classes=tuple(
            bundle.ClassEntry(id=k + 1, name=f"class {k + 1}", color=f"#00{30 * k:02x}00")
            for k in range(CLASSES)
        ),
        scene="made up",
        simulated=True,
    )
    bundle.save(folder / "bundle", model, card)
    return folder / "bundle"


def agreement(path: Path, truth: np.ndarray) -> float:
    """Share of pixels that have the right class."""
    with rasterio.open(path) as dataset:
        return float((dataset.read(1) == truth).mean())


def main() -> None:
    """Train both, map with both, compare."""
    if shutil.which("otbcli_ImageClassifier") is None:
        sys.exit("otbcli_ImageClassifier is not there: apt-get install otb-bin")
    side = int(next((word.removeprefix("side=") for word in sys.argv[1:]), 1000))
    values, label = pixels(np.random.default_rng(2), TRAINING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = write_features(folder / "features.tif", side)
        theirs, ours = train_otb(folder, values, label), train_ours(folder, values, label)
        source, otb_map, our_map = folder / "features.tif", folder / "otb.tif", folder / "ours.tif"
        otb = seconds(
            "otbcli_ImageClassifier", "-in", str(source), "-model", str(theirs), "-out", str(otb_map), "uint8"
        )
        own = seconds(sys.executable, "-c", MAP, str(ours), str(source), str(our_map))
        print(f"{side} x {side} pixels, {FEATURES} features, {TREES} trees of depth {DEPTH}; processor time:")
        for who, took, out in (("Orfeo ToolBox", otb, otb_map), ("geo_xmodal", own, our_map)):
            right = 100 * agreement(out, truth)
            print(f"  {who:14s}{took:7.1f} s  {1e6 * took / side**2:6.1f} us a pixel, {right:.1f} % right")
        print(f"  ours is {own / otb:.2f} of Orfeo ToolBox's (the mark: 0.5)")


if __name__ == "__main__":
    main()
