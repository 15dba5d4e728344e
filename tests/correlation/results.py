"""Prints what is known and what is measured, as Markdown: `python -m tests.correlation.results`."""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.datasets import load_digits

from geo_xmodal.correlation import OBJECTIVES, estimate_correlation, exact_hgr, two_view_benchmark
from tests.correlation.known_answers import KNOWN_ANSWERS, KnownAnswer
from tests.correlation.optima import COUNTS, OPTIMA, best_tables


def table(title: str, header: str, rows: list[list[str]]) -> str:
    names = header.split(" | ")
    lines = [" | ".join(names), " | ".join("---" for _ in names), *(" | ".join(row) for row in rows)]
    return f"\n## {title}\n\n" + "\n".join(f"| {line} |" for line in lines)


def numbers(values: object, digits: int = 4) -> str:
    return ", ".join(f"{v:.{digits}f}" for v in values)  # type: ignore[attr-defined]


def drawn(case: KnownAnswer, n: int) -> tuple[np.ndarray, np.ndarray]:
    joint = case.joint()
    cells = np.random.default_rng(0).choice(joint.size, n, p=joint.ravel() / joint.sum())
    return tuple(index.astype(float) for index in np.unravel_index(cells, joint.shape))


def exact_rows() -> list[list[str]]:
    rows = []
    for case in KNOWN_ANSWERS:
        computed = exact_hgr(case.joint()).spectrum[: len(case.spectrum)]
        error = np.abs(computed - case.spectrum).max()
        shown = min(len(case.spectrum), 4)
        rows.append(
            [
                case.name,
                case.source,
                numbers(case.spectrum[:shown]),
                numbers(computed[:shown]),
                f"{error:.1e}",
            ]
        )
    return rows


def sample_rows(n: int) -> list[list[str]]:
    rows = []
    for case in KNOWN_ANSWERS:
        x, y = drawn(case, n)
        row = [case.name, f"{case.spectrum[0]:.3f}"]
        for method in ("cca", "ace", "neural"):
            e = estimate_correlation(x, y, method, components=1, folds=3)
            row.append(f"{e.estimate:.3f} [{e.interval[0]:.3f}, {e.interval[1]:.3f}], p {e.p_value:.3f}")
        rows.append(row)
    return rows


def noise_rows() -> list[list[str]]:
    rows = []
    x, e = np.random.default_rng(0).standard_normal((2, 2000))
    for columns in (0, 16, 64, 127, 255):
        wide = np.column_stack([x, np.random.default_rng(1).standard_normal((2000, columns))])
        found = [
            estimate_correlation(wide, y, "ace", components=1, permutations=1).estimate
            for y in (0.8 * x + 0.6 * e, x**2 + 0.3 * e)
        ]
        rows.append([str(columns), *(f"{value:.3f}" for value in found)])
    return rows


def optimum_rows() -> list[list[str]]:
    spectrum = exact_hgr(COUNTS).spectrum[:3]
    rows = []
    for case in OPTIMA:
        reached = best_tables(case, components=3)
        rows.append(
            [
                case.name,
                case.formula,
                f"{case.optimum(spectrum):.8f}",
                f"{reached.value:.8f}",
                numbers(reached.recovered),
                "all" if case.recovers else "first",
            ]
        )
    return rows


def two_view_rows(seeds: int) -> list[list[str]]:
    digits = load_digits()
    left, right = (digits.images[:, :, part].reshape(-1, 32) for part in (slice(4), slice(4, 8)))
    runs = [two_view_benchmark(left, right, digits.target, seed=seed) for seed in range(seeds)]
    rows = []
    for results in zip(*runs, strict=True):
        columns = np.array(
            [[r.total_correlation, r.transfer_to_y, r.transfer_to_x, r.seconds] for r in results]
        )
        mean, deviation = columns.mean(axis=0), columns.std(axis=0, ddof=1) if seeds > 1 else 0 * columns[0]
        rows.append(
            [
                results[0].objective,
                *(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean[:3], deviation[:3], strict=True)),
                f"{mean[3]:.1f}",
            ]
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print(table("Objectives", "name | what it is", [[f"`{k}`", v] for k, v in OBJECTIVES.items()]))
    print(table("Exact maximal correlation", "case | source | known | computed | error", exact_rows()))
    spectrum = numbers(exact_hgr(COUNTS).spectrum[:3])
    print(
        table(
            f"Maximum of each objective over all functions (5 x 6 table, K = 3, s = {spectrum})",
            "objective | theory | value | reached | correlations recovered by CCA | recovers",
            optimum_rows(),
        )
    )
    n = arguments.samples
    print(table(f"Held-out estimates from {n} samples", "case | known | cca | ace | neural", sample_rows(n)))
    print(table("Columns of noise", "columns of noise | 0.8 x + 0.6 e | x² + 0.3 e", noise_rows()))
    print(
        table(
            f"Two views: halves of digits, 10 features, {arguments.seeds} seeds",
            "objective | total correlation | left to right | right to left | seconds",
            two_view_rows(arguments.seeds),
        )
    )


if __name__ == "__main__":
    main()
