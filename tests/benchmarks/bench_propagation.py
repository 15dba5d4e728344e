"""Times label propagation on as many samples as the Berlin scene has labelled pixels, and its peak memory.

    python -m tests.benchmarks.bench_propagation [--samples 464671] [--threads 2] [--search auto]

The samples are synthetic: ten latent dimensions seen through tanh in 64, eight classes with the frequencies
of the Berlin test pixels, 352 labels a class. Their accuracy says that the labels came through, and nothing
about a real scene.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import faiss
import numpy as np

from geo_xmodal.propagation import NeighbourGraph, neighbour_graph, propagate
from tests.memory import peak_kib

BERLIN_TEST = np.array([54511, 268219, 19067, 58906, 17095, 13025, 24526, 6502])
CLASSES, LABELS, LATENT = len(BERLIN_TEST), 352, 10
TARGET_SECONDS, TARGET_GB = 75, 2


def samples(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (n, d) of length 1, truth (n,), labels (n,) with -1 unknown."""
    random = np.random.default_rng(seed)
    truth = random.choice(CLASSES, n, p=BERLIN_TEST / BERLIN_TEST.sum())
    latent = random.normal(size=(CLASSES, LATENT), scale=0.8)[truth]
    latent += 0.7 * random.normal(size=(n, LATENT))
    features = (latent @ random.normal(size=(LATENT, d), scale=LATENT**-0.5)).astype(np.float32)
    features += 0.05 * random.standard_normal((n, d), dtype=np.float32)
    np.tanh(features, out=features)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    label = np.full(n, -1)
    for one in range(CLASSES):
        members = np.flatnonzero(truth == one)
        label[random.choice(members, min(LABELS, len(members) // 2), replace=False)] = one
    return features, truth, label


def joined_share(graph: NeighbourGraph, features: np.ndarray, k: int) -> float:
    """Share of the true `k` nearest neighbours that are joined, over 300 samples."""
    index = faiss.IndexFlatL2(features.shape[1])
    index.add(features)
    asked = np.random.default_rng(0).choice(len(features), min(300, len(features)), replace=False)
    _, nearest = index.search(features[asked], k + 1)
    hits = [
        np.isin(graph.node[near[near != one][:k]], graph.weights[[graph.node[one]]].indices).mean()
        for one, near in zip(asked, nearest, strict=True)
    ]
    return float(np.mean(hits))


@contextmanager
def timed(part: str) -> Iterator[None]:
    start, processor = time.perf_counter(), time.process_time()
    yield
    wall, processor = time.perf_counter() - start, time.process_time() - processor
    print(f"{part}: {wall:.1f} s, {processor:.1f} s of processor")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, default=int(BERLIN_TEST.sum()) + 2820)
    parser.add_argument("--dimensions", type=int, default=64)
    parser.add_argument("--k", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--search", choices=["auto", "exact", "approximate"], default="auto")
    arguments = parser.parse_args(argv)
    faiss.omp_set_num_threads(arguments.threads)
    features, truth, label = samples(arguments.samples, arguments.dimensions)
    with timed(f"together (target {TARGET_SECONDS} s)"):
        with timed("graph"):
            graph = neighbour_graph(features, arguments.k, search=arguments.search)
        with timed("propagate"):
            result = propagate(graph, label, CLASSES)
    print(f"peak memory of the process (target {TARGET_GB} GB): {peak_kib() * 1024 / 1e9:.2f} GB")
    free = label < 0
    right = result.soft.argmax(axis=1) == truth
    recalls = [right[free & (truth == one)].mean() for one in range(CLASSES)]
    print(
        f"{arguments.samples} samples, {graph.weights.nnz / 2:.3g} pairs joined, "
        f"{joined_share(graph, features, arguments.k):.3f} of the true neighbours among them; "
        f"{result.iterations} iterations, {result.reached.mean():.4f} reached, "
        f"OA {right[free].mean():.3f}, AA {np.mean(recalls):.3f}"
    )


if __name__ == "__main__":
    main()
