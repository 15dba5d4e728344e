"""View: maps, sensors and labels of a scene on one map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal.types import Kind, LandClass
from geo_xmodal_app import navigation, workspace
from geo_xmodal_app.area_tables import write_areas
from geo_xmodal_app.basemap_routes import ADDRESS as BASEMAP
from geo_xmodal_app.basemaps import own_basemap
from geo_xmodal_app.explanations import explained, maps_of
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.kept_areas import Area, show_areas
from geo_xmodal_app.layers import (
    Prepared,
    background_layer,
    explanation_layers,
    file_layer,
    map_layers,
    map_legend,
    scene_layers,
    target_file,
)
from geo_xmodal_app.messages import note, problem
from geo_xmodal_app.parts import choose, download, heading, scene_label
from geo_xmodal_app.remarks import shown_name
from geo_xmodal_app.sessions import current_session
from geo_xmodal_app.settings import settings
from geo_xmodal_app.sources import SourceFile, source_files
from geo_xmodal_app.texts import literal, plain
from geo_xmodal_app.viewer import (
    ChangeMatrix,
    Comparison,
    DrawnAreas,
    Layer,
    Viewport,
    ViewState,
    change_matrix,
    class_areas,
    last_state,
    legend_of_areas,
    view,
)
from geo_xmodal_app.waiting import show_waiting
from geo_xmodal_app.workspace import PICTURE, MapEntry, SceneEntry

HEIGHT = 600
_NONE = "none"


@dataclass(frozen=True)
class _Choice:
    """What is to be looked at."""

    first: MapEntry | None
    others: tuple[MapEntry, ...]
    scene: gx.Scene | None
    scene_id: str | None
    background: SourceFile | None


def show() -> None:
    """Show the page."""
    try:
        session = current_session()
        choice = _choose(session)
        if choice is None:
            return
        viewport = Viewport.of(_reference(choice))
        shown = _layers(session, choice)
        show_waiting(shown, lambda: _layers(session, _chosen(session)))
        if shown.layers:
            _map(session, choice, shown.layers, viewport)
    except GeoXmodalError as error:
        problem(error)


def _choose(session: str) -> _Choice | None:
    maps = {entry.id: entry for entry in workspace.finished_maps(session)}
    scenes = {entry.id: entry for entry in workspace.scenes(session) if entry.problem is None}
    if not maps and "scene" not in st.query_params:
        heading("View", "Maps, sensors and labels, in the scene's own coordinates.")
    labels = {id_: shown_name(entry.folder) for id_, entry in maps.items()}
    files = _rasters(session)
    columns = st.columns(4 if files else 3)
    with columns[0]:
        first = choose("view", "Map", labels, "map", empty="No map yet", first="scene" not in st.query_params)
    with columns[1]:
        others = {id_: name for id_, name in labels.items() if id_ != first}
        compared = {_NONE: "none", **others}
        second = choose("view", "Compare with", compared, "other", empty="none") if first else None
    more = {id_: name for id_, name in others.items() if id_ != second}
    if second in others and more:
        _form(first).ask(_series(more))
    _take_scene_of(maps.get(first or ""), scenes)
    with columns[2]:
        names = {id_: scene_label(entry) for id_, entry in scenes.items()}
        scene_id = choose("view", "Sensors and labels of", names, "scene", empty="Choose a scene")
    below = None
    if files:
        with columns[3]:
            below = choose(
                "view", "GeoTIFF as background", {id_: one.name for id_, one in files.items()}, "background",
                empty="none", help="One of your files, under everything else.",
            )  # fmt: skip
    if first is None and scene_id is None:
        st.info(
            "Choose a map, or a scene to look at its sensors. The quickest way to a map: the page **Map**, "
            "the model that comes with geo_xmodal, and the sample scene berlin.",
            icon=":material/map:",
        )
        if st.button("Make a map", type="primary"):
            navigation.go("map")
        return None
    scene = scenes[scene_id].opened() if scene_id is not None else None
    return _Choice(maps.get(first or ""), _others(maps, first), scene, scene_id, files.get(below or ""))


def _form(first: str | None) -> Form:
    return Form("view", first or "")


def _series(more: Mapping[str, str]) -> Field:
    return Field(
        "series", "choices", "More maps of the series", [], more,
        help="Swipe shows them by their dates, which are written on the page Project.",
    )  # fmt: skip


def _others(maps: Mapping[str, MapEntry], first: str | None) -> tuple[MapEntry, ...]:
    """The maps beside the first: that of the address, then the rest of the series."""
    second = st.query_params.get("other")
    if first is None or second not in maps or second == first:
        return ()
    wanted = dict.fromkeys((second, *(_form(first).value("series") or ())))
    return tuple(maps[id_] for id_ in wanted if id_ in maps and id_ != first)


def _rasters(session: str) -> Mapping[str, SourceFile]:
    return {id_: one for id_, one in source_files(session).items() if one.is_raster}


def _take_scene_of(entry: MapEntry | None, scenes: Mapping[str, SceneEntry]) -> None:
    """A map is shown with the scene that it was made from, unless the address names another."""
    if entry is not None and "scene" not in st.query_params and entry.about.get("scene") in scenes:
        st.query_params["scene"] = str(entry.about["scene"])


def _reference(choice: _Choice) -> gx.RasterInfo:
    if choice.first is not None:
        return gx.describe_raster(choice.first.classes)
    assert choice.scene is not None
    return target_file(choice.scene)


def _layers(session: str, choice: _Choice) -> Prepared:
    found = Prepared()
    if choice.first is not None:
        found += map_layers(session, choice.first, shown_name(choice.first.folder))
    for other in choice.others:
        if gx.describe_raster(other.classes).crs == _reference(choice).crs:
            found += map_layers(session, other, shown_name(other.folder), visible=False)
        else:
            found += Prepared(
                problems=(f"{shown_name(other.folder)} has another CRS: it cannot be laid over",)
            )
    if choice.first is not None:
        found += _mapped_file(session, choice.first, _reference(choice))
    if choice.scene is not None:
        if choice.scene.grid.crs == _reference(choice).grid.crs:
            found += _explanation(session, choice.scene_id)
            found += scene_layers(session, choice.scene, visible=choice.first is None)
        else:
            found += Prepared(problems=(f"scene {choice.scene.name} has another CRS than the map",))
    if choice.background is not None:
        below = choice.background
        found += background_layer(session, below.path, below.name, _reference(choice).grid)
    return found


def _explanation(session: str, scene_id: str | None) -> Prepared:
    """Where a model looks, of the run that the address names, over the scene that it was explained on."""
    run = workspace.run(session, st.query_params.get("explained") or "")
    if run is None or not explained(run) or run.about.get("scene") != scene_id:
        return Prepared()
    return explanation_layers(session, run.id, maps_of(run))


def _mapped_file(session: str, entry: MapEntry, reference: gx.RasterInfo) -> Prepared:
    """The file that a map was made from, under it; nothing where it was a scene, or the file is gone."""
    one = source_files(session).get(str(entry.about.get("file") or ""))
    if one is None:
        return Prepared()
    if gx.describe_raster(one.path).crs != reference.crs:
        return Prepared(problems=(f"{one.name} has another CRS than its map: it cannot be laid under it",))
    kinds: dict[object, Kind] = {kind: kind for kind in gx.KINDS}
    return file_layer(session, one.path, one.name, kinds.get(entry.about.get("kind"), "other"))


def _chosen(session: str) -> _Choice:
    """What the address names; for the fragment, which draws no fields."""
    scene = workspace.scene(session, st.query_params.get("scene"))
    maps = {entry.id: entry for entry in workspace.finished_maps(session)}
    first = st.query_params.get("map")
    return _Choice(
        maps.get(first or ""),
        _others(maps, first),
        None if scene is None else scene.opened(),
        None if scene is None else scene.id,
        _rasters(session).get(st.query_params.get("background") or ""),
    )


def _map(session: str, choice: _Choice, layers: tuple[Layer, ...], viewport: Viewport) -> None:
    entries = (*([] if choice.first is None else [choice.first]), *choice.others)
    paths = {f"map-{entry.id}": entry.classes for entry in entries}
    legends = {id_: map_legend(path) for id_, path in paths.items()}
    key = f"viewer-{choice.first.id if choice.first else ''}-{choice.scene_id or ''}"
    state = last_state(key, layers, viewport)
    laid = {id_: path for id_, path in paths.items() if id_ in {layer.id for layer in layers}}
    drawn = _drawn(state, laid, legends)
    comparison = _comparison(state, paths, legends)
    state = view(
        layers,
        viewport,
        key,
        drawn=drawn,
        comparison=comparison,
        still=_still(choice.first),
        basemap=settings().basemap,
        own=own_basemap(session),
        own_address=BASEMAP,
        height=HEIGHT,
    )
    for name, why in state.refused.items():
        if name != "area":  # which the viewer itself says
            note(f"{name}: {why}")
    area = None if state.area is None else Area(state.area, _reference(choice).grid)
    show_areas(session, area, "view")
    _tables(session, paths, legends, drawn, comparison)


def _drawn(
    state: ViewState, paths: Mapping[str, Path], legends: Mapping[str, tuple[LandClass, ...]]
) -> DrawnAreas | None:
    if state.area is None:
        return DrawnAreas({}, state.refused["area"]) if "area" in state.refused else None
    try:
        return DrawnAreas({id_: class_areas(path, legends[id_], state.area) for id_, path in paths.items()})
    except GeoXmodalError as error:
        return DrawnAreas({}, plain(str(error)))


def _comparison(
    state: ViewState, paths: Mapping[str, Path], legends: Mapping[str, tuple[LandClass, ...]]
) -> Comparison | None:
    if state.compare is None or not set(state.compare) <= set(paths):
        return None
    before, after = state.compare
    try:
        matrix = change_matrix(paths[before], paths[after], legends[before], state.area)
    except GeoXmodalError as error:
        return Comparison(state.compare, None, plain(str(error)))
    return Comparison(state.compare, matrix)


def _still(entry: MapEntry | None) -> bytes | None:
    if entry is None or not (entry.folder / PICTURE).is_file():
        return None
    return (entry.folder / PICTURE).read_bytes()


def _tables(
    session: str,
    paths: Mapping[str, Path],
    legends: Mapping[str, tuple[LandClass, ...]],
    drawn: DrawnAreas | None,
    comparison: Comparison | None,
) -> None:
    for id_, path in paths.items():
        name = id_.removeprefix("map-")
        st.subheader(f"Class areas of {literal(name)}", anchor=False)
        areas = class_areas(path, legends[id_])
        rows = legend_of_areas(areas, legends[id_])
        _area_table(rows)
        out = write_areas(rows, path.with_name("areas.csv"))
        download(session, out, "other", "Areas (CSV)", f"{name}_areas.csv")
        if drawn is not None and id_ in drawn.areas:
            st.caption("In the area that was drawn")
            rows = legend_of_areas(drawn.areas[id_], legends[id_])
            _area_table(rows)
            out = write_areas(rows, path.with_name("areas_drawn.csv"))
            download(session, out, "other", "Areas in what was drawn (CSV)", f"{name}_areas_drawn.csv")
    if comparison is not None and comparison.matrix is not None:
        before, after = comparison.pair
        st.subheader("What changed", anchor=False)
        matrix = comparison.matrix
        share = matrix.agreeing / max(matrix.compared, 1)
        st.caption(
            f"Rows: {literal(before.removeprefix('map-'))}. Columns: {literal(after.removeprefix('map-'))}. "
            f"{share:.1%} of {matrix.compared:,} pixels have the same class in both."
        )
        _matrix_table(matrix, legends[before])


def _area_table(rows: list[dict[str, object]]) -> None:
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        column_config={
            "pixels": st.column_config.NumberColumn(format="localized"),
            "hectares": st.column_config.NumberColumn(format="%.2f"),
            "percent": st.column_config.NumberColumn(format="%.2f %%"),
        },
    )


def _matrix_table(matrix: ChangeMatrix, legend: tuple[LandClass, ...]) -> None:
    names = {entry.id: entry.name for entry in legend}
    cells = matrix.hectares or matrix.pixels
    st.dataframe(
        [
            {"class": names.get(row, str(row))}
            | {names.get(col, str(col)): value for col, value in zip(matrix.after, values, strict=True)}
            for row, values in zip(matrix.before, cells, strict=True)
        ],
        hide_index=True,
        height="content",
    )
    st.caption("Hectares" if matrix.hectares else "Pixels")
