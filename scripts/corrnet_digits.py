"""CorrNet as its authors trained it, on left and right halves of scikit-learn's digits: a Markdown table.

python scripts/corrnet_digits.py [SEEDS]
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.datasets import load_digits

from geo_xmodal.correlation import TwoViewResult, corrnet_benchmark

VARIANTS = {
    "lambda 2, tied (the authors')": {},
    "lambda 0, tied": {"weight": 0.0},
    "lambda 2, untied": {"tied": False},
    "lambda 0, untied": {"tied": False, "weight": 0.0},
}


def run(seed: int, **options: float | bool) -> TwoViewResult:
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.images))
    left, right = (half[order].reshape(-1, 32) / 16 for half in np.split(digits.images, 2, axis=2))
    count = round(0.7 * len(order))
    return corrnet_benchmark(
        (left[:count], right[:count]),
        (left[count:], right[count:]),
        digits.target[order][count:],
        seed=seed,
        **options,
    )


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("| | sum of 50 correlations | left to right | right to left |\n|---|---|---|---|")
    for name, options in VARIANTS.items():
        results = [run(seed, **options) for seed in range(seeds)]
        columns = np.array(
            [[r.total_correlation, 100 * r.transfer_to_y, 100 * r.transfer_to_x] for r in results]
        )
        cells = zip(columns.mean(axis=0), columns.std(axis=0, ddof=1), strict=True)
        print(f"| {name} | " + " | ".join(f"{mean:.1f} ± {sd:.1f}" for mean, sd in cells) + " |")


if __name__ == "__main__":
    main()
