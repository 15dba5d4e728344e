"""The way to a new scene: files, what they turn out to be, classes and split, and the job that aligns."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal_app import navigation, workspace
from geo_xmodal_app.drafts import ROOM as DRAFTS
from geo_xmodal_app.drafts import (
    SCENE,
    ClassEdit,
    Draft,
    DraftFile,
    Role,
    SceneEdits,
    SplitEdit,
    align_words,
    keep_edits,
    load_draft,
    same_twice,
    save_draft,
)
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.findings import legend_entries, show_findings
from geo_xmodal_app.inspection import (
    LabelFinding,
    RasterFinding,
    assumed_of,
    inspect_labels,
    inspect_raster,
    is_vector,
    looks_decibel,
)
from geo_xmodal_app.messages import note, problem
from geo_xmodal_app.parts import ask_layer, command_line, heading, shown_command, start
from geo_xmodal_app.sessions import session_folder
from geo_xmodal_app.sources import SourceFile, source_files
from geo_xmodal_app.texts import literal
from geo_xmodal_app.uploader import upload_files
from geo_xmodal_app.uploads import uploads
from geo_xmodal_app.vector_hints import ask_hints
from geo_xmodal_app.zero_class import with_zero_class

_SENSOR_ROLES: tuple[Role, ...] = ("sensor", "unused")
_LABEL_ROLES: tuple[Role, ...] = ("labels", "train labels", "test labels", "unused")
_OPTIONS: dict[Role, str] = {
    "labels": "labels",
    "train labels": "train-labels",
    "test labels": "test-labels",
}
_RASTER_LABEL_ROLES: tuple[Role, ...] = ("sensor", *_LABEL_ROLES)
_MAX_FIELDS = 60
_PAGE = "new scene"
_SCALES = {"linear": "linear power", "db": "decibels"}


@dataclass(frozen=True)
class _Found:
    """What the draft's files turned out to be, and what is taken for granted about them."""

    sensors: Mapping[str, RasterFinding]
    labels: Mapping[str, LabelFinding]
    assumed: tuple[str, ...]
    whole: bool


def show(session: str, id_: str) -> None:
    """Show the wizard with a draft."""
    title, back = st.columns([5, 1], vertical_alignment="center")
    with title:
        heading(
            "New scene", "Two sensors over one place, and labels. Files may differ in CRS and pixel size."
        )
    if back.button("All scenes", width="stretch"):
        navigation.go("scenes")
    draft = _files(session, id_, load_draft(session, id_))
    save_draft(session, id_, draft)
    names = {one.path: one.name for one in source_files(session).values()}
    used = {id_: one for id_, one in source_files(session).items() if id_ in draft.files}
    zero = Form(_PAGE, id_).value("zero")
    draft = draft if zero is None else draft.model_copy(update={"zero": zero})
    found = _inspect(session, id_, draft, used, names)
    if not found.sensors:
        st.info(
            "Upload a GeoTIFF of each sensor: the one that will map (often SAR or multispectral, it covers "
            "everything), and the one that helps in training (often hyperspectral, it may cover a part).",
            icon=":material/upload_file:",
        )
        return
    _ask_zero(id_, draft, found)
    legend = _legend(draft, found)
    st.subheader("2. What was found", anchor=False)
    chosen: str = Form(_PAGE, id_).value("target") or draft.target or ""
    target = chosen if chosen in found.sensors else _likely_target(draft, found)
    others = _others(draft, found, target)
    met = show_findings(
        found.sensors[target],
        [found.sensors[id_] for id_ in others],
        list(found.labels.values()),
        legend,
        found.assumed,
    )
    st.subheader("3. The scene", anchor=False)
    draft = _choices(id_, draft, found, legend, target)
    save_draft(session, id_, draft)
    if not others:
        st.info(
            "With one sensor, auto, forest, cnn and svm train and map. Add the sensor that helps in training "
            "for the other methods.",
            icon=":material/info:",
        )
    if met and found.whole and (legend or not found.labels):
        _make(session, id_, draft, found, target, others, legend, names)


def _files(session: str, id_: str, draft: Draft) -> Draft:
    st.subheader("1. Files", anchor=False)
    left, right = st.columns(2)
    with left:
        sensors = upload_files(
            "Sensor (GeoTIFF)", "raster", key=f"scene-sensor {id_}", help="One file a sensor."
        )
    with right:
        labels = upload_files(
            "Labels (GeoTIFF, GeoPackage, GeoJSON, zipped shapefile, KML, CSV)",
            "labels",
            key=f"scene-labels {id_}",
            help="Class ids, or polygons and points with a class column; several files are one set.",
        )
    offered = source_files(session)
    form = Form(_PAGE, id_)
    chosen = [file for file in form.value("files") or draft.files if file in offered]
    fresh = [f"upload:{one.id}" for one in (*sensors, *labels) if one.id not in draft.uploads]
    if fresh:
        chosen += [file for file in fresh if file in offered and file not in chosen]
        form.put("files", chosen)
    if offered:
        names = {file: one.name for file, one in offered.items()}
        asked = Field("files", "choices", "Files of this scene", chosen, names, help=_FILES)
        chosen = form.ask(asked, placeholder="Upload files, or choose among those that are here")
    files = {}
    for one in (offered[file] for file in chosen):
        before = draft.files.get(one.id) or _first_guess(one)
        files[one.id] = _file_row(session, id_, one, before, _known_crs(offered, draft))
    seen = {*draft.uploads, *(one.id for one in (*sensors, *labels))}
    return draft.model_copy(update={"files": files, "uploads": tuple(sorted(seen))})


_FILES = "Your uploads, and what lies in the data folders of this server."


def _first_guess(one: SourceFile) -> DraftFile:
    if not one.labels and "label" not in one.name.lower():
        return DraftFile(role="sensor", kind=gx.guess_kind(Path(one.name).stem))
    stem = Path(one.name).stem.lower()
    role: Role = "train labels" if "train" in stem else "test labels" if "test" in stem else "labels"
    return DraftFile(role=role)


def _file_row(
    session: str, id_: str, one: SourceFile, before: DraftFile, known: Mapping[str, str]
) -> DraftFile:
    name, role_field, what, remove = st.columns([4, 2, 2.4, 0.6], vertical_alignment="center")
    name.markdown(f":material/{'pentagon' if is_vector(one.name) else 'grid_on'}: {literal(one.name)}")
    roles = _LABEL_ROLES if is_vector(one.name) else _RASTER_LABEL_ROLES if one.labels else _SENSOR_ROLES
    if not one.labels and one.id.startswith("data:"):
        roles = _RASTER_LABEL_ROLES
    form = Form(_PAGE, f"{id_} {one.id}")
    start = before.role if before.role in roles else roles[0]
    asked = Field("role", "choice", "Use", start, {role: role for role in roles})
    role: Role = form.ask(asked, role_field, hide_label=True)
    kind, layer, column = before.kind, before.layer, before.column
    hints: gx.VectorHints | None = gx.VectorHints()
    if role == "sensor":
        titles = {key: known.title for key, known in gx.KINDS.items()}
        asked = Field("kind", "choice", "Kind", kind, titles)
        kind = form.ask(asked, what, hide_label=True, placeholder="What it measures")
    elif role != "unused" and is_vector(one.name):
        layer = _layer(form, what, one, layer)
        hints = _hints(form, one, layer, before, known)
        column = None if hints is None else _column(form, what, one, layer, column, hints)
    if one.id.startswith("upload:") and remove.button(
        "", icon=":material/delete:", key=f"remove-{one.id}", help="Remove this upload"
    ):
        uploads().remove(session, one.id.removeprefix("upload:"))
        st.rerun()
    told = hints or gx.VectorHints()
    return DraftFile(
        role=role,
        kind=kind,
        layer=layer,
        column=column,
        crs=told.crs,
        coordinates=told.coordinates,
        pending=hints is None,
    )


def _known_crs(offered: Mapping[str, SourceFile], draft: Draft) -> dict[str, str]:
    """CRS of the draft's sensors, and whose they are."""
    known: dict[str, str] = {}
    for id_, one in offered.items():
        if id_ in draft.files and draft.files[id_].role == "sensor":
            try:
                crs = inspect_raster(one.path, one.name).info.crs
            except GeoXmodalError:
                continue  # what is wrong is said with the other findings
            if crs and crs.startswith("EPSG:"):
                known.setdefault(crs, f"as {one.name}")
    return known


def _hints(
    form: Form, one: SourceFile, layer: str | None, before: DraftFile, known: Mapping[str, str]
) -> gx.VectorHints | None:
    try:
        return ask_hints(
            form, one.path, one.name, layer, known, gx.VectorHints(before.crs, before.coordinates)
        )
    except GeoXmodalError:
        return gx.VectorHints()  # what is wrong is said with the other findings


def _layer(form: Form, place: DeltaGenerator, one: SourceFile, before: str | None) -> str | None:
    try:
        layers = gx.layer_names(one.path)
    except GeoXmodalError:
        return before  # what is wrong is said with the other findings
    return ask_layer(form, place, layers, "layer", before or "")


def _column(
    form: Form,
    place: DeltaGenerator,
    one: SourceFile,
    layer: str | None,
    before: str | None,
    hints: gx.VectorHints,
) -> str | None:
    try:
        columns = list(gx.open_layer(one.path, layer, hints).columns)
    except GeoXmodalError:
        return before  # what is wrong is said with the other findings
    if before not in columns:
        try:
            before = inspect_labels(one.path, one.name, layer=layer, hints=hints).column
        except GeoXmodalError:
            before = None
    names = {column: column for column in columns}
    asked = Field(f"column of {layer}", "choice", "Class column", before, names)
    column: str | None = form.ask(asked, place, hide_label=True, placeholder="Column of classes")
    return column


def _inspect(
    session: str, id_: str, draft: Draft, used: Mapping[str, SourceFile], names: dict[Path, str]
) -> _Found:
    """Everything that can be read; what cannot is said at once."""
    sensors, labels, whole = {}, {}, True
    assumed: list[str] = []
    for file, one in used.items():
        role = draft.files[file].role
        try:
            if role == "sensor":
                kind = draft.files[file].kind or "other"
                assumed += assumed_of(one.path, one.name, kind, draft.scale == "db")
                sensors[file] = inspect_raster(one.path, one.name)
            elif role != "unused":
                asked = draft.files[file]
                path = one.path
                if draft.zero and not is_vector(one.name):
                    folder = session_folder(session, DRAFTS, id_)
                    path = with_zero_class(
                        path, folder / f"labels-{hashlib.sha256(file.encode()).hexdigest()[:16]}.tif"
                    )
                    names[path] = one.name
                if asked.pending:
                    whole = False
                    note(f"{one.name}: its labels are used once you have answered what is asked above")
                    continue
                hints = gx.VectorHints(asked.crs, asked.coordinates)
                labels[file] = inspect_labels(path, one.name, asked.column, asked.layer, hints)
        except GeoXmodalError as error:
            whole = False
            problem(error, names)
    return _Found(sensors, labels, tuple(assumed), whole)


def _likely_target(draft: Draft, found: _Found) -> str:
    """The sensor that maps while nobody says which: the first of those least wanted as auxiliary."""
    return max(found.sensors, key=lambda file: gx.KINDS[draft.files[file].kind or "other"].auxiliary)


def _others(draft: Draft, found: _Found, target: str) -> list[str]:
    """The other sensors, in the order in which `align` takes them."""
    rest = [file for file in found.sensors if file != target]
    order = list(gx.KINDS)
    return sorted(rest, key=lambda file: order.index(draft.files[file].kind or "other"))


def _ask_zero(id_: str, draft: Draft, found: _Found) -> None:
    """Offer 0 as a class where rasters of labels hold one other value alone, as masks do."""
    rasters = [one for one in found.labels.values() if not is_vector(one.name)]
    values = {value for one in found.labels.values() for value in one.counts}
    if not rasters or not (draft.zero or len(values) < 2):
        return
    if not draft.zero:
        note(
            f"{rasters[0].name}: 0 means no label, and beside it there is one class alone: two are needed to "
            "train"
        )
    asked = Field("zero", "flag", "0 is a class", draft.zero, help="Say so of a mask of 0 and 1.")
    Form(_PAGE, id_).ask(asked)


def _legend(draft: Draft, found: _Found) -> list[tuple[str, str, str]]:
    """Value, name and colour of every class: as edited, else as the labels have it."""
    if not found.labels:
        return []
    where = ", ".join(one.name for one in found.labels.values())
    try:
        classes, ids = gx.legend_of(_values(draft, found), where)
    except GeoXmodalError as error:
        problem(error)
        return []
    values = {id_: value for value, id_ in ids.items()}
    legend = []
    for entry in classes:
        value = values[entry.id]
        # what the file says, which was raised by one
        given = f"value {int(value) - 1}" if draft.zero and value.isdecimal() else entry.name
        name, color = draft.classes.get(value, (given, entry.color))
        legend.append((value, name, color))
    return legend


def _values(draft: Draft, found: _Found) -> list[str]:
    """Values of all labels in the order in which `align` meets them."""
    by_role = sorted(found.labels, key=lambda file: list(_OPTIONS).index(draft.files[file].role))
    return [value for file in by_role for value in found.labels[file].counts]


def _merged(legend: list[tuple[str, str, str]]) -> dict[str, str]:
    """Value to the name of its class, where several values are one class; empty where a value is left out."""
    times = Counter(name.casefold() for _, name, _ in legend)
    first = {name.casefold(): name for _, name, _ in reversed(legend)}
    return {
        value: first[name.casefold()] for value, name, _ in legend if not name or times[name.casefold()] > 1
    }


def _choices(id_: str, draft: Draft, found: _Found, legend: list[tuple[str, str, str]], target: str) -> Draft:
    name_field, target_field, scale_field = st.columns(3)
    stem = Path(next(iter(found.sensors.values())).name).stem
    form = Form(_PAGE, id_)
    name = form.ask(Field("name", "text", "Name of the scene", draft.name or f"{stem}-scene"), name_field)
    ids = list(found.sensors)
    form.ask(
        Field(
            "target", "choice", "Target sensor", target, {id_: found.sensors[id_].name for id_ in ids},
            help="The sensor that maps; the scene gets its grid.",
        ),
        target_field,
    )  # fmt: skip
    radar = [id_ for id_ in ids if gx.KINDS[draft.files[id_].kind or "other"].power]
    scale: Literal["linear", "db"] | None = None
    if radar:
        decibel = draft.scale == "db" or (draft.scale is None and looks_decibel(found.sensors[radar[0]]))
        asked = Field("scale", "choice", "SAR files hold", "db" if decibel else "linear", _SCALES)
        scale = form.ask(asked, scale_field, look="radio")
    classes = dict(draft.classes)
    if legend and len(legend) <= _MAX_FIELDS:
        with st.expander("Names and colours of the classes", expanded=len(legend) <= 12):
            counts: dict[str, int] = {}
            for one in found.labels.values():
                for value, count in one.counts.items():
                    counts[value] = counts.get(value, 0) + count
            st.caption(
                "Values with one name become one class; a value without a name is left out of the labels."
            )
            classes |= legend_entries(legend, counts, form)
    divided = found.labels and not {"train labels", "test labels"} <= set(_roles(draft, found))
    split = _split(id_, draft.split) if divided else draft.split
    return draft.model_copy(
        update={
            "name": name,
            "target": form.value("target") or draft.target,
            "scale": scale,
            "classes": classes,
            "split": split,
        }
    )


def _split(id_: str, before: SplitEdit) -> SplitEdit:
    st.caption(
        "Labels without files for test are divided into training and test. Blocks keep test pixels apart "
        "from training pixels; at random, neighbours end up on both sides and the map looks better than it "
        "is."
    )
    columns, form = st.columns(4), Form(_PAGE, f"{id_} split")
    kinds = get_args(SplitEdit.model_fields["kind"].annotation)
    kind = form.ask(Field("kind", "choice", "Split", before.kind, {one: one for one in kinds}), columns[0])
    share = Field(
        "test", "integer", "Share for test", round(100 * before.test), low=10, high=90, step=5, unit="%"
    )
    test = form.ask(share, columns[1], look="slider")
    block, buffer = before.block, before.buffer
    if kind == "blocks":
        block = form.ask(_sized("block", block, 1, _BLOCK), columns[2], placeholder="chosen")
        buffer = form.ask(_sized("buffer", buffer, 0, _BUFFER), columns[3], placeholder="chosen")
    return SplitEdit(kind=kind, block=block, buffer=buffer, test=test / 100)


def _sized(name: str, value: int | None, low: int, help: str) -> Field:
    return Field(
        name, "integer", name.capitalize(), value, low=low, high=10_000, unit="pixels", help=help, empty=True
    )


_BLOCK = "Empty: as large as it takes to keep training pixels out of the windows around test pixels."
_BUFFER = "Between training and test blocks; used by neither. Empty: chosen with the block."


def _make(
    session: str,
    id_: str,
    draft: Draft,
    found: _Found,
    target: str,
    others: list[str],
    legend: list[tuple[str, str, str]],
    names: Mapping[Path, str],
) -> None:
    unknown = [found.sensors[file].name for file in (target, *others) if draft.files[file].kind is None]
    if unknown:
        problem(f"say what {unknown[0]} measures: choose its kind beside its name")
        return
    by_role: dict[str, list[str]] = {}
    for file in found.labels:
        by_role.setdefault(_OPTIONS[draft.files[file].role], []).append(file)
    wrong = _label_problem(by_role, found.labels)
    if wrong is not None:
        problem(wrong)
        return
    reclass = _merged([(value, *draft.classes.get(value, (name, color))) for value, name, color in legend])
    edits = _edits(draft, found, [target, *others], reclass)
    twice = same_twice(edits.classes)
    if twice is not None:
        problem(twice)
        return
    argv = ["align", "scene"]
    argv += align_words(
        (draft.files[target].kind or "other", found.sensors[target].path),
        [(draft.files[id_].kind or "other", found.sensors[id_].path) for id_ in others],
        {option: [found.labels[id_] for id_ in ids] for option, ids in by_role.items()},
        reclass,
        draft.scale,
        draft.name,
    )
    line = shown_command(argv, session, names)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        command_line(line)
        if found.labels:
            st.caption("Class names, colours and the split are then written to the scene's scene.toml.")
    draws = not found.labels and right.button(
        "Make it and draw labels", width="stretch", icon=":material/draw:"
    )
    if draws or right.button("Make the scene", type="primary", width="stretch", icon=":material/play_arrow:"):
        item = workspace.new_item(session, "scenes", draft.name, {"command": line, "draft": id_})
        keep_edits(item, edits)
        argv[1] = str(item / SCENE)
        if start(session, f"Make scene {item.name}", argv, item):
            save_draft(session, id_, draft.model_copy(update={"made": item.name}))
            navigation.go("draw" if draws else "scenes", scene=f"yours:{item.name}")


def _label_problem(by_role: Mapping[str, list[str]], labels: Mapping[str, LabelFinding]) -> str | None:
    for option, ids in by_role.items():
        if len({labels[id_].what for id_ in ids}) > 1:
            return f"files used as {option.replace('-', ' ')} are rasters and vectors, expected one kind"
    columns = {one.hints.coordinates for one in labels.values()} - {None}
    if len(columns) > 1:
        return "CSV files call their coordinates differently: rename the columns, or use one file"
    if set(by_role) not in (set(), {"labels"}, {"train-labels"}, {"train-labels", "test-labels"}):
        return "give labels for training and for test, or files of labels to be divided"
    return None


def _edits(draft: Draft, found: _Found, sensors: list[str], reclass: Mapping[str, str]) -> SceneEdits:
    files = [found.sensors[id_].name for id_ in sensors]
    classes: dict[int, ClassEdit] = {}
    values = [value for value in dict.fromkeys(_values(draft, found)) if reclass.get(value) != ""]
    if values:
        _, ids = gx.legend_of([reclass.get(value, value) for value in values], "labels")
        for value in values:
            name, color = draft.classes.get(value, (value, ""))
            id_ = ids[reclass.get(value, value)]
            if color and id_ not in classes:
                classes[id_] = ClassEdit(id=id_, name=reclass.get(value, name), color=color)
    return SceneEdits(
        description=f"Made from {', '.join(files)}",
        sensors=tuple(files),
        classes=tuple(classes.values()),
        split=draft.split if set(_roles(draft, found)) <= {"labels", "train labels"} else None,
    )


def _roles(draft: Draft, found: _Found) -> list[Role]:
    return [draft.files[file].role for file in found.labels]
