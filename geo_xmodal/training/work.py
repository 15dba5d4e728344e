"""What a run lends its method, for methods that train others on their way and choose among them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from geo_xmodal import processes
from geo_xmodal.methods.base import Learner, LoopOptions, Work
from geo_xmodal.outputs import write_json
from geo_xmodal.training.engine import ON_PROCESSOR, Compute
from geo_xmodal.training.files import FINDINGS, read_json
from geo_xmodal.training.loop import fit
from geo_xmodal.types import Progress


def work_in(
    folder: Path | None,
    mark: str = "",
    *,
    resume: bool = False,
    compute: Compute = ON_PROCESSOR,
    progress: Progress | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> Work:
    """What a run in a folder lends its method.

    What the method finds out is kept in `findings.json` until the run is finished; a resumed run of the same
    mark finds it there. Among several processes the first one keeps, and tells the others.

    Args:
        folder: of the run; None keeps nothing.
        mark: fingerprint of the run.
        resume: use what an earlier run found out.
        compute: on which device, and in which precision, what is trained on the way is trained.
        progress: told how far the method has come.
        note: told what the method finds out that should be known.
    """
    path = None if folder is None else folder / FINDINGS
    found: dict[str, Any] = {}
    if resume and path is not None and processes.is_first():
        earlier = read_json(path) if path.is_file() else None
        found = (earlier or {}).get("found", {}) if (earlier or {}).get("mark") == mark else {}

    def fit_inside(learner: Learner, options: LoopOptions, seed: int) -> None:
        if learner.stages:
            fit(learner, options, seed, compute=compute)

    def kept(name: str, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        known = processes.told(name in found)
        value: dict[str, Any] = (found.get(name) or {}) if known else find()
        value = processes.told(value)
        if processes.is_first() and not known:
            found[name] = value
            if path is not None:
                write_json(path, {"mark": mark, "found": found})
        return value

    return Work(fit_inside, kept, progress, note)
