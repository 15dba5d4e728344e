"""How often p <= 0.05 and the interval holds the truth: `python -m tests.correlation.calibration`.

Independent pairs for p-value and interval; dependent ones, whose fitted linear functions have a correlation
that is known in the population, for the interval.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter

from geo_xmodal.correlation import estimate_correlation
from geo_xmodal.correlation.held_out import assign_folds
from geo_xmodal.correlation.linear_cca import fit_cca

Pair = tuple[np.ndarray, np.ndarray, np.ndarray | None]


def rows(seed: int, columns: int, n: int = 200) -> Pair:
    x, y = np.random.default_rng([seed, 1]).standard_normal((2, n, columns))
    return x, y, None


def groups(seed: int, columns: int, count: int = 24) -> Pair:
    """Samples that are alike within groups of unequal size: 0.64 of their variance is the group's."""
    rng = np.random.default_rng([seed, 1])
    ids = np.repeat(np.arange(count), rng.integers(3, 30, count))
    x, y = (
        0.8 * rng.standard_normal((count, columns))[ids] + 0.6 * rng.standard_normal((len(ids), columns))
        for _ in range(2)
    )
    return x, y, ids


def fields(seed: int, columns: int, smooth: float = 2.0, side: int = 60, block: int = 12) -> Pair:
    """Smooth fields in blocks with gaps of 4 pixels between them, 3 of 10 pixels sampled."""
    rng = np.random.default_rng([seed, 1])
    x, y = (
        np.stack(
            [gaussian_filter(rng.standard_normal((side, side)), smooth).ravel() for _ in range(columns)], 1
        )
        for _ in range(2)
    )
    place = np.divmod(np.arange(side * side), side)
    inside = np.all([(at % block >= 2) & (at % block < block - 2) for at in place], axis=0)
    kept = inside & (rng.random(side * side) < 0.3)
    return x[kept], y[kept], (place[0] // block * (side // block) + place[1] // block)[kept]


def dependent(pair: Pair, rho: float) -> Pair:
    x, y, ids = pair
    y = y.copy()
    y[:, 0] = rho * x[:, 0] + np.sqrt(1 - rho**2) * y[:, 0]
    return x, y, ids


CASES = {
    "rows": rows,
    "24 groups": groups,
    "10 groups": partial(groups, count=10),
    "fields, smooth over 2 pixels": fields,
    "fields, smooth over 3 pixels": partial(fields, smooth=3.0),
}


def independent_case(name: str, columns: int, method: str, seed: int) -> tuple[bool, bool]:
    x, y, ids = CASES[name](seed, columns)
    e = estimate_correlation(x, y, method, groups=ids, seed=seed, components=1, permutations=39)
    return e.p_value <= 0.05 + 1e-9, e.interval[0] <= 0 <= e.interval[1]


def dependent_case(name: str, columns: int, rho: float, seed: int) -> bool:
    x, y, ids = dependent(CASES[name](seed, columns), rho)
    low, high = estimate_correlation(
        x, y, "cca", groups=ids, seed=seed, components=1, permutations=1
    ).interval
    fold = assign_folds(np.arange(len(x)) if ids is None else ids, 5, np.random.default_rng(seed))
    true = []
    for k in range(5):
        fitted = fit_cca(x[fold != k], y[fold != k], 1)
        # A linear map is known by its values on the unit vectors.
        f, g = (z(np.eye(columns))[:, 0] - z(np.zeros((1, columns)))[0, 0] for z in (fitted.f, fitted.g))
        true.append(rho * f[0] * g[0] / np.linalg.norm(f) / np.linalg.norm(g))
    return bool(low <= np.mean(true) <= high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    seeds = range(arguments.pairs)
    with ProcessPoolExecutor(arguments.workers) as pool:
        print(
            "| independent | columns a side | method | p <= 0.05 | interval holds 0 |\n|---|---|---|---|---|"
        )
        for name in CASES:
            for columns in (3,) if name[0] in "1f" else (1, 3, 8):
                for method in ("cca", "ace"):
                    case = partial(independent_case, name, columns, method)
                    small, held = np.mean(list(pool.map(case, seeds, chunksize=10)), axis=0)
                    print(f"| {name} | {columns} | {method} | {small:.3f} | {held:.3f} |", flush=True)
        print("\n| dependent | columns a side | rho | interval holds the truth |\n|---|---|---|---|")
        for name, columns, rho in (
            ("rows", 3, 0.15),
            ("rows", 3, 0.3),
            ("rows", 3, 0.6),
            ("24 groups", 3, 0.4),
            ("24 groups", 3, 0.8),
            ("24 groups", 8, 0.6),
        ):
            held = np.mean(list(pool.map(partial(dependent_case, name, columns, rho), seeds, chunksize=10)))
            print(f"| {name} | {columns} | {rho} | {held:.3f} |", flush=True)


if __name__ == "__main__":
    main()
