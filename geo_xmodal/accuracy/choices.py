"""The figures of a metrics.json for every choice of class shares that a map of its model may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def has_choice(scores: Mapping[str, Any], choice: str) -> bool:
    """Whether there are figures of a choice of class shares; of one that was refused there are none."""
    return "refused" not in _choice(scores, choice)


def scores_with(scores: Mapping[str, Any], choice: str) -> Mapping[str, Any]:
    """The content of a metrics.json, or of a scene in it, with the figures of a choice of class shares.

    It stays as it is where there are none.
    """
    if not has_choice(scores, choice):
        return scores
    chosen = {key: value for key, value in _choice(scores, choice).items() if key != "shares"}
    scenes = scores.get("scenes")
    parts = {}
    if isinstance(scenes, Mapping):
        parts = {"scenes": {name: scores_with(one, choice) for name, one in scenes.items()}}
    return {**scores, **chosen, **parts}


def _choice(scores: Mapping[str, Any], choice: str) -> Mapping[str, Any]:
    found: Any = scores
    for key in ("shares", "choices", choice):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {"refused": ""}
