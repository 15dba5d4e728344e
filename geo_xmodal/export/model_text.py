"""What a layout says of a map's model and of how good it is, from the map's tags and a metrics.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from geo_xmodal import bundle
from geo_xmodal.accuracy import has_choice, scores_with
from geo_xmodal.errors import UsageError
from geo_xmodal.export.class_map import ClassMap
from geo_xmodal.mapping.outputs import SHARES_TAG
from geo_xmodal.mapping.shares import read_recorded
from geo_xmodal.outputs import unfinished
from geo_xmodal.raster import pixel_size
from geo_xmodal.small_files import SmallFile, inner_file, read_json_object, validated

_METRICS = "metrics.json"
_FILE = SmallFile(
    "the metrics of a run",
    UsageError,
    "give a run folder, or a folder that `geo-xmodal evaluate` wrote; run it again",
    32 << 20,
)
_LONGEST = 120

_Share = Annotated[float, Field(ge=-1, le=1)]


class _Scores(BaseModel):
    oa: _Share
    aa: _Share | None = None
    kappa: _Share | None = None
    n: int | None = Field(None, ge=0)


class _Metrics(_Scores):
    n: int = Field(ge=0)
    split: str = Field("test", max_length=50)
    mean: _Scores | None = None
    sd: _Scores | None = None
    seeds: tuple[_Scores, ...] = ()


def model_text(made: ClassMap) -> str:
    """Method, sensor and scene of the model, as far as the map's tags tell."""
    tags = made.tags
    if "METHOD" not in tags:
        return "Model: not known; the map says nothing of what made it."
    scene = _short(tags.get("TRAINED_ON", "an unknown scene"))
    sensor = _short(tags.get("TARGET", "an unknown sensor"))
    lines = [f"Model: method {_short(tags['METHOD'])}, maps from {sensor}, trained on {scene}."]
    if tags.get("SIMULATED") == "yes":
        lines.append("That scene is SIMULATED: computed, not observed.")
    if (shares := read_recorded(tags.get(SHARES_TAG, ""))) is not None:
        lines.append(f"Class shares: {shares[0]}.")
    if "MODEL_SHA256" in tags:
        lines.append(f"Weights: sha256 {_short(tags['MODEL_SHA256'])[:16]}…")
    return " ".join(lines)


def data_text(made: ClassMap) -> str:
    """Size, pixel and CRS of the map, and its mean probability."""
    rows, cols = made.grid.shape
    row, col, unit = pixel_size(made.grid)
    pixel = f"{row:.4g} m" if unit == "m" else "unknown size"
    if unit == "m" and abs(row - col) > 1e-3 * col:
        pixel = f"{row:.4g} x {col:.4g} m"
    text = f"Grid: {rows:,} x {cols:,} pixels of {pixel}, {made.crs_name or 'no CRS'}."
    with_data = int(made.counts.pixels[1:].sum())
    if made.counts.percent is not None and with_data:
        text += f" Mean probability of the mapped class: {made.counts.percent.sum() / with_data:.0f} %."
    return text


def accuracy_text(run: Path | None, tags: Mapping[str, str]) -> str:
    """The accuracy that a run, or an evaluation, measured.

    Raises:
        UsageError: The folder holds none that can be read, or is of another model than the map's.
    """
    if run is None:
        return "Accuracy: not given with this map."
    if (todo := unfinished(run)) is not None:
        raise UsageError(f"{run} {todo}")
    _check_same_model(run, tags)
    path = inner_file(run, _METRICS, "run folder", UsageError)
    found: Mapping[str, Any] = read_json_object(path, _FILE)
    other = ""
    shares = read_recorded(tags.get(SHARES_TAG, ""))
    if shares is not None and "shares" in found:  # an evaluation is of this map
        other = "" if has_choice(found, shares[0]) else " (of a map with other class shares than this one)"
        found = scores_with(found, shares[0])
    metrics = validated(_Metrics, found, path, _FILE)
    # a run's model is that of its first seed
    one = metrics.seeds[0] if metrics.seeds else metrics
    what = "reference" if metrics.split == "reference" else f"{_short(metrics.split)}"
    # runs of earlier versions count a test pixel once per seed in their own n
    text = f"Accuracy on {metrics.n if one.n is None else one.n:,} {what} pixels{other}: {_scores(one)}."
    if len(metrics.seeds) > 1 and metrics.mean is not None and metrics.sd is not None:
        text += (
            f" Over {len(metrics.seeds)} training runs: overall "
            f"{100 * metrics.mean.oa:.1f} ± {100 * metrics.sd.oa:.1f} %."
        )
    return text


def _scores(scores: _Scores) -> str:
    parts = [f"overall {100 * scores.oa:.1f} %"]
    if scores.aa is not None:
        parts.append(f"mean of classes {100 * scores.aa:.1f} %")
    if scores.kappa is not None:
        parts.append(f"kappa {scores.kappa:.2f}")
    return ", ".join(parts)


def _check_same_model(run: Path, tags: Mapping[str, str]) -> None:
    """An evaluation has no model of its own; a run has, and it must be the map's."""
    if not any((folder / bundle.CARD).is_file() for folder in (run, run / "model")):
        return
    card = bundle.read_card(run)
    if tags.get("MODEL_SHA256") != card.weights_sha256:
        raise UsageError(
            f"{run}: its model ({card.weights_sha256[:12]}...) did not make this map, "
            f"{tags.get('MODEL_SHA256', 'an unknown one')[:12]}... did: give the run of that model"
        )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def paragraphs(made: ClassMap, run: Path | None) -> Sequence[str]:
    """All of it, in the order of a layout.

    Raises:
        UsageError: As `accuracy_text`.
    """
    return model_text(made), accuracy_text(run, made.tags), data_text(made)
