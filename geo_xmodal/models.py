"""The trained models that ship with the project, and how a model is found by name or path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from geo_xmodal.bundle import CARD, Card, bundle_folder, read_card
from geo_xmodal.errors import BundleError
from geo_xmodal.outputs import unfinished

_PACKAGE = Path(__file__).resolve().parent
_PLACES = (_PACKAGE.parent / "models", _PACKAGE / "_shipped" / "models")
"""Of a checkout, and of an installed wheel."""


@dataclass(frozen=True)
class ModelSummary:
    """A model that can be used by name: its card, or the problem that it has."""

    name: str
    folder: Path
    card: Card | None
    problem: str | None = None


def list_models() -> list[ModelSummary]:
    """The shipped models, by name."""
    found: dict[str, ModelSummary] = {}
    for place in _PLACES:
        for card in sorted(place.glob(f"*/{CARD}")):
            found.setdefault(card.parent.name, _summary(card.parent))
    return list(found.values())


def find_model(name_or_path: str | Path) -> Path:
    """The bundle folder of a run folder, a bundle folder, or a shipped model's name, in that order.

    Raises:
        BundleError: if there is no such model; the message names the shipped ones.
    """
    path = Path(name_or_path).expanduser()
    if path.exists() or unfinished(path) is not None:
        return bundle_folder(path)
    if path.name == str(name_or_path):
        for place in _PLACES:
            if (place / path / CARD).is_file():
                return place / path
    known = ", ".join(model.name for model in list_models()) or "none"
    raise BundleError(
        f"no model {str(name_or_path)!r}: give a run folder, a model folder or the name of a shipped "
        f"model ({known})"
    )


def _summary(folder: Path) -> ModelSummary:
    try:
        return ModelSummary(folder.name, folder, read_card(folder))
    except BundleError as error:
        return ModelSummary(folder.name, folder, None, str(error))
