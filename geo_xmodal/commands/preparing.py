"""`simulate` and `align`: scene folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, fields, table
from geo_xmodal.commands.options import (
    assigned_crs,
    chosen_bands,
    coordinate_columns,
    reclass_table,
    unlabelled_values,
)
from geo_xmodal.commands.parsing import command
from geo_xmodal.commands.results import label_counts, label_table
from geo_xmodal.errors import UsageError
from geo_xmodal.kinds import Kind
from geo_xmodal.named_options import option
from geo_xmodal.outputs import check_writable
from geo_xmodal.requests import AlignRequest, SimulateRequest
from geo_xmodal.small_files import real_path


@command(SimulateRequest)
def simulate(request: SimulateRequest, console: Console) -> None:
    """Simulate, and say what came of it."""
    _refuse(request)
    out = request.out
    check_writable(out)
    if request.source is None:
        with console.progress() as progress:
            gx.simulate_scene(
                out, request.like or "berlin", request.rows, request.cols, request.seed or 0, progress
            )
        _show(gx.open_scene(out), console)
        return
    if request.srf is None:
        raise UsageError(
            f"{option('from')} needs {option('srf')}: the spectral responses of the sensor to simulate"
        )
    names = [name.strip() for name in request.bands.split(",")] if request.bands is not None else None
    with console.progress() as progress:
        made = gx.simulate_sensor(
            out, request.source, request.srf, bands=names, coarse=request.coarse, progress=progress
        )
    for name, share in made.left_out.items():
        console.note(f"left out {name}: the HSI covers {share:.0%} of its response")
    _show(made.scene, console)


_MADE_UP, _FROM_HSI = ("like", "rows", "cols", "seed"), ("srf", "bands", "coarse")
"""Options of either kind of simulation."""


def _refuse(request: SimulateRequest) -> None:
    others = _FROM_HSI if request.source is None else _MADE_UP
    given = next((name for name in others if getattr(request, name) is not None), None)
    if given is None:
        return
    if request.source is not None:
        raise UsageError(f"{option(given)} is for scenes that are made up; leave it or {option('from')} out")
    raise UsageError(f"{option(given)} is for sensors simulated from an HSI: give that with {option('from')}")


@command(AlignRequest)
def align(request: AlignRequest, console: Console) -> None:
    """Align, and say what came of it."""
    check_writable(request.out)
    reference, target_kind = request.reference, request.target_kind
    kinds: dict[str, Kind] = {}
    modalities: dict[str, str] = {}
    if target_kind is not None:
        modalities[target_kind], kinds[target_kind] = reference, target_kind
    for kind, paths in request.sensors().items():
        for path in paths:
            if target_kind is not None and real_path(Path(path)) == real_path(Path(reference)):
                continue
            key = _free_name(kind, modalities)
            modalities[key], kinds[key] = path, kind
    labels = _labels(request)
    if not labels and not request.copies and not set(modalities.values()) - {reference}:
        raise UsageError(
            f"nothing to align: give another sensor beside {option('reference')}, such as "
            f"{option('hsi', 'FILE')}, or labels, or {option('copy')} for a scene of one sensor"
        )
    with console.progress() as progress:
        scene = gx.align_scene(
            request.out,
            reference=reference,
            modalities=modalities,
            labels=labels,
            kinds=kinds,
            bands=_bands(request.bands),
            scale=request.scale,
            classes=request.classes,
            reclass=reclass_table(request.reclass),
            unlabelled=unlabelled_values(request.unlabelled),
            assign_crs=assigned_crs(request.assign_crs),
            coordinates=coordinate_columns(request.coordinates),
            name=request.name,
            warp_gcps=request.warp_gcps,
            copy=request.copies,
            progress=progress,
        )
    _show(scene, console)


def _bands(given: Sequence[str]) -> dict[str, tuple[int | str, ...]]:
    """`msi=B02,B03` options as bands of sensors."""
    found: dict[str, tuple[int | str, ...]] = {}
    for one in given:
        sensor, equals, names = one.partition("=")
        bands = chosen_bands(names) if equals else None
        if not sensor or bands is None:
            raise UsageError(
                f"{option('bands', repr(one))}: expected SENSOR=BANDS, such as "
                f"{option('bands', 'msi=B02,B03')}"
            )
        found[sensor] = bands
    return found


def _free_name(kind: Kind, taken: Mapping[str, str]) -> str:
    name, number = str(kind), 2
    while name in taken:
        name, number = f"{kind}{number}", number + 1
    return name


def _labels(request: AlignRequest) -> dict[str, tuple[str, ...]]:
    both, train, test = request.labels, request.train_labels, request.test_labels
    if both and (train or test):
        raise UsageError(
            f"give either {option('labels')}, or {option('train_labels')} and {option('test_labels')}"
        )
    given = {"all": both, "train": train, "test": test}
    return {split: labels for split, labels in given.items() if labels}


def _show(scene: gx.Scene, console: Console) -> None:
    height, width = scene.grid.shape
    report = gx.label_report(scene)
    for line in report.notes():
        console.note(line)
    assumptions = [
        str(one) for name in scene.config.modalities for one in gx.checked_values(scene.reader(name))
    ]
    console.assumed(assumptions)
    sensors = {name: scene.modality(name).kind for name in scene.config.modalities}
    console.result(
        {
            "name": scene.name,
            "folder": scene.folder,
            "simulated": scene.simulated,
            "target": scene.target,
            "height": height,
            "width": width,
            "modalities": sensors,
            "assumptions": assumptions,
            "classes": [land.name for land in scene.classes],
            "label_counts": label_counts(report),
            "notes": report.notes(),
        },
        fields(
            scene=f"{scene.folder} ({'simulated' if scene.simulated else 'real'})",
            grid=f"{height} rows x {width} columns{'' if scene.has_crs else ', no CRS'}",
            classes=", ".join(land.name for land in scene.classes) or "none",
        ),
        table(
            "modality",
            "kind",
            "use",
            rows=[
                (name, kind, "training and mapping" if name == scene.target else "training only")
                for name, kind in sensors.items()
            ],
        ),
        *([label_table(report)] if report.sources else []),
        f"next: geo-xmodal train --scene {scene.folder}"
        if scene.classes
        else "without labels: it can be mapped, not trained on",
    )
