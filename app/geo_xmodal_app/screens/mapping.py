"""Map: a model and a scene, or a GeoTIFF of the same sensor, to a land-cover map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError, ValueRangeError
from geo_xmodal.requests import MapRequest
from geo_xmodal_app import navigation, workspace
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.findings import show_assumed
from geo_xmodal_app.images import show_image
from geo_xmodal_app.layers import map_assumptions
from geo_xmodal_app.messages import note, problem
from geo_xmodal_app.parts import (
    ORIGINS,
    ask_layer,
    asked_or_shown,
    choose,
    command_line,
    earlier,
    heading,
    is_active,
    job_of,
    removal,
    scene_label,
    shown_command,
    start,
    state_words,
    uploaded,
    watch,
)
from geo_xmodal_app.remarks import shown_name
from geo_xmodal_app.request_fields import given, option_fields, option_labels
from geo_xmodal_app.shares import Shares, ask_shares
from geo_xmodal_app.sources import area_files, source_files
from geo_xmodal_app.texts import literal
from geo_xmodal_app.uploader import upload_files
from geo_xmodal_app.vector_hints import ask_hints, hint_options
from geo_xmodal_app.workspace import MAP, PICTURE, MapEntry

_SCENE, _FILE = "A scene", "A GeoTIFF"
_EVERYWHERE = "everywhere"
_ANY_VALUES = MapRequest.describe()["any_values"].option.label
_FIELDS = {
    **option_labels(MapRequest),
    "any_values": f"'{_ANY_VALUES}' below",
    "bands": "'Bands, in the model's order'",
    "input": f"'{_FILE}'",
    "scale=db": "'Values are: decibels'",
}
"""What the page calls an option that a message names."""


@dataclass(frozen=True)
class _Input:
    """What is to be mapped, as the request has it, and the name for its map."""

    reader: gx.WindowReader
    asked: Mapping[str, Any]
    name: str
    scene: str | None
    file: str | None
    names: Mapping[Path, str]


def show() -> None:
    """Show the page: one map in work, or what is to be mapped."""
    heading("Map", "A model and its sensor are all that a map needs; the auxiliary sensor may be absent.")
    asked_or_shown("map", "map", _ask, workspace.find_map, _progress)


def _ask(session: str) -> None:
    _earlier(session)
    left, right = st.columns(2)
    with left.container(border=True, height="stretch"):
        st.markdown("##### Model")
        card, folder, model_name = _model(session)
    with right.container(border=True, height="stretch"):
        st.markdown("##### What to map")
        chosen = None if card is None else _input(session, card)
    if card is None or folder is None or chosen is None:
        return
    areas = {one.path: one.name for one in area_files(session).values()}
    try:
        part = _with_area(session, chosen)
        if part is None:
            return
        chosen = part
        crs = next(iter(chosen.asked.get("assign_crs", ())), None)
        fitted = gx.fit_input(chosen.reader, card, area=chosen.asked.get("area"), assign_crs=crs)
        fit, chosen = _fit(card, fitted.reader, chosen)
    except GeoXmodalError as error:
        problem(error, {**areas, **chosen.names}, _FIELDS)
        return
    if fit is None:
        return
    for line in (*fitted.notes, *fit.warnings):
        note(line)
    files = {path.name: name for path, name in chosen.names.items()}
    show_assumed([f"{files.get(one.source, one.source)}: {one.text}" for one in fit.assumptions])
    _start(session, card, folder, model_name, chosen)


def _with_area(session: str, chosen: _Input) -> _Input | None:
    """The part of an input that is to be mapped: polygons of a file, and of a layer where it has several.

    None while it is not answered where they lie.
    """
    files = area_files(session)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        picked = choose(
            "map",
            "Only within",
            {_EVERYWHERE: _EVERYWHERE, **{id_: one.name for id_, one in files.items()}},
            "area",
            first=True,
            help="Polygons of any CRS; pixels whose centre lies outside stay without a class.",
        )
    with right.popover("Upload polygons", icon=":material/upload:", width="stretch"):
        upload_files("Polygons (GeoPackage, GeoJSON, zipped shapefile, KML)", "area", key="map-area")
        uploaded(session, "area", "labels")
    if picked is None or picked == _EVERYWHERE:
        return chosen
    one = files[picked]
    chosen = replace(chosen, names={**chosen.names, one.path: one.name})
    form = Form("map", picked)
    layer = ask_layer(form, left, gx.layer_names(one.path), "layer")
    crs = chosen.reader.grid.crs
    known = {f"EPSG:{crs.epsg}": "as what is mapped"} if crs is not None and crs.epsg else {}
    told = ask_hints(form, one.path, one.name, layer, known)
    if told is None:
        return None
    area = f"{one.path}:{layer}" if layer else str(one.path)
    return replace(chosen, asked={**chosen.asked, "area": area, **hint_options(told)})


def _fit(card: gx.Card, reader: gx.WindowReader, chosen: _Input) -> tuple[gx.Fit | None, _Input]:
    """How the model takes the input, which may be asked otherwise; None while it does not take its values."""
    try:
        return gx.check_fit(card, reader), chosen
    except ValueRangeError as error:
        refusal = st.container()
        form = Form("map", f"{card.weights_sha256} {chosen.asked}")
        if form.ask(Field("any values", "flag", _ANY_VALUES, False), look="checkbox"):
            chosen = replace(chosen, asked={**chosen.asked, "any_values": True})
            return gx.check_fit(card, reader, any_values=True), chosen
        with refusal:
            problem(error, chosen.names, _FIELDS)
        return None, chosen


def _start(session: str, card: gx.Card, folder: Path, model_name: str, chosen: _Input) -> None:
    shares = Shares()
    if card.shares is not None:
        default = f"what the model's card says: {gx.SHARE_CHOICES[card.shares.default]}"
        shares = ask_shares(default, card.legend, Form("map", card.weights_sha256))
    if shares.problem:
        problem(shares.problem)
        return
    form = Form("map")
    fields = option_fields(MapRequest, {**dict.fromkeys(_OWN), **chosen.asked})
    probability = replace(fields.pop("probability"), default=True)
    values = form.ask_all(fields.values())
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    values["probability"] = form.ask(probability, right)
    values = {"model": str(folder), **chosen.asked, **given(values)}
    wanted = model_name if model_name.startswith(chosen.name) else f"{chosen.name}-{model_name}"
    names = {folder: model_name, **chosen.names}
    shown = MapRequest.checked({**values, **shares.asked, **_outputs(Path())})
    line = shown_command(shown.argv(), session, names)
    with left:
        command_line(line)
    if right.button("Start mapping", type="primary", width="stretch", icon=":material/play_arrow:"):
        asked = {
            "model": model_name,
            "input": chosen.name,
            "scene": chosen.scene,
            "file": chosen.file,
            "kind": card.target.kind,
            "command": line,
        }
        item = workspace.new_item(session, "maps", wanted, asked)
        request = MapRequest.checked({**values, **shares.written(item), **_outputs(item)})
        if start(session, f"Map {chosen.name} with {model_name}", request.argv(), item):
            navigation.go("map", map=item.name)


_OWN = ("model", "scene", "inputs", "bands", "scale", "area", "any_values", "shares", "picture", "out")
"""What this page asks for in its own way, or decides."""


def _outputs(folder: Path) -> dict[str, Any]:
    return {"out": folder / MAP, "picture": folder / PICTURE}


def _model(session: str) -> tuple[gx.Card | None, Path | None, str]:
    entries = {entry.id: entry for entry in workspace.models(session)}
    labels = {id_: f"{entry.name} ({ORIGINS[entry.origin]})" for id_, entry in entries.items()}
    picked = choose("map", "Model", labels, "model", first=True)
    with st.popover("Upload a model", icon=":material/upload:"):
        st.caption("A zip of `model.safetensors` and `card.json`: the folder `model/` of a run.")
        upload_files("Model (zip)", "bundle", key="map-bundle")
        uploaded(session, "bundle")
    if picked is None:
        st.caption("Choose one; your own come from the page **Train**.")
        return None, None, ""
    try:
        card = entries[picked].card()
    except GeoXmodalError as error:
        problem(error)
        return None, None, ""
    bands = len(card.statistics.bands)
    st.caption(
        f"Maps from {literal(card.target.modality)} ({card.target.kind}, {bands} bands) to "
        f"{len(card.classes)} classes · method {literal(card.method)} · trained on {literal(card.scene)}"
        f"{' (simulated)' if card.simulated else ''}"
    )
    return card, entries[picked].folder, entries[picked].name


def _input(session: str, card: gx.Card) -> _Input | None:
    which = _which()
    try:
        return _from_scene(session, card) if which == _SCENE else _from_file(session, card)
    except GeoXmodalError as error:
        names = {one.path: one.name for one in source_files(session).values()}
        problem(error, names, _FIELDS)
        return None


def _which() -> str:
    """Whether a scene or a file is mapped: what the address names, until somebody picks the other."""
    form = Form("map")
    form.put("input", _FILE if "file" in st.query_params else _SCENE)

    def changed() -> None:
        here, away = ("file", "scene") if form.value("input") == _FILE else ("scene", "file")
        st.query_params.pop(away, None)
        st.query_params[here] = form.value(here) or ""

    asked = Field("input", "choice", "Input", choices={_SCENE: _SCENE, _FILE: _FILE})
    picked: str = form.ask(asked, look="buttons", hide_label=True, changed=changed)
    return picked


def _from_scene(session: str, card: gx.Card) -> _Input | None:
    entries = {entry.id: entry for entry in workspace.scenes(session) if entry.problem is None}
    labels = {id_: scene_label(entry) for id_, entry in entries.items()}
    picked = choose("map", "Scene", labels, "scene", first=True)
    if picked is None:
        st.caption("Choose a scene; your own come from the page **Scenes**.")
        return None
    entry = entries[picked]
    scene = entry.opened()
    reader = scene.reader(gx.target_modality(scene, card))
    height, width = scene.grid.shape
    st.caption(f"{height} rows x {width} columns, mapped from {literal(gx.target_modality(scene, card))}")
    asked = {"scene": str(entry.folder)}
    return _Input(reader, asked, entry.name, entry.id, None, {entry.folder: entry.name})


def _from_file(session: str, card: gx.Card) -> _Input | None:
    files = {id_: one for id_, one in source_files(session).items() if one.is_raster and not one.labels}
    picked = choose("map", "GeoTIFF", {id_: one.name for id_, one in files.items()}, "file")
    with st.popover("Upload a GeoTIFF", icon=":material/upload:"):
        upload_files("GeoTIFF", "raster", key="map-raster")
        uploaded(session, "raster")
    if picked is None:
        return None
    one = files[picked]
    info = gx.describe_raster(one.path)
    numbers = list(range(1, info.count + 1))
    wanted = len(card.statistics.bands)
    named = set(card.statistics.bands) <= set(info.band_names)  # the model finds them by name
    form = Form("map", f"{card.weights_sha256} {picked}")
    kind = info.likely_kind(Path(one.name).stem)
    if kind not in (None, card.target.kind):
        title = gx.KINDS[card.target.kind].title
        refusal = st.container()
        if not form.ask(Field("kind", "flag", f"It is {title} all the same", False), look="checkbox"):
            with refusal:
                problem(
                    f"{one.name}: its name or bands are those of {gx.KINDS[kind].title}, and the model maps "
                    f"from {title}: choose another file or another model"
                )
            return None
    bands = form.ask(
        Field(
            "bands",
            "choices",
            f"Bands, in the model's order ({literal(', '.join(card.statistics.bands[:6]))})",
            numbers if named else numbers[:wanted],
            {band: f"{band} {info.band_names[band - 1]}" for band in numbers},
        )
    )
    decibel = False
    if gx.KINDS[card.target.kind].power:
        decibel = form.ask(_SCALE, look="radio") == "db"
    some = bands if bands and bands != numbers else None
    reader = gx.map_input([one.path], card, bands=some, decibel=decibel, pixels="own").reader
    asked: dict[str, Any] = {"inputs": (str(one.path),)}
    asked |= {"bands": ",".join(map(str, some))} if some else {}
    asked |= {"scale": "db"} if decibel else {}
    return _Input(reader, asked, Path(one.name).stem, None, picked, {one.path: one.name})


_SCALE = Field("scale", "choice", "Values are", "linear", {"linear": "linear power", "db": "decibels"})


def _earlier(session: str) -> None:
    entries = {entry.id: entry for entry in workspace.maps(session)}

    def line(entry: MapEntry) -> str:
        made = (
            f"{literal(str(entry.about.get('input', '')))} with {literal(str(entry.about.get('model', '')))}"
        )
        state = state_words(session, entry.folder, entry.finished)
        return f"**{literal(shown_name(entry.folder))}** · {made}{state}"

    earlier(
        "Your maps",
        {id_: line(entry) for id_, entry in entries.items()},
        lambda id_: navigation.go("view" if entries[id_].finished else "map", map=id_),
    )


def _progress(session: str, found: MapEntry) -> None:
    title, back = st.columns([5, 1], vertical_alignment="center")
    title.subheader(literal(found.id), anchor=False)
    if back.button("New map", icon=":material/add:", width="stretch"):
        navigation.go("map")
    job = job_of(session, found.folder)
    if job is not None and (is_active(job) or not found.finished):
        watch(session, job)
    elif not found.finished:
        problem("this map was interrupted, and no job is there to resume; start it anew")
    if found.finished and (job is None or not is_active(job)):
        _finished(found)
    command_line(str(found.about.get("command", "")))
    removal(session, "maps", found.folder, "map", job)


def _finished(found: MapEntry) -> None:
    st.success("The map is ready.", icon=":material/check:")
    left, right, third = st.columns(3)
    if third.button("Validate", width="stretch", icon=":material/fact_check:"):
        navigation.go("validate", map=found.id)
    if left.button("Open in the viewer", type="primary", width="stretch", icon=":material/travel_explore:"):
        navigation.go("view", map=found.id)
    if right.button("Download", width="stretch", icon=":material/download:"):
        navigation.go("files", map=found.id)
    show_assumed(map_assumptions(found.classes))
    if (found.folder / PICTURE).is_file():
        show_image(found.folder / PICTURE, f"Map {found.id} with its legend", 760)
