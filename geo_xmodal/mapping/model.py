"""A trained model as an object that maps arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from geo_xmodal import bundle
from geo_xmodal.bundle import Bundle, Card
from geo_xmodal.errors import ModelMismatchError
from geo_xmodal.mapping.engine import Classifier
from geo_xmodal.mapping.seen import seen_window
from geo_xmodal.mapping.shares import Shares, sample_of, shares_for
from geo_xmodal.models import find_model
from geo_xmodal.types import ClassArray, FloatArray, LandClass, Window


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of an array.

    Attributes:
        classes: (row, col) uint8, class ids; 0 where a band has no value.
        probability: (row, col) float32, of that class; NaN there.
    """

    classes: ClassArray
    probability: FloatArray


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model, ready for arrays; `map_scene` maps files of any size with the same numbers.

    Attributes:
        bundle: Card and network.
    """

    bundle: Bundle

    @property
    def card(self) -> Card:
        """What it was made from and for: sensor, bands and their ranges, classes, resolution."""
        return self.bundle.card

    @property
    def classes(self) -> tuple[LandClass, ...]:
        """What it tells apart."""
        return self.bundle.card.legend

    def predict(self, values: FloatArray, *, shares: Shares | None = None) -> Prediction:
        """Classify every pixel of an array.

        Args:
            values: (band, row, col) float32, the raw values of the target sensor's bands in the order of the
                card, SAR in linear power; NaN where there is no data. Beyond the edge there is none.
            shares: What the predictions should be right about, as for `map_scene`; `estimated` class shares
                are those of the array.

        Raises:
            ModelMismatchError: `values` have other axes, or another number of bands.
            ClassSharesError: Class shares cannot be estimated, or do not fit the model.
            UsageError: There is no such choice of class shares.
        """
        plain = self._classifier
        if values.ndim != 3:
            raise ModelMismatchError(
                f"values of shape {values.shape}; expected (band, row, col), {plain.bands} bands"
            )
        shape = (values.shape[1], values.shape[2])
        whole = Window(0, 0, *shape)
        seen = seen_window(plain, whole)
        around = (
            (0, 0),
            (-seen.row, seen.height + seen.row - shape[0]),
            (-seen.col, seen.width + seen.col - shape[1]),
        )
        padded = np.pad(values.astype(np.float32, copy=False), around, constant_values=np.nan)

        def read(window: Window) -> tuple[FloatArray, Window]:
            slices = seen_window(plain, window).seen_from(seen).slices
            return padded[(slice(None), *slices)], window

        wanted = shares_for(self.card, shares, lambda: sample_of(plain, shape, read))
        changes = wanted is not None and wanted.offsets is not None
        classifier = Classifier(self.bundle, shares=wanted) if changes else plain
        return Prediction(*classifier.classify(padded, None, whole))

    @cached_property
    def _classifier(self) -> Classifier:
        return Classifier(self.bundle)


def load_model(name_or_path: str | Path) -> Model:
    """A model by the name of a shipped one, or from a run or model folder; everything in it is checked.

    Raises:
        BundleError: There is no such model, or it is not whole.
    """
    return Model(bundle.load(find_model(name_or_path)))
