"""Training data of several scenes as one: their pixels one after the other, and what reports say of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from geo_xmodal.raster import MAX_PLACE, to_pixels
from geo_xmodal.scenes import Member, SceneSet, meet, overlap_share
from geo_xmodal.types import IntArray, PixelGroup, join_groups


def join_values(scenes: Sequence[Mapping[str, PixelGroup]]) -> dict[str, PixelGroup]:
    """Every group with the pixels of all scenes, in their order."""
    return {name: join_groups([groups[name] for groups in scenes]) for name in scenes[0]}


def overlap_shares(together: SceneSet, trained: Mapping[str, IntArray], margin: int) -> dict[str, float]:
    """Share of each scene's test patches that share pixels with a training patch of any scene on its ground.

    Args:
        together: The scenes.
        trained: (n, 2) centres of the labelled training patches of each that trains, on its own grid.
        margin: Patch radius in pixels.
    """
    grids = {one.name: one.scene.grid for one in together.members}
    return {
        one.name: overlap_share(
            np.concatenate(
                [_places_on(grids[one.name], grids[name], places) for name, places in trained.items()]
            ),
            one.labels("test").position,
            margin,
        )
        for one in together.members
    }


def _places_on(grid: GeoBox, own: GeoBox, positions: IntArray) -> IntArray:
    """The pixels of `grid` that centres of pixels (n, 2) of `own` lie in; none where the two do not meet."""
    if own is grid:
        return positions
    if not meet(grid, own):
        return positions[:0]
    there = to_pixels(own, grid, positions[:, ::-1].astype(np.float64) + 0.5)[:, ::-1]
    near = np.isfinite(there).all(axis=1) & (np.abs(there) < MAX_PLACE).all(axis=1)
    return np.floor(there[near]).astype(np.int64)


def join_notes(
    together: SceneSet, parts: Sequence[Mapping[str, Any]], shares: Mapping[str, float]
) -> dict[str, Any]:
    """What a report should say of all scenes that train, `parts`, and of each; one scene has its own notes.

    Counts are sums, and shares are of all pixels that they are shares of; `shares` are `overlap_shares`.
    """
    if not together.several:
        return dict(parts[0])
    trained = [one.name for one in together.training]
    held_out = {
        one.name: _held_out(one) | {"overlap_share": shares[one.name]}
        for one in together.members
        if one.held_out
    }
    scenes = dict(zip(trained, parts, strict=True)) | held_out
    test = sum(one["test_pixels"] for one in scenes.values())
    nothing = [part["no_unlabelled"] for part in parts]
    return {
        "counts": _sum([part["counts"] for part in parts]),
        "per_class": {
            name: _sum([part["per_class"][name] for part in parts]) for name in parts[0]["per_class"]
        },
        "test_pixels": test,
        "overlap_share": sum(one["overlap_share"] * one["test_pixels"] for one in scenes.values())
        / max(test, 1),
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
        "scenes": scenes,
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
