"""`simulate` and `align`: scene folders."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, fields, table
from geo_xmodal.commands.options import (
    Json,
    Scale,
    Unlabelled,
    WarpGcps,
    chosen_bands,
    unlabelled_values,
)
from geo_xmodal.commands.results import label_counts, label_table
from geo_xmodal.errors import UsageError
from geo_xmodal.kinds import Kind
from geo_xmodal.outputs import check_writable
from geo_xmodal.small_files import real_path


def simulate(
    out: Annotated[Path, typer.Argument(help="The scene folder.")],
    like: Annotated[
        str | None, typer.Option(help="The benchmark to be like: berlin or houston.", show_default="berlin")
    ] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="Rows of the target sensor.")] = None,
    cols: Annotated[int | None, typer.Option(min=1, help="Columns of the target sensor.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Another seed is another place.", show_default="0")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FILE_OR_SCENE", help="Simulate an MSI from this HSI (needs --srf) instead."
        ),
    ] = None,
    srf: Annotated[
        Path | None, typer.Option(help="Spectral responses of the MSI (GeoJSON or CSV), with --from.")
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME...", help="Bands of --srf to simulate (default: all that the HSI covers)."
        ),
    ] = None,
    coarse: Annotated[
        int | None,
        typer.Option(min=2, help="Also degrade the HSI to pixels this many times as large, with --from."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a simulated scene, whose truth is known, or simulate sensors from a real HSI."""
    console = Console(json)
    made_up = {"--like": like, "--rows": rows, "--cols": cols, "--seed": seed}
    real = {"--srf": srf, "--bands": bands, "--coarse": coarse}
    _refuse(made_up if source is not None else real, source is not None)
    check_writable(out)
    if source is None:
        with console.progress() as progress:
            gx.simulate_scene(out, like or "berlin", rows, cols, seed or 0, progress)
        _show(gx.open_scene(out), console)
        return
    if srf is None:
        raise UsageError("--from needs --srf: the spectral responses of the sensor to simulate")
    names = [name.strip() for name in bands.split(",")] if bands is not None else None
    with console.progress() as progress:
        made = gx.simulate_sensor(out, source, srf, bands=names, coarse=coarse, progress=progress)
    for name, share in made.left_out.items():
        console.note(f"left out {name}: the HSI covers {share:.0%} of its response")
    _show(made.scene, console)


def _refuse(options: Mapping[str, object], from_hsi: bool) -> None:
    given = [option for option, value in options.items() if value is not None]
    if given and from_hsi:
        raise UsageError(f"{given[0]} is for scenes that are made up; leave it or --from out")
    if given:
        raise UsageError(f"{given[0]} is for sensors simulated from an HSI: give that with --from")


def _with_sensors(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each kind of sensor in place of `**sensors`, before its labels."""
    signature = inspect.signature(command, eval_str=True)
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=Annotated[
                list[str] | None,
                typer.Option(
                    metavar="FILE|FOLDER|LIST.txt|URL",
                    help=f"{kind.heading}: a GeoTIFF, tiles or band files; again for another sensor.",
                ),
            ],
        )
        for name, kind in gx.KINDS.items()
    ]
    own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    place = [one.name for one in own].index("labels")
    own[place:place] = options
    command.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
    return command


@_with_sensors
def align(
    out: Annotated[Path, typer.Argument(help="The scene folder.")],
    reference: Annotated[
        str,
        typer.Option(
            metavar="FILE|FOLDER|LIST.txt|URL", help="The sensor to map from; the scene gets its grid."
        ),
    ],
    target_kind: Annotated[
        Kind | None, typer.Option(help="What the reference measures (default: what its name says).")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="FILE[[:LAYER]:COLUMN]", help="Labels, to be split into training and test."),
    ] = None,
    train_labels: Annotated[
        str | None, typer.Option(metavar="FILE[[:LAYER]:COLUMN]", help="Labels for training.")
    ] = None,
    test_labels: Annotated[
        str | None, typer.Option(metavar="FILE[[:LAYER]:COLUMN]", help="Labels for test.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="TOML file with a list of classes, such as another scene.toml.")
    ] = None,
    unlabelled: Unlabelled = None,
    scale: Annotated[
        Scale | None, typer.Option(help="How the radar files hold power (default: linear, if they can).")
    ] = None,
    bands: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SENSOR=N,N,...|NAME,...",
            help="Bands of a sensor, such as msi=B02,B03,B04; names those of a folder of band files.",
        ),
    ] = None,
    warp_gcps: WarpGcps = None,
    copy: Annotated[
        bool,
        typer.Option(
            "--copy", help="Write copies on the one grid (default: refer to the files where they are)."
        ),
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name of the scene (default: that of the folder).")] = None,
    json: Json = False,
    **sensors: list[str] | None,
) -> None:
    """Bring files of any CRS and resolution onto one grid, where they are."""
    console = Console(json)
    check_writable(out)
    kinds: dict[str, Kind] = {}
    modalities: dict[str, str] = {}
    if target_kind is not None:
        modalities[target_kind], kinds[target_kind] = reference, target_kind
    for kind in gx.KINDS:
        for path in sensors[kind] or ():
            if target_kind is not None and real_path(Path(path)) == real_path(Path(reference)):
                continue
            key = _free_name(kind, modalities)
            modalities[key], kinds[key] = path, kind
    if not set(modalities.values()) - {reference}:
        raise UsageError("nothing to align: give another sensor beside --reference, such as --hsi FILE")
    with console.progress() as progress:
        scene = gx.align_scene(
            out,
            reference=reference,
            modalities=modalities,
            labels=_labels(labels, train_labels, test_labels),
            kinds=kinds,
            bands=_bands(bands or []),
            scale=scale,
            classes=classes,
            unlabelled=unlabelled_values(unlabelled),
            name=name,
            warp_gcps=warp_gcps,
            copy=copy,
            progress=progress,
        )
    _show(scene, console)


def _bands(given: list[str]) -> dict[str, tuple[int | str, ...]]:
    """`msi=B02,B03` options as bands of sensors."""
    found: dict[str, tuple[int | str, ...]] = {}
    for one in given:
        sensor, equals, names = one.partition("=")
        bands = chosen_bands(names) if equals else None
        if not sensor or bands is None:
            raise UsageError(f"--bands {one!r}: expected SENSOR=BANDS, such as --bands msi=B02,B03")
        found[sensor] = bands
    return found


def _free_name(kind: Kind, taken: Mapping[str, str]) -> str:
    name, number = str(kind), 2
    while name in taken:
        name, number = f"{kind}{number}", number + 1
    return name


def _labels(both: str | None, train: str | None, test: str | None) -> dict[str, str]:
    if both is not None and (train is not None or test is not None):
        raise UsageError("give either --labels, or --train-labels and --test-labels")
    given = {"all": both, "train": train, "test": test}
    return {split: labels for split, labels in given.items() if labels is not None}


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
