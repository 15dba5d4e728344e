"""Times the correlation objectives, as ratios in one run: the machine's speed and load cancel.

    python -m tests.benchmarks.bench_correlation ratios    # cosine, matrix products, naive, deep_cca, cca-zoo
    python -m tests.benchmarks.bench_correlation study     # every objective over batch sizes (random tensors)
    python -m tests.benchmarks.bench_correlation compiled  # plain and under torch.compile

Candidates take turns, and the best of several rounds counts. A time is value and gradient together.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from geo_xmodal.correlation.timing import keep_freed_memory, measure
from tests.benchmarks.bench_correlation_candidates import compiled_steps, ratio_steps, study_steps
from tests.benchmarks.bench_correlation_tables import Row, compiled_table, plot, ratio_tables, study_table

KINDS = {
    "ratios": (ratio_steps, ratio_tables, [64, 256, 1024, 4096, 8192], [16, 64, 256, 512, 1024, 2048]),
    "study": (study_steps, study_table, [64, 128, 256, 512, 1024, 2048, 4096], [256]),
    "compiled": (compiled_steps, compiled_table, [64, 1024], [64, 512]),
}


def measured(arguments: argparse.Namespace) -> list[Row]:
    """A row a size. What took longer than the limit is not tried at larger sizes."""
    device = torch.device(arguments.device)
    steps_of, _, rows, columns = KINDS[arguments.what]
    done: list[Row] = []
    slow: list[tuple[str, int, int]] = []
    for k in arguments.columns or columns:
        for m in arguments.rows or rows:
            print(f"m = {m}, K = {k}", file=sys.stderr)
            too_slow = {name for name, least_m, least_k in slow if m >= least_m and k >= least_k}
            steps = {name: s for name, s in steps_of(m, k, device).items() if name not in too_slow}
            costs = measure(steps, arguments.rounds, device, arguments.budget)
            slow += [(name, m, k) for name, cost in costs.items() if cost.seconds > arguments.limit]
            ms = {name: 1e3 * cost.seconds for name, cost in costs.items()}
            done.append(Row(m, k, ms, {name: cost.peak / 2**20 for name, cost in costs.items()}))
            if arguments.json:
                arguments.json.write_text(json.dumps([row._asdict() for row in done], indent=1))
    return done


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    def sizes(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=list(KINDS))
    parser.add_argument("--rows", type=sizes, metavar="64,256,...", help="batch sizes m")
    parser.add_argument("--columns", type=sizes, metavar="16,64,...", help="feature dimensions K")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--budget", type=float, default=2.0, help="seconds that rounds of one candidate take")
    parser.add_argument("--limit", type=float, default=10.0, help="slower ones are not tried at larger sizes")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write milliseconds and megabytes here, size by size")
    parser.add_argument("--plot", type=Path, help="draw the study here")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parse(argv)
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    rows = measured(arguments)
    print(KINDS[arguments.what][1](rows))
    if arguments.plot:
        plot(rows, arguments.plot)


if __name__ == "__main__":
    main()
