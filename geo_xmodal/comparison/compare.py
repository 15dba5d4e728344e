"""A comparison from a request to a folder of tables and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from geo_xmodal.comparison.cells import check_folder, gather_pixels, run_cells
from geo_xmodal.comparison.noise import run_noise
from geo_xmodal.comparison.outputs import write_outputs
from geo_xmodal.comparison.request import CompareRequest, checked_comparison, resolve_comparison
from geo_xmodal.comparison.summary import summarise, summarise_ablation
from geo_xmodal.outputs import held
from geo_xmodal.scenes import Scene
from geo_xmodal.training.engine import compute_for
from geo_xmodal.training.progress import reading
from geo_xmodal.training.request import target_kind
from geo_xmodal.types import Progress


def compare_methods(
    scene: Scene, out: Path | str, request: CompareRequest, progress: Progress | None = None
) -> dict[str, Any]:
    """Train every method and its controls on the same pixels with the same seeds, and set them side by side.

    A control that the pixels do not suffice for is left out; the notes say why.

    Runs lie in `out/cells`; finished ones are not repeated, unfinished ones go on after their last epoch, and
    runs that several ask for (the controls of methods with the same branch) are there once. The test pixels
    are those of the scene's own labels or split; how far they are apart from training is in the notes.

    Args:
        scene: what to learn from.
        out: the folder (docs/file-formats.md).
        request: methods, seeds, settings and studies.
        progress: told of every epoch.

    Returns:
        The content of comparison.json.

    Raises:
        UsageError: an unknown method, setting or study, or a device that this machine has not.
        LabelError, TrainingDataError: if the scene's labels or pixels do not suffice.
        OutputError: if `out` cannot be written, or holds something else.
        ResumeError: if `out` holds runs of other data or of another version.
    """
    out = Path(out)
    compute = compute_for(request.device, request.precision)
    plan = resolve_comparison(request, target_kind(scene, request.settings, request.target))
    check_folder(out)
    with held(out):
        first = gather_pixels(scene, plan, plan.seeds[0], reading(progress, 0, 0))
        plan = checked_comparison(plan, first)
        results = run_cells(scene, out, plan, first, progress, compute)
        comparison = summarise(scene, plan, results)
        if plan.ablation:
            comparison["ablation"] = summarise_ablation(plan, results)
        if plan.noise:
            comparison["noise"] = run_noise(scene, plan, results, progress)
        write_outputs(scene, plan, results, comparison, out, progress)
    return comparison
