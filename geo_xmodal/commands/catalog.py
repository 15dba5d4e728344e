"""`scenes`, `methods`, `models`, `info`: what is known, and what a path is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import rich.table
import typer
from odc.geo.geobox import GeoBox
from pydantic.fields import FieldInfo

import geo_xmodal as gx
from geo_xmodal.commands import chips, inspecting, pretraining
from geo_xmodal.commands.console import Console, fields, one_line, plain_number, table
from geo_xmodal.commands.options import AllowAddresses, Json
from geo_xmodal.commands.results import label_counts, label_table
from geo_xmodal.errors import GeoXmodalError, UsageError
from geo_xmodal.named_options import as_flag, worded
from geo_xmodal.outputs import unfinished
from geo_xmodal.types import Kind
from geo_xmodal.wording import counted

_UNITS = {"metre": "m", "degree": "degrees"}
"""Of coordinates, where people write them otherwise than a CRS does."""

_ON_THE_GROUND = 0.01
"""Share by which a pixel's size on the ground may be another than its CRS's units say without a word."""

_EMBEDDING_BANDS, _RADAR_BANDS = 64, 4
"""Least bands of the embeddings that are stored as signed bytes, and most of radar in decibels."""


def scenes(json: Json = False) -> None:
    """List the scenes that --scene knows by name."""
    found = gx.list_scenes()
    Console(json).result(
        {
            "scenes": [
                {
                    "name": scene.name,
                    "folder": scene.folder,
                    "source": scene.source,
                    "simulated": scene.simulated,
                    "description": scene.description,
                    "problem": scene.problem,
                }
                for scene in found
            ]
        },
        table(
            "name",
            "data",
            "found in",
            "description",
            rows=[
                (
                    scene.name,
                    "unusable" if scene.problem else "simulated" if scene.simulated else "real",
                    scene.folder,
                    scene.problem or scene.description,
                )
                for scene in found
            ],
        )
        if found
        else "no scenes: set GEO_XMODAL_DATA to a folder of scene folders, or give --scene a path",
    )


def methods(
    name: Annotated[str | None, typer.Argument(help="Show the settings of one method.")] = None,
    json: Json = False,
) -> None:
    """List the methods that --method knows, or the settings of one."""
    if name is not None and name not in gx.METHODS:
        raise UsageError(f"no method {name!r}; methods: {', '.join(gx.METHODS)}")
    known = [
        {
            "name": method.name,
            "summary": method.summary,
            "uses_auxiliary": method.uses_auxiliary,
            "settings": _settings(method.Options.model_fields),
            "data_settings": _settings(gx.DATA_SETTINGS),
            "recipes": {kind: dict(recipe) for kind, recipe in method.recipes.items()},
        }
        for method in (gx.METHODS[one] for one in (gx.METHODS if name is None else (name,)))
    ]
    if name is None:
        human: list[rich.table.Table | str] = [
            table(
                "name",
                "auxiliary sensor",
                "summary",
                rows=[(one["name"], one["uses_auxiliary"], one["summary"]) for one in known],
            )
        ]
    else:
        human = [
            _settings_table("--set, the method", known[0]["settings"]),
            "",
            _settings_table("--set, its pixels (any method)", known[0]["data_settings"]),
            *_recipes(known[0]["recipes"]),
        ]
    Console(json).result({"methods": known}, *human)


def _settings(of: Mapping[str, FieldInfo]) -> list[dict[str, Any]]:
    return [
        {"name": key, "default": field.get_default(call_default_factory=True), "help": field.description}
        for key, field in of.items()
    ]


def _settings_table(title: str, settings: Any) -> rich.table.Table:
    return table(
        title,
        "default",
        "what it is",
        rows=[(one["name"], str(one["default"]), one["help"] or "") for one in settings],
    )


def _recipes(recipes: Any) -> list[str]:
    """How the defaults differ for a kind of target sensor."""
    return [
        f"from {kind}, by default: {' '.join(f'{key}={value}' for key, value in recipe.items())}"
        for kind, recipe in recipes.items()
    ]


def models(json: Json = False) -> None:
    """List the trained models that ship with the project."""
    found = gx.list_models()
    Console(json).result(
        {
            "models": [
                {"name": model.name, "folder": model.folder, "problem": model.problem}
                | ({} if model.card is None else describe_card(model.card))
                for model in found
            ]
        },
        table(
            "name",
            "method",
            "maps from",
            "trained on",
            "classes",
            rows=[
                (model.name, "unusable", model.problem, "", 0)
                if model.card is None
                else (
                    model.name,
                    model.card.method,
                    f"{model.card.target.modality}, {counted(len(model.card.statistics.bands), 'band')}",
                    model.card.trained_on,
                    len(model.card.classes),
                )
                for model in found
            ],
        )
        if found
        else "no models ship with this installation: train one with geo-xmodal train",
    )


def info(
    path: Annotated[
        str,
        typer.Argument(
            help="A scene, a GeoTIFF, a map, labels (GeoPackage, shapefile, KML, CSV ...), chips, a run "
            "or model folder, or a name."
        ),
    ],
    layer: Annotated[
        str | None, typer.Option(help="Layer of a vector file that has several, also as FILE:LAYER.")
    ] = None,
    allow_addresses: AllowAddresses = False,
    json: Json = False,
) -> None:
    """Say what a scene, raster, map, vector file, set of chips, run or model is."""
    console = Console(json)
    place = Path(path).expanduser()
    file, rest = gx.file_and_rest(str(place))
    if (todo := unfinished(place)) is not None and not inspecting.is_unfinished_run(place):
        problem = worded(todo, as_flag)
        console.result({"type": "unfinished", "path": place, "problem": problem}, f"{place} {problem}")
    elif place.is_dir() and ((place / "card.json").is_file() or (place / "model" / "card.json").is_file()):
        _show_card(gx.find_model(place), console, inspecting.accuracy_of(place))
    elif (place / "encoders" / "card.json").is_file() and unfinished(place) is None:
        pretraining.show_encoders(place, console)
    elif inspecting.is_unfinished_run(place):
        inspecting.show_unfinished_run(place, console)
    elif file.is_file() and file.suffix.lower() in gx.VECTOR_SUFFIXES:
        inspecting.show_vector(file, layer or rest or None, console)
    elif place.is_file() and place.name != "scene.toml":
        if inspecting.is_map(place):
            inspecting.show_map(place, console)
        else:
            _show_raster(place, console)
    elif place.is_dir() and not (place / "scene.toml").is_file() and gx.is_chip_folder(place):
        chips.show_chips(place, console)
    else:
        try:
            scene = gx.open_scene(path, addresses=allow_addresses)
        except GeoXmodalError:
            if place.exists() or not any(model.name == path for model in gx.list_models()):
                raise
            _show_card(gx.find_model(path), console)
        else:
            _show_scene(scene, console)


def describe_card(card: gx.Card) -> dict[str, Any]:
    """What a model is, for people: no statistics, no shapes."""
    return {
        "method": card.method,
        "target": {
            "modality": card.target.modality,
            "kind": card.target.kind,
            "sensor": card.target.sensor,
            "bands": card.statistics.bands,
        },
        "auxiliary": card.auxiliary,
        "margin": card.margin,
        "classes": [entry.model_dump() for entry in card.classes],
        "resolution": card.resolution,
        "resolution_unit": card.resolution_unit,
        "scene": card.scene,
        "simulated": card.simulated,
        **({"scenes": [one.model_dump() for one in card.scenes]} if card.scenes else {}),
        **({} if card.shares is None else {"shares": card.shares.model_dump()}),
        "transductive": card.transductive,
        "training": card.training,
    }


def _show_card(folder: Path, console: Console, accuracy: inspecting.RunMetrics | None = None) -> None:
    card = gx.read_card(folder)
    pixel = None
    if card.resolution is not None:
        pixel = f"{card.resolution[0]:g} x {card.resolution[1]:g} {card.resolution_unit}".rstrip()
    console.result(
        {
            "type": "model",
            "folder": folder,
            **describe_card(card),
            "accuracy": None if accuracy is None else accuracy.model_dump(),
        },
        fields(
            model=folder,
            method=card.method,
            maps_from=f"{card.target.modality} ({card.target.kind}) {card.target.sensor}".rstrip(),
            bands=", ".join(card.statistics.bands),
            trained_with=card.auxiliary,
            trained_on=card.trained_on,
            pixel=pixel,
            margin=f"{card.margin} pixels",
            class_shares=None
            if card.shares is None
            else f"{card.shares.default} ({gx.SHARE_CHOICES[card.shares.default]})",
            transductive=card.transductive or None,
            **({} if accuracy is None else accuracy.words()),
        ),
        _legend([(entry.id, entry.name, entry.color) for entry in card.classes]),
    )


def _show_raster(path: Path, console: Console) -> None:
    raster = gx.describe_raster(path)
    kind = raster.likely_kind()
    reader, assumptions, refused = _looked_at(path, kind or "other")
    likely = _likely_kind(raster) if kind is None else None
    if likely is not None:
        _, others, refused_as = _looked_at(path, likely)
        if refused_as is not None or likely == "embedding":
            as_kind = f"if it is {gx.KINDS[likely].title}"
            assumptions += [
                replace(one, text=f"{as_kind}: {one.text}") for one in others if one not in assumptions
            ]
            refused = refused or (refused_as and f"{as_kind}: {refused_as}")
    rows, cols = raster.block
    transform = tuple(raster.grid.affine)[:6]
    console.assumed(assumptions)
    if refused is not None:
        console.warn(f"would be refused: {refused}")
    console.result(
        {
            "type": "raster",
            "kind": kind,
            "refused": refused,
            "path": path,
            "width": raster.width,
            "height": raster.height,
            "count": raster.count,
            "dtype": raster.dtype,
            "crs": raster.crs,
            "transform": transform,
            "nodata": raster.nodata,
            "band_names": raster.band_names,
            "wavelengths": raster.wavelengths,
            "block": raster.block,
            "compression": raster.compression,
            "bytes": raster.bytes,
            "bands": [
                {
                    "name": band.name,
                    "wavelength": band.wavelength,
                    "unit": band.unit,
                    "scale": band.scale,
                    "offset": band.offset,
                }
                for band in reader.bands
            ],
            "mask": reader.masked,
            "alpha": raster.alpha,
            "control_points": raster.control_points,
            "control_points_crs": raster.control_points_crs,
            "rpc": raster.rpc,
            "assumptions": [str(one) for one in assumptions],
        },
        fields(
            raster=path,
            kind=kind or "not known: neither its name nor its bands tell what it measures",
            size=f"{raster.height} rows x {raster.width} columns, "
            f"{counted(raster.count, 'band')} of {raster.dtype}",
            crs=raster.crs or "none: its pixel grid is all that is known",
            pixel=_pixel(raster.grid),
            place=_place(raster),
            nodata="none said" if raster.nodata is None else plain_number(raster.nodata),
            bands=_shortened(raster.band_names),
            wavelengths=_wavelengths(reader.bands),
            stored=f"{raster.bytes:,} bytes in blocks of {rows} x {cols}",
            compression=raster.compression or "none",
            mask="inside the file" if reader.masked else None,
            alpha=_alpha(raster.alpha, reader.alpha),
        ),
        *_band_tables(reader.bands),
    )


def _looked_at(path: Path, kind: Kind) -> tuple[gx.AlignedReader, list[gx.Assumption], str | None]:
    """A raster read as a kind, what is taken for granted of it then, and why it would be refused."""
    reader = gx.aligned_reader(path)
    assumptions, refused = list(reader.assumptions), None
    try:
        reader = gx.aligned_reader(path, kind=kind)
        assumptions = list(reader.assumptions)
        assumptions = list(gx.checked_values(reader))
    except GeoXmodalError as error:  # what is wrong with its values is what `info` is asked for
        refused = str(error)
    try:
        infinite = gx.infinite_values(path)
    except GeoXmodalError as error:
        return reader, assumptions, refused or str(error)
    return reader, assumptions + ([] if infinite is None else [infinite]), refused


def _likely_kind(raster: gx.RasterInfo) -> Kind | None:
    """What a raster may measure of which no name tells it: asked about, never taken for it."""
    if raster.dtype == "int8" and raster.count >= _EMBEDDING_BANDS:
        return "embedding"
    return "sar" if raster.dtype.startswith("float") and raster.count <= _RADAR_BANDS else None


def _pixel(grid: GeoBox) -> str:
    """Height and width in units of the CRS, on the ground, and how rows run if not from north to south."""
    affine = grid.affine
    height, width = math.hypot(affine.b, affine.e), math.hypot(affine.a, affine.d)
    axes = [] if grid.crs is None else grid.crs.proj.axis_info
    name = axes[0].unit_name if axes else ""
    unit = _UNITS.get(name, name)
    size = f"{height:g} x {width:g} {unit}".rstrip()
    *ground, measured = gx.pixel_size(grid)
    if measured == "m" and (unit != "m" or not np.allclose(ground, (height, width), rtol=_ON_THE_GROUND)):
        size += f" ({ground[0]:.4g} x {ground[1]:.4g} m on the ground, in the middle)"
    if affine.b or affine.d:
        return f"{size}, the grid is turned"
    return size + (", rows from south to north" if affine.e > 0 and not affine.is_identity else "")


def _place(raster: gx.RasterInfo) -> str | None:
    """What tells where a raster without a CRS of its own lies."""
    if raster.control_points:
        crs = raster.control_points_crs or "no CRS"
        return f"{raster.control_points} ground control points ({crs}), followed with --warp-gcps"
    return "rational polynomial coefficients (RPC)" if raster.rpc else None


def _alpha(marked: int | None, used: int | None) -> str | None:
    if marked is None:
        return None
    return f"band {marked}, " + ("0 is no data" if used == marked else "taken as data")


def _wavelengths(bands: Sequence[gx.Band]) -> str:
    known = [band.wavelength for band in bands if band.wavelength is not None]
    if not known:
        return "none said"
    missing = tuple(band.name for band in bands if band.wavelength is None)
    what = f"{min(known):g} to {max(known):g} nm"
    return what + (f"; missing for {_shortened(missing)}" if missing else "")


def _band_tables(bands: Sequence[gx.Band]) -> list[rich.table.Table]:
    """Unit, scale and offset of every band, where any has one."""
    if not any(band.unit or band.tagged for band in bands):
        return []
    rows = [(band.name, band.unit, plain_number(band.scale), plain_number(band.offset)) for band in bands]
    return [table("band", "unit", "scale", "offset", rows=rows)]


def _show_scene(scene: gx.Scene, console: Console) -> None:
    height, width = scene.grid.shape
    crs = _crs_text(scene.grid)
    config = scene.config
    missing = set(scene.missing_modalities)
    labels = {split: source.file for split, source in config.labels.given()}
    grids = {name: _own_grid(scene, name) for name in config.modalities}
    report, problem = None, None
    try:
        report = gx.label_report(scene)
    except GeoXmodalError as error:  # a scene whose labels cannot be read may still be mapped
        problem = str(error)
    notes = (problem,) if report is None else report.notes()
    console.result(
        {
            "type": "scene",
            "name": scene.name,
            "folder": scene.folder,
            "source": scene.source,
            "simulated": scene.simulated,
            "description": config.description,
            "target": scene.target,
            "height": height,
            "width": width,
            "crs": crs,
            "transform": tuple(scene.grid.affine)[:6],
            "points": None if scene.points is None else scene.points.model_dump(),
            "modalities": [
                {
                    "name": name,
                    "kind": modality.kind,
                    "sensor": modality.sensor,
                    "file": modality.file,
                    "files": modality.files,
                    "present": name not in missing,
                    "own_grid": _grid_json(grids[name]),
                    "problem": grids[name] if isinstance(grids[name], str) else None,
                }
                for name, modality in config.modalities.items()
            ],
            "labels": labels,
            "classes": [{"id": land.id, "name": land.name, "color": land.color} for land in scene.classes],
            "label_counts": None if report is None else label_counts(report),
            "notes": notes,
        },
        fields(
            scene=f"{scene.name} ({'simulated' if scene.simulated else 'real'})",
            folder=scene.folder,
            description=config.description or None,
            grid=f"{height} rows x {width} columns",
            crs=crs or (None if scene.points else "none: the scene is on its pixel grid"),
            points=_points_text(scene),
            labels=", ".join(f"{split}: {file}" for split, file in labels.items()) or "none",
        ),
        table(
            "modality",
            "kind",
            "sensor",
            "file",
            "own grid",
            "use",
            rows=[
                (
                    name,
                    modality.kind,
                    modality.sensor,
                    f"{modality.named}{' (missing)' if name in missing else ''}",
                    _grid_text(grids[name], scene.grid),
                    "training and mapping" if name == scene.target else "training only",
                )
                for name, modality in config.modalities.items()
            ],
        ),
        _legend([(land.id, land.name, land.color) for land in scene.classes]),
        *([label_table(report)] if report is not None and report.sources else []),
        *(one_line(line) for line in notes if line),
        *(one_line(f"{name}: {grid}") for name, grid in grids.items() if isinstance(grid, str)),
    )


def _points_text(scene: gx.Scene) -> str | None:
    points = scene.points
    if points is None:
        return None
    return (
        f"{points.count:,} at {counted(points.places, 'place')}, listed in {points.file}: they train and "
        "test, and make no map"
    )


def _own_grid(scene: gx.Scene, name: str) -> GeoBox | str:
    """The grid that a sensor's files have, or why it cannot be told."""
    try:
        return scene.own_grid(name)
    except GeoXmodalError as error:
        return str(error)


def _grid_json(grid: GeoBox | str) -> dict[str, Any] | None:
    if isinstance(grid, str):
        return None
    return {
        "height": grid.shape[0],
        "width": grid.shape[1],
        "crs": _crs_text(grid),
        "transform": tuple(grid.affine)[:6],
    }


def _crs_text(grid: GeoBox) -> str | None:
    """`EPSG:n` where there is such a code, else WKT; None without CRS."""
    if grid.crs is None:
        return None
    return f"EPSG:{grid.crs.epsg}" if grid.crs.epsg else str(grid.crs.to_wkt())


def _grid_text(grid: GeoBox | str, of_scene: GeoBox) -> str:
    if isinstance(grid, str):
        return "not known"
    if gx.same_grid(grid, of_scene):
        return "the scene's"
    return f"{grid.shape[0]} x {grid.shape[1]}, pixels of {_pixel(grid)}"


def _legend(classes: list[tuple[int, str, str]]) -> Any:
    return table("id", "class", "colour", rows=classes) if classes else "no classes"


def _shortened(names: tuple[str, ...], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
