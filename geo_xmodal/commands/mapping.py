"""`map`: a model and a sensor to a classified GeoTIFF."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, fields, table
from geo_xmodal.commands.options import assigned_crs, chosen_bands, opened_scene
from geo_xmodal.commands.parsing import command
from geo_xmodal.errors import UsageError
from geo_xmodal.named_options import option
from geo_xmodal.outputs import check_writable
from geo_xmodal.requests import MapRequest


@command(MapRequest)
def map_(request: MapRequest, console: Console) -> None:
    """Map, or say what it would take."""
    for place in (request.out, request.picture):
        if place is not None:
            check_writable(Path(place))
    folder = gx.find_model(request.model)
    card = gx.read_card(folder)
    given = _given(request, card, console)
    if request.dry_run:
        _tell(console, gx.plan_map(folder, given.reader, request.out, request), given.notes)
        return
    with console.progress(timed=False) as progress:
        result = gx.map_scene(
            folder, given.reader, request.out, request, mapped=given.name, progress=progress
        )
    warnings = (*given.notes, *result.warnings)
    _say(console, warnings, result.assumptions)
    total = sum(count for class_id, count in result.counts.items() if class_id)
    mapped = {entry.id: result.counts.get(entry.id, 0) / max(total, 1) for entry in card.classes}
    console.result(
        {
            "map": request.out,
            "probability": result.probability,
            "entropy": result.entropy,
            "class_probabilities": result.class_probabilities,
            "picture": result.picture,
            "model": folder,
            "height": result.shape[0],
            "width": result.shape[1],
            "classes": [
                {"id": entry.id, "name": entry.name, "pixels": result.counts.get(entry.id, 0)}
                for entry in card.classes
            ],
            "no_data": result.counts.get(0, 0),
            "windows": result.windows,
            "resumed": result.resumed,
            "seconds": result.seconds,
            "pixels_per_second": result.pixels_per_second,
            "warnings": warnings,
            "assumptions": [str(one) for one in result.assumptions],
            "shares": _shares(result.shares, card),
        },
        table(
            "class",
            "pixels",
            "share, percent",
            rows=[
                (entry.name, result.counts.get(entry.id, 0), f"{100 * mapped[entry.id]:.1f}")
                for entry in card.classes
            ],
        ),
        fields(
            map=request.out,
            probability=result.probability,
            entropy=result.entropy,
            class_probabilities=result.class_probabilities,
            picture=result.picture,
            class_shares=None if result.shares is None else result.shares.choice,
        ),
        f"{total:,} pixels in {result.seconds:.1f} seconds",
    )


def _given(request: MapRequest, card: gx.Card, console: Console) -> gx.MapInput:
    """What is to be mapped."""
    crs = assigned_crs(request.assign_crs)
    if request.scene is not None and not request.inputs:
        if request.bands is not None or request.scale is not None or request.warp_gcps is not None:
            raise UsageError(
                f"{option('bands')}, {option('scale')} and {option('warp_gcps')} are for {option('input')}: "
                "a scene says them in scene.toml"
            )
        opened = opened_scene(request.scene, console, request.allow_addresses)
        reader = opened.reader(gx.target_modality(opened, card))
        return gx.fit_input(
            reader, card, pixels=request.pixels, area=request.area, assign_crs=crs, name=opened.name
        )
    if request.inputs and request.scene is None:
        return gx.map_input(
            request.inputs,
            card,
            bands=chosen_bands(request.bands),
            decibel=request.scale == "db",
            pixels=request.pixels,
            area=request.area,
            assign_crs=crs,
            warp_gcps=request.warp_gcps,
            remote=True,
        )
    raise UsageError(f"what is to be mapped? give either {option('scene')} or {option('input')}")


def _shares(shares: gx.ClassShares | None, card: gx.Card) -> dict[str, Any] | None:
    """Whose class shares the map has, and what they are."""
    if shares is None:
        return None
    of_class = {str(land.id): share for land, share in zip(card.legend, shares.wanted, strict=True)}
    return {"choice": shares.choice, "shares": of_class}


def _say(console: Console, warnings: Sequence[str], assumptions: Sequence[gx.Assumption]) -> None:
    for warning in warnings:
        console.note(warning, "note")
    console.assumed(assumptions)


def _tell(console: Console, plan: gx.MapPlan, notes: Sequence[str]) -> None:
    warnings = (*notes, *plan.warnings)
    _say(console, warnings, plan.assumptions)
    left = plan.windows - plan.resumed
    console.result(
        asdict(plan) | {"warnings": warnings, "assumptions": [str(one) for one in plan.assumptions]},
        fields(
            grid=f"{plan.shape[0]:,} rows x {plan.shape[1]:,} columns",
            crs=plan.crs or "none",
            pixel=f"{plan.pixel[0]:.4g} x {plan.pixel[1]:.4g} {plan.pixel_unit}",
            windows=f"{plan.windows:,}" + (f", {left:,} of them left" if plan.resumed else ""),
            windows_with_data=_or_unknown(plan.windows_with_data, ","),
            model=f"{plan.parameters:,} numbers",
            class_shares=None if plan.shares is None else plan.shares.choice,
            engine=f"{plan.runtime}, {plan.slots} windows at once",
            memory=_bytes(plan.memory),
            memory_of_each_worker=None if plan.worker_memory is None else _bytes(plan.worker_memory),
            disk=_disk(plan),
            pixels_per_second=_or_unknown(plan.pixels_per_second, ",.0f"),
            time="unknown" if plan.seconds is None else f"at most {_duration(plan.seconds)}",
            would_write=", ".join(str(raster) for raster in plan.rasters),
        ),
        "nothing was written",
    )


def _disk(plan: gx.MapPlan) -> str:
    expected = "" if plan.disk_expected is None else f"about {_bytes(plan.disk_expected)}, "
    return f"{expected}at most {_bytes(plan.disk_bound)}; {_bytes(plan.disk_free)} are free"


def _or_unknown(number: float | None, form: str) -> str:
    return "unknown" if number is None else format(number, form)


def _bytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
