"""`explain`: what a model looks at."""

from __future__ import annotations

import rich.table

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, table
from geo_xmodal.commands.options import opened_scene
from geo_xmodal.commands.parsing import command
from geo_xmodal.outputs import check_writable
from geo_xmodal.requests import ExplainRequest


@command(ExplainRequest)
def explain(request: ExplainRequest, console: Console) -> None:
    """Explain, and say what was found."""
    out = request.folder
    check_writable(out)
    scene = opened_scene(request.scene, console, request.allow_addresses)
    with console.progress() as progress:
        found = gx.explain_model(request.model, scene, out, request, progress=progress)
    for note in found.notes:
        console.warn(note, "note")
    parts: list[rich.table.Table | str] = [
        table("routine", "what it found", rows=[(one.name, one.says) for one in found.routines])
    ]
    parts += [f"{name}: left out, {why}" for name, why in found.left_out.items()]
    parts.append(f"page: {out / found.page}")
    console.result(found.as_dict(), *parts)
