"""What objectives are worth on two arrays: transfer from view to view, and retrieval, held out, by seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from geo_xmodal.correlation.retrieval import RANKS
from geo_xmodal.correlation.two_view import (
    CONTROLS,
    SCHEDULE,
    Split,
    TwoViewResult,
    TwoViews,
    named_objectives,
)
from geo_xmodal.dependence.arrays import read_column, read_pairs
from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option
from geo_xmodal.types import Progress

_ACCURACIES = ("transfer_to_y", "transfer_to_x", "own_x", "own_y")

TWO_VIEWS_READING = (
    "All figures are of rows that took no part in training. Accuracies are of linear discriminant analysis "
    "on the features of one view, asked about the other; recall is the share of rows whose other view is "
    "among the k of largest cosine similarity. Networks and schedule are the same for every objective, and "
    "tuned for none. Differences within the standard deviations order nothing. deep_lda learns with the "
    "labels of the training rows, the others without."
)

COMPONENTS = 10
"""Default features of a view."""

Spread = Mapping[str, float | None]
"""Mean and standard deviation over seeds; the latter None of one seed."""


@dataclass(frozen=True)
class TwoViewStudy:
    """Objectives side by side on two views of the same samples.

    Attributes:
        first: name of view x.
        second: name of view y.
        runs: by seed, the controls and then the objectives.
        splits: of the seeds.
        data: what was compared: rows, split, schedule; plain values.
        file_name: of its files in a folder, without their endings.
        controls: names of controls among the results.
        ranks: k at which there is a recall.
    """

    file_name: ClassVar[str] = "two_views"
    controls: ClassVar[tuple[str, ...]] = CONTROLS
    ranks: ClassVar[tuple[int, ...]] = RANKS

    first: str
    second: str
    runs: Mapping[int, tuple[TwoViewResult, ...]]
    splits: Mapping[int, Split]
    data: Mapping[str, Any]

    @property
    def reading(self) -> str:
        """How the numbers are to be read."""
        return TWO_VIEWS_READING

    @property
    def names(self) -> tuple[str, ...]:
        """Of controls and objectives."""
        return tuple(result.objective for result in next(iter(self.runs.values())))

    def spread(self, name: str, measure: str) -> Spread:
        """Mean and standard deviation over seeds of a measure of `TwoViewResult`."""
        return _spread([getattr(one, measure) for one in self._of(name)])

    def recall(self, name: str, towards: str, rank: int) -> Spread:
        """The same of the recall at a rank, towards `y` or `x`."""
        return _spread([getattr(one, f"recall_to_{towards}")[rank] for one in self._of(name)])

    def chance(self, measure: str, rank: int | None = None) -> float | None:
        """What guessing gives, mean over seeds: `majority`, or `chance_to_y` and `chance_to_x` at a rank."""
        found = [getattr(split, measure) for split in self.splits.values()]
        return _spread(found if rank is None else [one[rank] for one in found])["mean"]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "between": [self.first, self.second],
            "objectives": {name: self._summary(name) for name in self.names},
            "controls": list(CONTROLS),
            "chance": {
                "accuracy": self.chance("majority"),
                "recall_to_y": {str(k): self.chance("chance_to_y", k) for k in RANKS},
                "recall_to_x": {str(k): self.chance("chance_to_x", k) for k in RANKS},
            },
            "runs": [
                {"seed": seed, **dataclasses.asdict(one)}
                for seed, results in self.runs.items()
                for one in results
            ],
            "reading": self.reading,
            "data": dict(self.data),
        }

    def _of(self, name: str) -> list[TwoViewResult]:
        return [one for results in self.runs.values() for one in results if one.objective == name]

    def _summary(self, name: str) -> dict[str, Any]:
        spreads = {key: self.spread(name, key) for key in ("total_correlation", *_ACCURACIES, "seconds")}
        recalls = {f"recall_to_{to}": {str(k): self.recall(name, to, k) for k in RANKS} for to in ("y", "x")}
        return {**spreads, **recalls}


def _spread(values: Sequence[float | None]) -> Spread:
    there = [value for value in values if value is not None]
    if not there:
        return {"mean": None, "sd": None}
    return {
        "mean": float(np.mean(there)),
        "sd": float(np.std(there, ddof=1)) if len(there) > 1 else None,
    }


def compare_objectives(
    x: Path | str,
    y: Path | str,
    labels: Path | str | None = None,
    *,
    blocks: Path | str | None = None,
    test: Path | str | None = None,
    objectives: Sequence[str] = (),
    components: int | None = None,
    epochs: int = SCHEDULE.epochs,
    test_share: float = 0.3,
    samples: int = 20_000,
    seeds: int = 3,
    seed: int = 0,
    progress: Progress | None = None,
) -> TwoViewStudy:
    """Train networks on two views with each objective, and say what their features share, held out.

    The features of both views are brought together by CCA of the training rows. On the other rows a linear
    classifier of one view is asked about the other, and each view is looked for among all by the other.
    Controls are CCA without networks, networks with random weights, and Soft-HGR on training pairs that were
    shuffled; features of the last should reach chance.

    Source: Chandar et al. (Neural Computation 2016) for total correlation and transfer; the other experiments
    of the supplement of ICLR 2026 submission 20073 (halves of digits, text and image) are data for it.

    Args:
        x: .npy file of (n, dx) floats.
        y: .npy file of (n, dy) floats, row by row of the same samples.
        labels: .npy file of n integers, class ids, negative where unknown; None asks for no accuracies.
        blocks: .npy file of n integers; rows of one block are alike and stay on one side of the split.
        test: .npy file of n integers or booleans: rows that are not 0 test, the same for every seed. None
            draws `test_share` of the rows for each seed; without `blocks`, rows that repeat a view stay
            together.
        objectives: names from `geo_xmodal.correlation.OBJECTIVES`; empty for all.
        components: features of a view; None is `COMPONENTS`, or as many as the narrower view has columns.
        epochs: passes over the training rows at most; a fifth of them says when to stop.
        test_share: share of the rows that test.
        samples: most rows, drawn at random.
        seeds: how many seeds, from `seed` on: of the split, initial weights and batches.
        seed: the first one.
        progress: told of each objective.

    Raises:
        UsageError: A file that is no .npy file of such numbers, an unknown objective, or one that needs
            labels.
        FeatureError: Too few rows train or test.
    """
    first, second = Path(x), Path(y)
    names = (*CONTROLS, *named_objectives(tuple(objectives), labelled=labels is not None))
    pairs = read_pairs(first, second, None if blocks is None else Path(blocks), samples, seed)
    classes = None
    if labels is not None:
        classes = np.asarray(read_column(Path(labels), pairs.rows, "class id")[pairs.kept], np.int64)
        if (found := len(np.unique(classes[classes >= 0]))) < 2:
            raise UsageError(
                f"{labels}: expected ids of two classes or more, 0 and up, found {found}; "
                f"leave {option('labels')} out to ask for retrieval alone"
            )
    tested = None
    if test is not None:
        tested = np.asarray(read_column(Path(test), pairs.rows, "mark of a test row")[pairs.kept]) != 0
    width = min(pairs.x.shape[1], pairs.y.shape[1])
    components = min(COMPONENTS, width) if components is None else components
    if components > width:
        raise UsageError(
            f"{option('components', components)}: the narrower of {first.name} and {second.name} has {width} "
            f"columns; ask for {width} features at most"
        )
    views = TwoViews(pairs.x, pairs.y, classes)
    schedule = dataclasses.replace(SCHEDULE, epochs=epochs)
    runs: dict[int, tuple[TwoViewResult, ...]] = {}
    splits: dict[int, Split] = {}
    for done, one in enumerate(range(seed, seed + seeds)):
        splits[one] = views.split(tested, share=test_share, groups=pairs.blocks, seed=one)
        results: list[TwoViewResult] = []
        for name in names:
            if progress is not None:
                progress(done * len(names) + len(results), seeds * len(names), f"seed {one}: {name}")
            results.append(views.measure(name, splits[one], components, schedule, one))
        runs[one] = tuple(results)
    counted = next(iter(splits.values())).test
    data = {
        "x": str(x),
        "y": str(y),
        "labels": None if labels is None else str(labels),
        "rows": pairs.rows,
        "dropped_rows": pairs.dropped,
        "samples": len(pairs.x),
        "columns": [pairs.x.shape[1], pairs.y.shape[1]],
        "training_rows": int((~counted).sum()),
        "test_rows": int(counted.sum()),
        "split": _split_text(test, blocks, test_share),
        "components": components,
        "schedule": dataclasses.asdict(schedule),
        "seeds": list(runs),
    }
    return TwoViewStudy(first.name, second.name, runs, splits, data)


def _split_text(test: Path | str | None, blocks: Path | str | None, share: float) -> str:
    if test is not None:
        return f"rows that {Path(test).name} marks, the same for every seed"
    together = "rows that repeat a view" if blocks is None else f"rows of one block of {Path(blocks).name}"
    return f"{100 * share:g} % of the rows, drawn anew for each seed; {together} stay together"
