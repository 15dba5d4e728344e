"""Fuzz by hand: `python -m tests.fuzz --count 100000 --seed 1 [--reader NAME]`."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from tests.fuzz.readers import READERS
from tests.fuzz.server import VERDICTS, mutation, run

_SHOWN = 5


def main() -> int:
    """Print counts per reader as a table; status 1 if anything was neither fine nor refused."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="mutations, over all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--reader", choices=sorted(READERS), action="append", help="may be given several times"
    )
    parser.add_argument("--keep", type=int, help="write mutation number KEEP of --reader to --out, and stop")
    parser.add_argument("--out", type=Path, help="a folder that does not exist yet, for --keep")
    asked = parser.parse_args()
    names = asked.reader or list(READERS)
    if asked.keep is not None:
        asked.out.mkdir(parents=True)
        READERS[names[0]].seed(asked.out)
        mutation(READERS[names[0]], names[0], asked.seed, asked.keep, asked.out)
        return 0
    each = -(-asked.count // len(names))
    width = shutil.get_terminal_size((120, 24)).columns
    print(f"{'reader':18}" + "".join(f"{verdict:>9}" for verdict in VERDICTS) + "  seconds", flush=True)
    sums, bad = dict.fromkeys(VERDICTS, 0), 0
    for name in names:
        began = time.monotonic()
        found = run(name, each, asked.seed)
        row = "".join(f"{found.verdicts[verdict]:9}" for verdict in VERDICTS)
        print(f"{name:18}{row}{time.monotonic() - began:9.0f}", flush=True)
        for number, verdict, said in found.examples[:_SHOWN]:
            print(f"  {verdict} --keep {number}: {said}"[: max(width, 300)], flush=True)
        bad += len(found.examples)
        for verdict in VERDICTS:
            sums[verdict] += found.verdicts[verdict]
    print(f"{'all':18}" + "".join(f"{sums[verdict]:9}" for verdict in VERDICTS), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
