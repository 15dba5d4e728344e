"""Times a map against other ways to classify the same raster, in one run on one machine.

    pip install torchgeo              # in an environment of its own: it may want another torch
    apt install otb-bin
    python -m tests.benchmarks.bench_peers [--size 2048] [--folder F] [--rounds 1]

- Orfeo ToolBox's ImageClassifier: random forest of 100 trees, depth 15, and linear SVM, trained by its
  TrainVectorClassifier on pixels with labels of the scene.
- The same network in PyTorch over the chips of TorchGeo's GridGeoSampler.
- The same network in PyTorch over the patch of every pixel from a DataLoader, as papers' code does it.

The last is timed on a part of the scene. All read the file and use all cores; ours and OTB write the map.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
import torch
from torch.utils.data import DataLoader, Dataset

import geo_xmodal as gx
from geo_xmodal.mapping import Runtime
from geo_xmodal.types import FloatArray, Window
from tests.benchmarks.bench_mapping import whole_map
from tests.benchmarks.mapping_case import Case, make_case

CHIP, PATCHES, PATCH_ROWS = 256, 512, 64
OTB = {
    "random forest": ["-classifier", "rf", "-classifier.rf.nbtrees", "100", "-classifier.rf.max", "15"],
    "linear SVM": ["-classifier", "libsvm", "-classifier.libsvm.k", "linear"],
}
"""Classifiers of Orfeo ToolBox, with the options that train them."""

_SAMPLES = 1000


def otb(application: str, *words: str | Path) -> None:
    """Run an application of Orfeo ToolBox."""
    environment = {**os.environ, "OTB_LOGGER_LEVEL": "WARNING"}
    done = subprocess.run([f"otbcli_{application}", *words], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{application}: {done.stdout}{done.stderr}")


def samples(case: Case, scene: Path, out: Path) -> None:
    """Labelled pixels as points with their band values: what TrainVectorClassifier takes."""
    rows, cols = case.reader.grid.shape
    whole = case.reader.read(Window(0, 0, min(rows, 2048), min(cols, 2048)))
    with rasterio.open(scene / "truth.tif") as dataset:
        labels = dataset.read(1)[: whole.shape[1], : whole.shape[2]]
    random = np.random.default_rng(0)
    places = np.concatenate(
        [
            random.choice(found, min(len(found), _SAMPLES // 8), replace=False)
            for one in np.unique(labels[labels > 0])
            for found in [np.flatnonzero(labels.ravel() == one)]
        ]
    )
    values = whole.reshape(len(whole), -1)[:, places]
    columns: dict[str, npt.NDArray[np.generic]] = {f"b{band}": one for band, one in enumerate(values)}
    columns["class"] = labels.ravel()[places].astype(np.int32)
    points = [shapely.Point(place % labels.shape[1], -(place // labels.shape[1])) for place in places]
    geopandas.GeoDataFrame(columns, geometry=points, crs="EPSG:32633").to_file(out)


def otb_classifier(case: Case, folder: Path, name: str) -> Callable[[], None]:
    """Orfeo ToolBox over the whole raster, its model trained beforehand."""
    model, out = folder / f"{name}.model", folder / f"{name}.tif"
    features = [f"b{band}" for band in range(len(case.reader.bands))]
    otb(
        "TrainVectorClassifier",
        *["-io.vd", folder / "samples.shp", "-cfield", "class", "-feat", *features],
        *["-io.out", model, *OTB[name]],
    )
    return lambda: otb("ImageClassifier", "-in", case.reader.path, "-model", model, "-out", out, "uint8")


def torchgeo_loop(case: Case) -> Callable[[], None]:
    """The network in eager PyTorch over the chips of TorchGeo's GridGeoSampler, as its users write it."""
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    class Radar(RasterDataset):  # type: ignore[misc]
        filename_glob = case.reader.path.name
        is_image = True

    margin = case.model.model.margin
    network = case.model.model.eval()

    def run() -> None:
        dataset = Radar(case.reader.path.parent)
        sampler = GridGeoSampler(dataset, size=CHIP + 2 * margin, stride=CHIP)
        loader = DataLoader(dataset, batch_size=1, sampler=sampler, collate_fn=stack_samples)
        with torch.inference_mode():
            for batch in loader:
                network(batch["image"].float()).argmax(1)

    return run


class PatchesOfPixels(Dataset[FloatArray]):
    """The patch around every pixel of the first rows, one at a time."""

    def __init__(self, values: FloatArray, side: int) -> None:
        self._values, self._side = values, side
        self._cols = values.shape[2] - side + 1
        self._rows = values.shape[1] - side + 1

    def __len__(self) -> int:
        return self._rows * self._cols

    def __getitem__(self, index: int) -> FloatArray:
        row, col = divmod(index, self._cols)
        return self._values[:, row : row + self._side, col : col + self._side]


def patch_loop(case: Case) -> tuple[Callable[[], None], int]:
    """The network over patches of single pixels; and how many pixels that maps."""
    margin = case.model.model.margin
    cols = case.reader.grid.shape[1]
    values = case.reader.read(Window(0, 0, PATCH_ROWS, cols), margin)
    patches = PatchesOfPixels(values, 2 * margin + 1)
    network = case.model.model.eval()

    def run() -> None:
        with torch.inference_mode():
            for batch in DataLoader(patches, batch_size=PATCHES):
                network(batch).argmax(1)

    return run, len(patches)


def timed(step: Callable[[], object], rounds: int) -> float:
    """Least seconds of a few runs."""
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - began)
    return best


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=2048, help="rows and columns of the scene")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where scene and model stay for the next time")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = make_case(arguments.folder or folder, arguments.size)
        steps: dict[str, tuple[Callable[[], object], int]] = {}
        for text in ("openvino", "openvino:bf16", "torch"):
            if text == "torch" or importlib.util.find_spec("openvino"):
                try:
                    runtime = Runtime.of(*text.split(":"))
                except gx.GeoXmodalError as error:
                    print(error)
                    continue
                steps[f"map, {text}"] = whole_map(case, runtime, folder / "map.tif"), case.pixels
        if shutil.which("otbcli_ImageClassifier"):
            samples(case, case.reader.path.parent, folder / "samples.shp")
            for one in OTB:
                steps[f"Orfeo ToolBox, {one}"] = otb_classifier(case, folder, one), case.pixels
        if importlib.util.find_spec("torchgeo"):
            steps["TorchGeo, GridGeoSampler"] = torchgeo_loop(case), case.pixels
        steps["patches from a DataLoader"] = patch_loop(case)
        print(f"{arguments.size} x {arguments.size} pixels, {torch.get_num_threads()} threads")
        print("| | Mpixel/s | map, openvino, is faster |")
        print("|---|---|---|")
        ours = 0.0
        for label, (step, pixels) in steps.items():
            speed = pixels / timed(step, arguments.rounds) / 1e6
            ours = ours or speed
            print(f"| {label} | {speed:.3f} | {ours / speed:.2f} x |", flush=True)


if __name__ == "__main__":
    main()
