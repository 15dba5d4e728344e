"""The legend of a finished map on a page: names, colours, merged classes, and the smallest area shown.

Saved as a map of its own: what a model said stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from pydantic import ValidationError

import geo_xmodal as gx
from geo_xmodal.errors import SceneError
from geo_xmodal.requests import ExportRequest
from geo_xmodal.small_files import first_problem
from geo_xmodal.types import LandClass
from geo_xmodal_app import navigation, workspace
from geo_xmodal_app.drafts import ClassEdit, same_twice
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.findings import legend_entries
from geo_xmodal_app.layers import map_legend
from geo_xmodal_app.messages import problem
from geo_xmodal_app.parts import command_line, shown_command, start
from geo_xmodal_app.request_fields import given, option_fields
from geo_xmodal_app.texts import literal
from geo_xmodal_app.workspace import MAP, MapEntry

_OWN = ""
_TITLES = {
    "corine": "CORINE Land Cover",
    "dynamic-world": "Dynamic World",
    "nlcd": "NLCD",
    "worldcover": "ESA WorldCover",
}
_FILE = "legend.toml"
_LEFT_OUT = ""


def edit_legend(session: str, entry: MapEntry) -> None:
    """Fields for the legend of a map, and a button that saves it as another map."""
    legend = map_legend(entry.classes)
    form = Form("files", f"legend of {entry.id}")
    choices = {_OWN: "of your own", **{name: _TITLES[name] for name in sorted(gx.KNOWN_LEGENDS)}}
    known = form.ask(Field("known", "choice", "Classes and colours", _OWN, choices))
    edits: tuple[ClassEdit, ...] = ()
    if known:
        reclass = _ask_known(form, legend, known)
    else:
        reclass, edits = _ask_own(form, legend)
    twice = same_twice(edits)
    if twice is not None:
        problem(twice)
        return
    if not any(reclass.get(str(one.id)) != _LEFT_OUT for one in legend):
        problem("no class is left: give one of them a name")
        return
    words = tuple(f"{value}={name}" for value, name in reclass.items())
    asked = {"to": "geotiff", "map": entry.classes, "reclass": words}
    own = {**asked, "classes": None, "out": None}
    asked |= given(form.ask_all(option_fields(ExportRequest, own).values(), 2, "Smallest area in pixels"))
    shown = ExportRequest.checked({**asked, "classes": known or _FILE, "out": "map.tif"})
    line = shown_command(shown.argv(), session, {entry.classes: f"{entry.id}.tif"})
    command_line(line)
    if st.button("Save as a map with this legend", icon=":material/palette:", type="primary"):
        about = {key: one for key, one in entry.about.items() if key != "command"}
        item = workspace.new_item(session, "maps", f"{entry.id}-legend", {**about, "command": line})
        classes = Path(known) if known else item / _FILE
        if not known:
            gx.write_classes([LandClass(one.id, one.name, one.color) for one in edits], classes)
        request = ExportRequest.checked({**asked, "classes": classes, "out": item / MAP})
        if start(session, f"Legend of {entry.id}", request.argv(), item):
            navigation.go("map", map=item.name)


def _ask_own(form: Form, legend: Sequence[LandClass]) -> tuple[dict[str, str], tuple[ClassEdit, ...]]:
    """The class of each value, and the classes: of one name, the first value has its id and colour."""
    st.caption("Classes with one name become one class; a class without a name becomes no data.")
    entries = legend_entries([(str(one.id), one.name, one.color) for one in legend], {}, form)
    classes: dict[str, ClassEdit] = {}
    reclass: dict[str, str] = {}
    for value, (name, color) in entries.items():
        reclass[value] = name
        if name:
            try:
                edit = ClassEdit(id=int(value), name=name, color=color)
            except ValidationError as error:
                raise SceneError(first_problem(error)) from None
            reclass[value] = classes.setdefault(name.casefold(), edit).name
    return reclass, tuple(classes.values())


def _ask_known(form: Form, legend: Sequence[LandClass], known: str) -> dict[str, str]:
    """The class of a known legend that each of a map becomes."""
    choices = {_LEFT_OUT: "no data", **{str(id_): name for id_, name, _ in gx.KNOWN_LEGENDS[known]}}
    names = {name.casefold(): id_ for id_, name in choices.items()}
    columns = st.columns(3)
    return {
        str(one.id): form.ask(
            Field(
                f"{known} {one.id}", "choice", literal(one.name),
                names.get(one.name.casefold(), _LEFT_OUT), choices,
            ),
            columns[number % len(columns)],
        )
        for number, one in enumerate(legend)
    }  # fmt: skip
