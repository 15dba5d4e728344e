"""What models make of test pixels, laid out in the plane: t-SNE as in Fig. 7 of the X-ModalNet paper."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from geo_xmodal import bundle
from geo_xmodal.comparison.request import Fold
from geo_xmodal.mapping import Classifier
from geo_xmodal.mapping.seen import read_seen
from geo_xmodal.networks import Branch, PixelModel
from geo_xmodal.outputs import write_text
from geo_xmodal.raster import WindowReader
from geo_xmodal.samples import blocks_with, read_patches
from geo_xmodal.scenes import LabelledPixels, Member
from geo_xmodal.training.files import read_json
from geo_xmodal.training.run import RunResult
from geo_xmodal.types import FloatArray, IntArray, Progress

_Pixels = tuple[Member, LabelledPixels]
"""Pixels of one scene."""

MAX_PIXELS = 2000
_MIN_PIXELS = 10
_FILE = "features.json"
_CHUNK = 256
_BLOCK = 512
_MIN = 1e-12
"""Probability below which no logarithm is taken."""


@dataclass(frozen=True, eq=False)
class Features:
    """Test pixels in the plane.

    Attributes:
        places: (n, 2).
        labels: class ids (n,).
        embedding: whether they are those of the branch's embedding; else of the class scores.
    """

    places: npt.NDArray[np.float64]
    labels: tuple[int, ...]
    embedding: bool


class _Kept(BaseModel):
    """`features.json`: of which run, seed and test pixels, and where these lie."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mark: str
    seed: int
    labels: list[int]
    places: list[tuple[FiniteFloat, FiniteFloat]]
    embedding: bool


def kept_features(path: Path, mark: str, seed: int, labels: list[int]) -> Features | None:
    """What was laid out before of the same run, seed and test pixels; None if `path` does not hold it."""
    try:
        kept = _Kept.model_validate(read_json(path))
    except ValidationError:
        return None
    if (kept.mark, kept.seed, kept.labels, len(kept.places)) != (mark, seed, labels, len(labels)):
        return None
    return Features(np.array(kept.places), tuple(labels), kept.embedding)


def lay_out(
    fold: Fold, runs: Mapping[str, RunResult], seed: int, progress: Progress | None = None
) -> dict[str, Features]:
    """Every model's features of the same test pixels, at most `MAX_PIXELS`, as many of each class as can be.

    Features are those of the branch that maps, before its classifier; a model that has none (a linear one)
    shows its class scores. What was laid out before is kept beside the run.

    Returns:
        By the names of `runs`; empty where there are too few test pixels to lay out.
    """
    pixels = _sample([(member, member.labels("test")) for member in fold.judged], seed)
    if sum(len(chosen) for _, chosen in pixels) < _MIN_PIXELS:
        return {}
    found = {}
    for k, (name, run) in enumerate(runs.items()):
        if progress is not None:
            progress(k, len(runs), f"features of {name}")
        found[name] = _of(run, pixels, seed)
    return found


def _sample(pixels: Sequence[_Pixels], seed: int) -> list[_Pixels]:
    rng = np.random.default_rng(seed)
    label = np.concatenate([own.label for _, own in pixels])
    ids = np.unique(label)
    share = MAX_PIXELS // max(1, len(ids))
    chosen = [rng.permutation(np.flatnonzero(label == one))[:share] for one in ids]
    taken = np.zeros(len(label), bool)
    taken[np.concatenate([np.empty(0, np.int64), *chosen])] = True
    parts = np.split(taken, np.cumsum([len(own) for _, own in pixels])[:-1])
    return [
        (member, LabelledPixels(own.position[part], own.label[part]))
        for (member, own), part in zip(pixels, parts, strict=True)
    ]


def _of(run: RunResult, pixels: Sequence[_Pixels], seed: int) -> Features:
    path, mark = run.folder / _FILE, run.metrics["mark"]
    labels = [label for _, own in pixels for label in own.label.tolist()]
    found = kept_features(path, mark, seed, labels)
    if found is None:
        found = _laid_out(run, pixels, tuple(labels), seed)
        kept = _Kept(
            mark=mark, seed=seed, labels=labels, places=found.places.tolist(), embedding=found.embedding
        )
        write_text(path, json.dumps(kept.model_dump()) + "\n")
    return found


def _laid_out(run: RunResult, pixels: Sequence[_Pixels], labels: tuple[int, ...], seed: int) -> Features:
    from sklearn.manifold import TSNE  # slow to import

    trained = bundle.load(run.folder)
    features = np.concatenate(
        [_features(trained, member.reader(member.target), own.position) for member, own in pixels if len(own)]
    )
    perplexity = min(30.0, (len(features) - 1) / 3)
    init = "pca" if features.shape[1] > 1 else "random"
    places = TSNE(perplexity=perplexity, init=init, random_state=seed % 2**32).fit_transform(features)
    return Features(
        np.round(places, 2).astype(np.float64),
        labels,
        isinstance(trained.model.network, Branch),
    )


def _features(trained: bundle.Bundle, reader: WindowReader, position: IntArray) -> FloatArray:
    """(n, features) of pixels; of a network that maps in tiles the logarithms of class probabilities."""
    if trained.model.tiling is None:
        return described(trained.model, read_patches(reader, position, trained.model.margin))
    classifier = Classifier(trained)
    found = np.empty((len(position), classifier.classes), np.float32)
    for window, members in blocks_with(position, _BLOCK):
        rows, cols = (position[members] - (window.row, window.col)).T
        where = np.zeros((window.height, window.width), bool)
        where[rows, cols] = True
        values = read_seen(classifier, reader, window)
        found[members] = classifier.probabilities(values, where, window)[:, rows, cols].T
    logarithms: FloatArray = np.log(found.clip(_MIN))
    return logarithms


@torch.no_grad()
def described(model: PixelModel, patches: FloatArray) -> FloatArray:
    """(n, features) of (n, band, 2m + 1, 2m + 1) raw patches: the branch's embedding, or class scores."""
    model.eval()
    parts = []
    for start in range(0, len(patches), _CHUNK):
        x = model.standardize(torch.from_numpy(patches[start : start + _CHUNK]))
        network = model.network
        y = network.encode(network.prepare(x)) if isinstance(network, Branch) else network(x)
        parts.append(y.flatten(1).numpy())
    return cast(FloatArray, np.concatenate(parts))
