"""What a run learns from and is tested on: scenes, or a set of chips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geo_xmodal.chips import ChipMember, ChipSet, ChipSource, chips_for
from geo_xmodal.errors import UsageError
from geo_xmodal.scenes import Member, Scene, SceneSet
from geo_xmodal.training.request import scenes_for

Given = Scene | Sequence[Scene] | ChipSet
"""As whoever trains names it."""

Learned = SceneSet | ChipSource
"""The same with the sensors of a run."""

LearnedMember = Member | ChipMember
"""A scene of it, or all of its chips."""


def learned_from(
    given: Given, settings: Mapping[str, Any], hold_out: Sequence[str] = (), *, labels_needed: bool = True
) -> Learned:
    """Scenes as one, or chips, with the sensors that are asked for; chips may be asked to have labels.

    Raises:
        UsageError, SceneError, LabelError: as `scenes_for`.
        ChipError: as `chips_for`.
    """
    if not isinstance(given, ChipSet):
        return scenes_for(given, settings, hold_out)
    if hold_out:
        raise UsageError(
            f"{hold_out[0]!r} is to be held out, and is no scene: which chips test is said by their splits"
        )
    return chips_for(given, settings.get("target"), settings.get("auxiliary"), labels_needed=labels_needed)
