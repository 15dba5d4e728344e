"""The two-view benchmark of the literature: what do features learned with each objective share?

Two views of the same samples (left and right halves of digits; text and sound; image and sketch) are encoded
by networks trained with one objective. On samples kept apart, three questions are asked: how much correlation
did the features capture, does a classifier that saw only one view work on the other, and is the other view of
a sample found among all?
"""

from __future__ import annotations

import dataclasses
import importlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from geo_xmodal.correlation.corrnet_reference import fit_corrnet
from geo_xmodal.correlation.features import FeatureError
from geo_xmodal.correlation.held_out import IntArray, correlation, group_ids, score_sums
from geo_xmodal.correlation.linear_cca import FloatArray, FunctionPair, fit_cca, standardiser
from geo_xmodal.correlation.neural import Schedule, fit_neural
from geo_xmodal.correlation.registry import OBJECTIVES, objective
from geo_xmodal.correlation.retrieval import chance_recall, recall_at, repeated
from geo_xmodal.errors import UsageError

LINEAR, UNTRAINED, BROKEN = CONTROLS = ("linear_cca", "untrained", "broken_pairing")
"""CCA on raw views; CCA on networks with random weights; Soft-HGR on training pairs that were shuffled."""

SCHEDULE = Schedule(hidden=128, batch=256, learning_rate=1e-3)
"""How encoders of the benchmark are trained, with every objective alike."""

MIN_TRAINING = 10
"""Training rows for which CCA has anything to go by."""


@dataclass(frozen=True)
class TwoViewResult:
    """What features learned with one objective share, on samples kept apart; shares are fractions 0 to 1.

    Attributes:
        objective: its name, or that of a control in `CONTROLS`; "corrnet_reference" is `corrnet_benchmark`,
            which measures otherwise.
        total_correlation: sum of the held-out correlations of the canonical variates; at most `components`.
        spectrum: each of them.
        transfer_to_y: accuracy on view y of a classifier trained on view x; None without labels.
        transfer_to_x: accuracy on view x of a classifier trained on view y.
        own_x: accuracy on view x of a classifier trained on view x; None where it is not asked.
        own_y: accuracy on view y of a classifier trained on view y.
        recall_to_y: by rank k, the share of test samples whose y is among the k that are most similar to x.
        recall_to_x: the same from y to x.
        seconds: training time.
    """

    objective: str
    total_correlation: float
    spectrum: tuple[float, ...]
    transfer_to_y: float | None
    transfer_to_x: float | None
    own_x: float | None
    own_y: float | None
    recall_to_y: Mapping[int, float]
    recall_to_x: Mapping[int, float]
    seconds: float


@dataclass(frozen=True)
class Split:
    """Rows of two views that train, and rows that test.

    Attributes:
        test: (n,) mask.
        majority: share of the largest class among labelled test rows; None without labels.
        chance_to_y: `TwoViewResult.recall_to_y` of test rows in random order.
        chance_to_x: the same from y to x.
    """

    test: npt.NDArray[np.bool_]
    majority: float | None
    chance_to_y: Mapping[int, float]
    chance_to_x: Mapping[int, float]


class TwoViews:
    """Two views of the same samples, and their classes.

    Args:
        x: (n, dx) first view.
        y: (n, dy) second view, paired with x.
        labels: (n,) class ids, negative where unknown; None without.

    Raises:
        FeatureError: Arrays that do not pair up.
    """

    def __init__(self, x: npt.ArrayLike, y: npt.ArrayLike, labels: npt.ArrayLike | None) -> None:
        self.x, self.y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        self.labels = None if labels is None else np.asarray(labels, np.int64)
        shapes = [self.x.shape, self.y.shape, *(() if self.labels is None else (self.labels.shape,))]
        if self.x.ndim != 2 or self.y.ndim != 2 or len({shape[0] for shape in shapes}) > 1:
            raise FeatureError(
                f"views and labels must be paired row by row, got {' and '.join(map(str, shapes))}"
            )
        self.ids = repeated(self.x), repeated(self.y)

    def split(
        self, test: npt.ArrayLike | None = None, *, share: float, groups: npt.ArrayLike | None, seed: int
    ) -> Split:
        """Divide the rows.

        Args:
            test: (n,) mask of the rows that test; None draws them.
            share: of the rows that are drawn.
            groups: (n,) ids of rows that stay together; None keeps those together that repeat a view, as
                the same image with several captions does.
            seed: of the draw.

        Raises:
            FeatureError: Too few rows train or test.
        """
        n = len(self.x)
        if test is None:
            mask = self._drawn(share, groups, seed)
        else:
            mask = np.asarray(test, bool)
            if mask.shape != (n,):
                raise FeatureError(f"test must hold one value for each of {n} rows, got shape {mask.shape}")
        if (~mask).sum() < MIN_TRAINING or mask.sum() < 2:
            raise FeatureError(
                f"{(~mask).sum()} rows train and {mask.sum()} test, expected {MIN_TRAINING} and 2 at least; "
                "rows of one group, and rows that repeat a view of others, stay together: give more rows, or "
                "say which test"
            )
        ids = self._numbers(mask)
        return Split(mask, self._majority(mask), chance_recall(*ids), chance_recall(*ids[::-1]))

    def _majority(self, mask: npt.NDArray[np.bool_]) -> float | None:
        """Share of the largest class among labelled rows."""
        classes = np.empty(0) if self.labels is None else self.labels[mask & (self.labels >= 0)]
        if not len(classes):
            return None
        return float(np.unique(classes, return_counts=True)[1].max() / len(classes))

    def _drawn(self, share: float, groups: npt.ArrayLike | None, seed: int) -> npt.NDArray[np.bool_]:
        n = len(self.x)
        together = self._repeating() if groups is None else group_ids(groups, n, 2)
        assert together is not None
        rows = np.bincount(together)
        wanted, chosen = round(share * n), np.zeros(len(rows), dtype=bool)
        for group in np.random.default_rng(seed).permutation(len(rows)):
            if rows[group] <= wanted:
                chosen[group] = True
                wanted -= rows[group]
        mask: npt.NDArray[np.bool_] = chosen[together]
        return mask

    def _repeating(self) -> IntArray:
        """(n,) group ids: rows that have an x or a y in common, over as many steps as it takes."""
        n = len(self.x)
        nodes = [n, *(int(ids.max()) + 1 for ids in self.ids)]
        ends = np.concatenate([nodes[0] + self.ids[0], nodes[0] + nodes[1] + self.ids[1]])
        edges = scipy.sparse.coo_array(
            (np.ones(2 * n), (np.tile(np.arange(n), 2), ends)), shape=(sum(nodes), sum(nodes))
        )
        found = scipy.sparse.csgraph.connected_components(edges, directed=False)[1][:n]
        return np.unique(found, return_inverse=True)[1].astype(np.int64)

    def _numbers(self, mask: npt.NDArray[np.bool_]) -> tuple[IntArray, IntArray]:
        """Numbers of the distinct views among chosen rows."""
        first, second = (np.unique(ids[mask], return_inverse=True)[1].astype(np.int64) for ids in self.ids)
        return first, second

    def measure(
        self, name: str, split: Split, components: int, schedule: Schedule, seed: int
    ) -> TwoViewResult:
        """Fit functions by an objective or a control on the training rows, and measure them on the others.

        Args:
            name: one of `OBJECTIVES` or `CONTROLS`.
            split: of the rows.
            components: how many features a view.
            schedule: how to train.
            seed: of initial weights and batches.

        Raises:
            UsageError: An unknown objective.
        """
        train, test = ~split.test, split.test
        start = time.perf_counter()
        fitted = self._fit(name, train, components, schedule, seed)
        seconds = time.perf_counter() - start
        f, g = (
            standardiser(function(z[train]))(function(z))
            for function, z in ((fitted.f, self.x), (fitted.g, self.y))
        )
        spectrum = correlation(score_sums(f[test], g[test]).sum(axis=0))
        ids = self._numbers(test)

        def told(seen: FloatArray, asked: FloatArray) -> float | None:
            return self._accuracy(seen, asked, split)

        return TwoViewResult(
            objective=name,
            total_correlation=float(spectrum.sum()),
            spectrum=tuple(spectrum.tolist()),
            transfer_to_y=told(f, g),
            transfer_to_x=told(g, f),
            own_x=told(f, f),
            own_y=told(g, g),
            recall_to_y=recall_at(f[test], g[test], *ids),
            recall_to_x=recall_at(g[test], f[test], *ids[::-1]),
            seconds=seconds,
        )

    def _fit(
        self, name: str, train: npt.NDArray[np.bool_], components: int, schedule: Schedule, seed: int
    ) -> FunctionPair:
        x, y = self.x[train], self.y[train]
        if name == LINEAR:
            return fit_cca(x, y, components)
        labels = None if self.labels is None else self.labels[train]
        if name == UNTRAINED:
            schedule = dataclasses.replace(schedule, epochs=0)
        elif name == BROKEN:
            y = y[np.random.default_rng(seed).permutation(len(y))]
        chosen = objective("soft_hgr" if name in CONTROLS else name)
        return fit_neural(
            x, y, components, objective=chosen, labels=labels, width=components, schedule=schedule, seed=seed
        )

    def _accuracy(self, seen: FloatArray, asked: FloatArray, split: Split) -> float | None:
        """Of a classifier that learns from training rows of one view, on test rows of another."""
        if self.labels is None or split.majority is None:
            return None
        known = self.labels >= 0
        train, test = known & ~split.test, known & split.test
        if not train.any():
            return None
        predicted = _classify(seen[train], self.labels[train], asked[test])
        return float((predicted == self.labels[test]).mean())


def two_view_benchmark(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    *,
    objectives: Sequence[str] = (),
    components: int = 10,
    test_share: float = 0.3,
    schedule: Schedule = SCHEDULE,
    seed: int = 0,
) -> tuple[TwoViewResult, ...]:
    """Train encoders with each objective and compare what they share.

    Features are compared through CCA fitted on the training samples, for every objective alike: Soft-HGR
    learns f and g only up to f -> A f, g -> A^{-T} g, so that without it a classifier could not move across.

    Source: the protocol (total correlation, transfer learning) of Chandar et al. (Neural Computation 2016);
    recall at ranks 1, 5, 10 as is usual in text-image retrieval.

    Args:
        x: (n, dx) first view.
        y: (n, dy) second view, paired with x.
        labels: (n,) class ids, negative where unknown; without them nothing is classified.
        objectives: names from `OBJECTIVES`; by default all that can be asked without more than is given.
        components: how many features a view.
        test_share: share of the samples that are kept apart; rows that repeat a view stay together.
        schedule: how to train.
        seed: of the split, initial weights and batches.

    Returns:
        One result per control, then one per objective.

    Raises:
        FeatureError: arrays that do not pair up.
        UsageError: an unknown objective.
    """
    views = TwoViews(x, y, labels)
    names = (*CONTROLS, *named_objectives(objectives, labelled=labels is not None))
    split = views.split(share=test_share, groups=None, seed=seed)
    return tuple(views.measure(name, split, components, schedule, seed) for name in names)


def named_objectives(names: Sequence[str], *, labelled: bool) -> tuple[str, ...]:
    """The objectives of these names, or all that can be asked.

    Args:
        names: from `OBJECTIVES`; empty for all.
        labelled: whether there are labels, without which some objectives cannot be asked.

    Raises:
        UsageError: One is unknown, or needs labels and there are none.
    """
    found = {name: objective(name) for name in names or OBJECTIVES}
    if labelled:
        return tuple(found)
    unlabelled = tuple(name for name, one in found.items() if not one.needs_labels)
    if names and len(unlabelled) < len(names):
        missing = ", ".join(name for name in names if name not in unlabelled)
        raise UsageError(f"objective {missing} needs labels, and there are none")
    return unlabelled


def corrnet_benchmark(
    training: tuple[npt.ArrayLike, npt.ArrayLike],
    test: tuple[npt.ArrayLike, npt.ArrayLike],
    labels: npt.ArrayLike,
    *,
    folds: int = 5,
    **options: Any,
) -> TwoViewResult:
    """CorrNet in the protocol of its authors, for comparison with their figures.

    Trained without labels. On the test samples: the correlations of the codes' units themselves, summed; and,
    over consecutive folds, the accuracy of a linear SVM that learns from the codes of one view and is asked
    about those of the other.

    Source: Chandar et al. (Neural Computation 2016) and the authors' code. They give for halves of MNIST
    digits: sum of correlations 42.57, transfer 77.05 % (left to right) and 78.81 % (right to left).

    Args:
        training: (n, dx) and (n, dy) paired views in 0..1.
        test: (m, dx) and (m, dy) paired views in 0..1.
        labels: (m,) class ids of the test samples.
        folds: parts that the test samples are cut into.
        options: of `fit_corrnet`.

    Returns:
        The figures, under the name `corrnet_reference`.

    Raises:
        FeatureError: values outside 0..1, or labels that do not pair up.
    """
    start = time.perf_counter()
    left, right = (np.asarray(view, np.float64) for view in training)
    fitted = fit_corrnet(left, right, **options)
    seconds = time.perf_counter() - start
    f, g = (
        function(np.asarray(view, np.float64))
        for function, view in zip((fitted.f, fitted.g), test, strict=True)
    )
    classes = np.asarray(labels, np.int64)
    if not len(f) == len(g) == len(classes):
        raise FeatureError(
            f"test views and labels must be paired, got {len(f)}, {len(g)}, {len(classes)} rows"
        )
    spectrum = correlation(score_sums(f, g).sum(axis=0))
    parts = np.array_split(np.arange(len(classes)), folds)
    to_y, to_x = (
        float(np.mean([_transferred(seen, asked, classes, part) for part in parts]))
        for seen, asked in ((f, g), (g, f))
    )
    views = repeated(np.asarray(test[0], np.float64)), repeated(np.asarray(test[1], np.float64))
    centred = f - f.mean(axis=0), g - g.mean(axis=0)
    return TwoViewResult(
        objective="corrnet_reference",
        total_correlation=float(spectrum.sum()),
        spectrum=tuple(spectrum.tolist()),
        transfer_to_y=to_y,
        transfer_to_x=to_x,
        own_x=None,
        own_y=None,
        recall_to_y=recall_at(*centred, *views),
        recall_to_x=recall_at(*centred[::-1], *views[::-1]),
        seconds=seconds,
    )


def _transferred(seen: FloatArray, asked: FloatArray, labels: IntArray, part: IntArray) -> float:
    """Accuracy on `part` of the one view after learning from the rest of the other."""
    rest = np.delete(np.arange(len(labels)), part)
    # scikit-learn is slow to import, and only this needs it
    solver = importlib.import_module("sklearn.svm").LinearSVC(random_state=0)
    predicted = solver.fit(seen[rest], labels[rest]).predict(asked[part])
    return float((predicted == labels[part]).mean())


def _classify(train: FloatArray, labels: IntArray, test: FloatArray) -> IntArray:
    """Linear discriminant analysis with a shared covariance and equal priors."""
    ids, index = np.unique(labels, return_inverse=True)
    means = np.stack([train[index == k].mean(axis=0) for k in range(len(ids))])
    within = train - means[index]
    precision = np.linalg.inv(within.T @ within / len(train) + 1e-3 * np.eye(train.shape[1]))
    weights = means @ precision
    scores = test @ weights.T - 0.5 * (weights * means).sum(axis=1)
    predicted: IntArray = ids[scores.argmax(axis=1)]
    return predicted
