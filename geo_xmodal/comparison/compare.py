"""A comparison from a request to a folder of tables and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from geo_xmodal import processes
from geo_xmodal.comparison.ceiling import run_ceiling
from geo_xmodal.comparison.cells import check_folder, gather_pixels, run_cells
from geo_xmodal.comparison.noise import run_noise
from geo_xmodal.comparison.outputs import write_outputs
from geo_xmodal.comparison.request import (
    CompareRequest,
    ComparisonPlan,
    Fold,
    checked_comparison,
    resolve_comparison,
    resolve_folds,
)
from geo_xmodal.comparison.result import Comparison
from geo_xmodal.comparison.summary import summarise, summarise_ablation
from geo_xmodal.errors import LabelError, TrainingDataError, UsageError
from geo_xmodal.methods.pretrained_start import Start
from geo_xmodal.outputs import held
from geo_xmodal.samples import Storage, storage_for
from geo_xmodal.scenes import Scene
from geo_xmodal.training.engine import compute_for
from geo_xmodal.training.files import recorded_store
from geo_xmodal.training.progress import reading
from geo_xmodal.types import Progress, TrainingData


def compare_methods(
    scenes: Scene | Sequence[Scene],
    out: Path | str,
    request: CompareRequest,
    progress: Progress | None = None,
    *,
    note: Callable[[str], None] = lambda line: None,
) -> Comparison:
    """Train every method and its controls on the same pixels with the same seeds, and set them side by side.

    There are two tables: each method with its own recipe, as published, and all with equal means
    (`request.means`). What counts is the gain of a method over its own `target_only`, and tests are of
    gains.

    A control that the pixels do not suffice for is left out; the notes say why.

    Runs lie in `out/cells`; finished ones are not repeated, unfinished ones go on after their last epoch, and
    runs that several ask for (the controls of methods with the same branch) are there once. The test pixels
    are those of the scene's own labels or split; how far they are apart from training is in the notes.

    With `request.init`, each method that can start from such a pretraining has a row for it beside its own,
    and the gain of pretraining is the one over its control `no_pretraining`, paired over seeds.

    Several scenes are learned from as one, as in `train_scene`. With `request.leave_one_scene_out`, every
    method trains once for each scene with labels, on the others, and its figures are of the scene left out:
    means and spreads over these scenes, each the mean of the seeds, and gains and tests paired over them.

    Args:
        scenes: what to learn from.
        out: the folder (docs/file-formats.md).
        request: methods, seeds, settings and studies.
        progress: told of every epoch.
        note: told what should be known beside the notes of the result.

    Returns:
        Figures, gains and tests of each method.

    Raises:
        UsageError: an unknown method, setting or study, or a device that this machine has not; no method
            starts from a run of `request.init`.
        BundleError, ModelMismatchError: one of them is no pretraining, or one of another sensor or bands.
        LabelError, TrainingDataError: if the scene's labels or pixels do not suffice.
        OutputError: if `out` cannot be written, or holds something else.
        ResumeError: if `out` holds runs of other data or of another version.
    """
    out = Path(out)
    if processes.launched() > 1:
        raise UsageError(
            "compare runs in one process: start it without torchrun, or train one model on several with train"
        )
    compute = compute_for(request.device, request.precision)
    folds = resolve_folds(scenes, request)
    scenes_of = folds[0].scenes
    starts = [Start.of(run, scenes_of.target, scenes_of.kind) for run in request.init]
    plan = resolve_comparison(request, scenes_of.kind, scenes_of.single_pixels, starts)
    check_folder(out)
    with held(out), storage_for(out, recorded_store(out), note) as storage:
        reads = reading(progress, 0, 0)
        plan, first = _checked(folds, plan, reads, storage)
        storage.prune()
        results = run_cells(folds, out, plan, first, progress, compute, storage)
        ceilings = run_ceiling(folds, out, plan, first, compute, storage, progress)
        comparison = summarise(folds, plan, results, ceilings)
        if plan.ablation:
            comparison["ablation"] = summarise_ablation(folds, plan, results)
        if plan.noise:
            comparison["noise"] = run_noise(folds, plan, results, progress)
        storage.remove()
        write_outputs(folds[0], plan, results, comparison, out, progress)
    return Comparison.of(out, comparison)


def _checked(
    folds: Sequence[Fold], plan: ComparisonPlan, progress: Progress | None, storage: Storage
) -> tuple[ComparisonPlan, Mapping[bool, TrainingData]]:
    """The plan with what can be trained in every fold, and the pixels of the first fold and seed.

    Raises:
        LabelError, TrainingDataError: a method cannot be trained; the message says without which scene.
    """
    first: Mapping[bool, TrainingData] = {}
    for fold in folds:
        try:
            pixels = gather_pixels(fold.scenes, plan, plan.seeds[0], progress, storage)
            plan = checked_comparison(plan, pixels)
        except (LabelError, TrainingDataError) as error:
            if fold.left_out is None:
                raise
            raise type(error)(f"without {fold.left_out}: {error.marked}") from None
        first = first or pixels
    return plan, first
