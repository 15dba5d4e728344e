"""Turn a file of published weights (.pth, .pt) into safetensors, which is all that geo_xmodal reads.

    python scripts/to_safetensors.py FILE.pth OUT.safetensors [--under KEY] [--sha256 LETTERS | --trusted]

Run it where you trust the file: it is unpickled, with torch's `weights_only`, which allows tensors and plain
containers and executes no code of the file. Nested tables become names with dots (`s1_encoder.norm.weight`).
The file's SHA-256 has to begin with the letters that a name such as `dofa_base_patch16_224-a0275954.pth` ends
with, or with those that are given; a file without either is opened only if `--trusted` says so. It is kept in
the new file's metadata as `source_sha256`.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor


def tensors(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, value in table.items():
        if isinstance(value, Tensor):
            yield f"{before}{name}", value.detach().clone().contiguous()
        elif isinstance(value, Mapping):
            yield from tensors(value, f"{before}{name}.")


def main() -> int:
    parser = argparse.ArgumentParser(description="published weights (.pth, .pt) to safetensors")
    parser.add_argument("file", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--under", default="", help="take the table of this name alone, as state_dict")
    parser.add_argument("--sha256", default="", help="letters that the file's SHA-256 begins with")
    parser.add_argument("--trusted", action="store_true", help="open a file whose SHA-256 nobody published")
    asked = parser.parse_args()
    with asked.file.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    named = re.search(r"-([0-9a-f]{8})$", asked.file.stem)
    expected = asked.sha256.lower() or (named[1] if named else "")
    if not found.startswith(expected):
        print(f"{asked.file}: its SHA-256 is {found}, expected {expected}...: get it again", file=sys.stderr)
        return 2
    if not (expected or asked.trusted):
        print(
            f"{asked.file}: nothing says what its SHA-256 should be, and it is {found}: give --sha256 from "
            "where it was published, or --trusted if you trust the file",
            file=sys.stderr,
        )
        return 2
    table = torch.load(asked.file, map_location="cpu", weights_only=True)
    table = table[asked.under] if asked.under else table
    weights = dict(tensors(table))
    if not weights:
        print(f"{asked.file}: no tensors in it: name the table with --under", file=sys.stderr)
        return 2
    save_file(weights, asked.out, {"source_sha256": found})
    print(f"{asked.out}: {len(weights)} tensors; SHA-256 of the source {'met' if expected else 'not known'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
