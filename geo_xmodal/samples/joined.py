"""Training data of several scenes as one: their pixels one after the other, and what reports say of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from geo_xmodal.scenes import Member, SceneSet
from geo_xmodal.types import PixelGroup, join_groups


def join_values(scenes: Sequence[Mapping[str, PixelGroup]]) -> dict[str, PixelGroup]:
    """Every group with the pixels of all scenes, in their order."""
    return {name: join_groups([groups[name] for groups in scenes]) for name in scenes[0]}


def join_notes(together: SceneSet, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a report should say of all scenes that train, `parts`, and of each; one scene has its own notes.

    Counts are sums, and shares are of all pixels that they are shares of.
    """
    if not together.several:
        return dict(parts[0])
    trained = [one.name for one in together.training]
    test = sum(part["test_pixels"] for part in parts)
    held_out = {one.name: _held_out(one) for one in together.members if one.held_out}
    nothing = [part["no_unlabelled"] for part in parts]
    return {
        "counts": _sum([part["counts"] for part in parts]),
        "per_class": {
            name: _sum([part["per_class"][name] for part in parts]) for name in parts[0]["per_class"]
        },
        "test_pixels": test + sum(one["test_pixels"] for one in held_out.values()),
        "overlap_share": sum(part["overlap_share"] * part["test_pixels"] for part in parts) / max(test, 1),
        "no_unlabelled": nothing[0] if all(nothing) else None,
        "labelled_without_target_data": sum(part["labelled_without_target_data"] for part in parts),
        "dropped_beside_validation": sum(part["dropped_beside_validation"] for part in parts),
        "label_conflicts": sum(part["label_conflicts"] for part in parts),
        "transductive": parts[0]["transductive"],
        "assumptions": [
            f"{name}: {line}"
            for name, part in zip(trained, parts, strict=True)
            for line in part["assumptions"]
        ],
        "scenes": dict(zip(trained, parts, strict=True)) | held_out,
    }


def _held_out(member: Member) -> dict[str, Any]:
    """What tells a scene that only tests from the same after a change."""
    labels = member.labels("test")
    digest = hashlib.sha256(np.ascontiguousarray(labels.position).data)
    digest.update(np.ascontiguousarray(labels.label).data)
    lasting = {
        key: value
        for key, value in member.reader(member.target).identity().items()
        if "time" not in key.split()  # of a copy it is another
    }
    return {
        "held_out": True,
        "test_pixels": len(labels),
        "labels": digest.hexdigest()[:16],
        "values": hashlib.sha256(repr(sorted(lasting.items())).encode()).hexdigest()[:16],
    }


def _sum(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return {name: total[name] for name in counts[0]}
