"""Linear CCA between the sensors, then a linear SVM: X-ModalNet's second baseline (section 4.3, "CCA").

Canonical variates of single target pixels and their auxiliary spectra are fitted on every pair, labelled or
not; the SVM learns from the target's variates of the labelled pixels. Both are linear, so they fold into one
linear model of the target's bands.

There are at most min(target bands, auxiliary bands) components: 4 for dual-polarisation SAR with its
covariance. With all of them the target's variates are an invertible linear re-mix of its bands, and a linear
classifier of them can say nothing that one of the bands cannot: only the strength of the regularisation
differs by direction. Whatever the auxiliary sensor may add is in which components are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from geo_xmodal.correlation.linear_cca import fit_cca
from geo_xmodal.errors import TrainingDataError
from geo_xmodal.methods.base import Control, Method, Work
from geo_xmodal.methods.svm import (
    LinearLearner,
    SvmOptions,
    centre_pixels,
    hyperplanes,
    label_of,
    labelled_patches,
    solver_memory,
)
from geo_xmodal.networks import linear_model
from geo_xmodal.patches import Patches
from geo_xmodal.types import BandStatistics, ModalitySummary, TrainingData

MIN_PAIRS = 2


class CcaOptions(SvmOptions):
    """Options of `cca`.

    The paper says neither how many components it kept nor which variates its SVM learned from ("project the
    test samples from any one of the two modalities into the subspace"): all, and the target's, unless told
    otherwise.
    """

    components: int | None = Field(
        None, ge=1, description="canonical variates; all there are (the smaller number of bands) if left out"
    )
    ridge: float = Field(1e-3, ge=0, description="ridge of both covariances, relative to the mean variance")
    train_on: Literal["target", "both"] = Field(
        "target",
        description="variates that the SVM learns from: the target's, or the auxiliary sensor's as well",
    )


class CcaLearner(LinearLearner):
    """Solved when it is made.

    Raises:
        MemoryShortageError: The pairs, which it sees all at once, do not fit into memory.
    """

    def __init__(self, data: TrainingData, options: CcaOptions, seed: int) -> None:
        super().__init__(data, options)
        pairs = [group for group in (data.labelled_pairs, data.unlabelled_pairs) if len(group)]
        sensor = cast(ModalitySummary, data.auxiliary)
        statistics, bands = data.target.statistics, data.target.bands
        solver_memory("cca", data.pairs + len(self.labelled), "pairs and labels", bands + sensor.bands)
        target = _spectra([group.target for group in pairs], statistics)
        auxiliary = _spectra(
            [group.auxiliary for group in pairs if group.auxiliary is not None], sensor.statistics
        )
        components = options.components or min(bands, sensor.bands)
        fitted = fit_cca(target, auxiliary, components, options.ridge)
        features = fitted.f(_spectra([labelled_patches(data)], statistics))
        label = label_of(self.labelled)
        strength = self.strength(data, features, options, seed)
        if options.train_on == "both":
            labelled = len(data.labelled_pairs)
            features = np.concatenate([features, fitted.g(auxiliary[:labelled])])
            label = np.concatenate([label, label[:labelled]])
        weight, bias = hyperplanes(features, label, len(data.classes), options, strength, seed)
        offset = fitted.f(np.zeros((1, bands)))[0]
        mixing = fitted.f(np.eye(bands)) - offset
        self.model = linear_model(statistics, weight @ mixing.T, bias + weight @ offset)


def _spectra(groups: Sequence[Patches], statistics: BandStatistics) -> npt.NDArray[np.float64]:
    """Standardised middle pixels of patches, (n, band)."""
    parts = [centre_pixels(patches, statistics) for patches in groups]
    return np.concatenate(parts).astype(np.float64)


class Cca(Method):
    """Linear CCA and SVM."""

    name = "cca"
    summary = "linear CCA over pairs, then a linear SVM on the target's variates (X-ModalNet's baseline)"
    uses_auxiliary = True
    Options = CcaOptions

    def controls(self, options: CcaOptions) -> Mapping[str, Control]:
        """The SVM on the bands themselves; no linear model here trains itself, so that there is no second."""
        own = {name: getattr(options, name) for name in SvmOptions.model_fields}
        return {
            "target_only": Control(
                "svm", SvmOptions.model_validate(own), "the same linear SVM, on the target sensor's bands"
            )
        }

    def check(self, data: TrainingData, options: CcaOptions) -> None:
        """Correlation needs pairs."""
        if data.auxiliary is None or data.pairs < MIN_PAIRS:
            raise TrainingDataError(
                f"{data.pairs} pixels have both sensors, cca needs {MIN_PAIRS}: "
                "use `svm`, which learns without the auxiliary sensor"
            )

    def learner(
        self, data: TrainingData, options: CcaOptions, seed: int, work: Work | None = None
    ) -> CcaLearner:
        """A fitted CCA and SVM."""
        self.check(data, options)
        return CcaLearner(data, options, seed)
