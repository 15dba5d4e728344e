"""How recipes compare on blocks inside the window of MUUFL, where the default recipe was chosen.

    python scripts/window_blocks.py MUUFL_SCENE WORK [METHOD] [transform=linear|asinh|log]
        [labels=10,50] [seeds=3] [KEY=VALUE ...]

MUUFL_SCENE is the scene folder that scripts/real_scenes.py makes. The window is cut into halves (left, right,
top, bottom) of 40 x 100 pixels with 20 pixels between: pairs and labels come from one half, and the map from
LiDAR alone is scored on the labels of the other. Prints overall and average accuracy over the four halves and
`seeds` draws of each number of labels a class, of classes with 5 training labels at least (average: and 30
test pixels). No pixel outside the window is looked at.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine

import geo_xmodal as gx
from geo_xmodal.methods import METHODS, Learner, LoopOptions
from geo_xmodal.raster import open_raster
from geo_xmodal.samples import GatherOptions, gather
from geo_xmodal.scenes import read_config, write_config
from geo_xmodal.training.loop import fit
from geo_xmodal.training.request import options_for
from geo_xmodal.types import TrainingData, Window

WINDOW = Window(129, 119, 100, 100)
NEAR, FAR, ALL = slice(0, 40), slice(60, 100), slice(0, 100)
HALVES = {"left": (ALL, NEAR), "right": (ALL, FAR), "top": (NEAR, ALL), "bottom": (FAR, ALL)}
OTHER = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


def half_scenes(source: Path, work: Path) -> dict[str, gx.Scene]:
    """A scene for each half; its HSI and training labels end where the half ends."""
    for name, (rows, cols) in HALVES.items():
        folder = work / name
        if folder.is_dir():
            continue
        folder.mkdir(parents=True)
        (folder / "lidar.tif").write_bytes((source / "lidar.tif").read_bytes())
        with open_raster(source / "hsi.tif") as hsi:
            values, profile = hsi.read()[:, rows, cols], hsi.profile
            profile["transform"] = hsi.transform @ Affine.translation(cols.start, rows.start)
        with rasterio.open(
            folder / "hsi.tif", "w", **profile | {"height": values.shape[1], "width": values.shape[2]}
        ) as out:
            out.write(values)
        with open_raster(source / "train.tif") as labels:
            known, profile = labels.read(1), labels.profile
        for side, half in (("train", name), ("test", OTHER[name])):
            part = np.zeros_like(known)
            inner = tuple(
                slice(first + cut.start, first + cut.stop)
                for first, cut in zip((WINDOW.row, WINDOW.col), HALVES[half], strict=True)
            )
            part[inner] = known[inner]
            with rasterio.open(folder / f"{side}.tif", "w", **profile) as out:
                out.write(part, 1)
        write_config(read_config(source), folder)
    return {name: gx.open_scene(work / name) for name in HALVES}


def with_transform(data: TrainingData, transform: str) -> TrainingData:
    """The data with LiDAR taken through another transform than the product's (which is linear, clipped)."""
    if transform == "linear":
        return data
    centre = data.margin
    groups = (data.labelled_pairs, data.unlabelled_pairs)
    values = np.concatenate([group.target[:, :, centre, centre] for group in groups])
    known = data.target.statistics
    if transform == "log":
        scale, low, high = np.full(len(known.bands), 0.5), np.zeros(len(known.bands)), np.full(4, 1e4)
    else:
        scale, low, high = np.median(np.abs(values), 0), np.array(known.low), np.array(known.high)
    changed = np.arcsinh(np.clip(values, low, high) / scale)
    statistics = dataclasses.replace(
        known,
        transform=("asinh",) * len(scale),
        scale=tuple(scale.tolist()), low=tuple(low.tolist()), high=tuple(high.tolist()),
        mean=tuple(changed.mean(0).tolist()), std=tuple(changed.std(0).tolist()),
    )  # fmt: skip
    return dataclasses.replace(data, target=dataclasses.replace(data.target, statistics=statistics))


def scored(scene: gx.Scene, learner: Learner, data: TrainingData) -> tuple[float, float]:
    model = learner.pixel_model()
    values = torch.from_numpy(scene.reader("lidar").read(WINDOW, model.margin))
    ids = np.array([land.id for land in data.classes])
    predicted = ids[model.probabilities(values[None])[0].argmax(0).numpy()]
    reference = scene.read_labels("test", WINDOW)
    trained = ids[np.bincount(data.labelled_pairs.label, minlength=len(ids)) >= 5]  # type: ignore[arg-type]
    inside = np.isin(reference, trained)
    recalls = [
        (predicted[reference == one] == one).mean() for one in trained if (reference == one).sum() >= 30
    ]
    return float((predicted == reference)[inside].mean()), float(np.mean(recalls))


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    words = [word for word in sys.argv[3:] if "=" not in word]
    settings: dict[str, Any] = dict(word.split("=", 1) for word in sys.argv[3:] if "=" in word)
    transform = settings.pop("transform", "linear")
    counts = [int(count) for count in settings.pop("labels", "10,50").split(",")]
    seeds = range(int(settings.pop("seeds", 3)))
    method = METHODS[words[0] if words else "hgr"]
    options = options_for(method, settings, "lidar")
    assert isinstance(options, LoopOptions)
    scenes = half_scenes(Path(sys.argv[1]), Path(sys.argv[2]))
    cells = []
    for count in counts:
        scores = []
        for scene in scenes.values():
            for seed in seeds:
                wanted = GatherOptions(
                    margin=options.margin, auxiliary_margin=options.auxiliary_margin,
                    labels_per_class=count, validation=0,
                    unlabelled_target=0, seed=seed,
                )  # fmt: skip
                data = with_transform(gather(scene, wanted), transform)
                learner = method.learner(
                    data if method.uses_auxiliary else data.without_auxiliary(), options, seed
                )
                fit(learner, options, seed)
                scores.append(scored(scene, learner, data))
        oa, aa = 100 * np.mean(scores, 0)
        cells.append(f"{count} a class {oa:.1f} / {aa:.1f}")
    print(f"{method.name} {transform} {settings}: {', '.join(cells)}")


if __name__ == "__main__":
    main()
