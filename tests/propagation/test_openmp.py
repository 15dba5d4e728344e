"""PyTorch and faiss each bring an OpenMP of their own: both must work in one process, in either order."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

WORK = """
import numpy as np
torch.set_num_threads(2)
faiss.omp_set_num_threads(2)
a = torch.eye(300) @ torch.ones(300, 300)
label = np.full(2000, -1)
label[:2] = 0, 1
features = np.random.default_rng(0).normal(size=(2000, 8))
result = propagate(neighbour_graph(features, search="approximate"), label, 2)
b = torch.eye(300) @ torch.ones(300, 300)
assert a.sum() == b.sum() == 90_000
print(result.soft.sum(), result.iterations, result.converged)
"""
IMPORT_TORCH = "import torch"
IMPORT_FAISS = "import faiss\nfrom geo_xmodal.propagation import neighbour_graph, propagate"


@pytest.mark.parametrize(
    "imports",
    [(IMPORT_TORCH, IMPORT_FAISS), (IMPORT_FAISS, IMPORT_TORCH)],
    ids=["torch first", "faiss first"],
)
def test_torch_and_faiss_work_in_one_process(imports: tuple[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*imports, WORK])],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    total, iterations, converged = done.stdout.split()
    assert float(total) == pytest.approx(2000)
    assert int(iterations) > 0
    assert converged == "True"
