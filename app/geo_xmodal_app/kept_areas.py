"""Areas that were drawn on a map and saved: polygons as a GeoPackage that `map --area` takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
import shapely.geometry
import streamlit as st
from odc.geo.geobox import GeoBox
from shapely.affinity import affine_transform

import geo_xmodal as gx
from geo_xmodal.errors import UsageError
from geo_xmodal.types import LandClass
from geo_xmodal_app import workspace
from geo_xmodal_app.drawings import polygon_parts
from geo_xmodal_app.fields import Field, Form
from geo_xmodal_app.parts import download
from geo_xmodal_app.sources import AREAS, KEPT_AREA, SourceFile, kept_areas
from geo_xmodal_app.texts import literal

_COLOR = "#d55e00"
_MAX_NAME = 60


@dataclass(frozen=True)
class Area:
    """What was drawn: a MultiPolygon (GeoJSON geometry) in the CRS of a grid."""

    polygons: Mapping[str, Any]
    grid: GeoBox

    def save(self, session: str, name: str) -> Path:
        """Save it under a name, with a number where that is taken; the file.

        Raises:
            UsageError: It covers nothing.
            OutputError: It cannot be written.
        """
        parts = polygon_parts(shapely.make_valid(shapely.geometry.shape(self.polygons)))
        if not parts:
            raise UsageError("the polygon covers nothing: draw one with three corners or more")
        back = ~self.grid.affine
        to_pixel = (back.a, back.b, back.d, back.e, back.c, back.f)
        shapes = [affine_transform(part, to_pixel) for part in parts]
        item = workspace.new_item(session, AREAS, name, {"polygons": len(parts)})
        entry = LandClass(1, item.name, _COLOR)
        return gx.export_labels([(1, shape) for shape in shapes], self.grid, [entry], item / KEPT_AREA)


def show_areas(session: str, drawn: Area | None, page: str) -> None:
    """What has been saved, and a way to save what is drawn.

    Args:
        session: Whose.
        drawn: What is drawn on the map at present, if anything is.
        page: For the fields' state.
    """
    saved = kept_areas(session)
    if drawn is None and not saved:
        return
    with st.expander("Saved areas", expanded=drawn is not None):
        if drawn is not None:
            left, right = st.columns([3, 1], vertical_alignment="bottom")
            asked = Field("area name", "text", "Name of the area that is drawn", "area")
            name = str(Form(page).ask(asked, left) or "area")[:_MAX_NAME]
            if right.button("Save the area", width="stretch", icon=":material/save:"):
                drawn.save(session, name)
                st.rerun()
        for one in saved:
            _show(session, one)
        st.caption("A saved area can be chosen on the page **Map**, as *Only within*.")


def _show(session: str, one: SourceFile) -> None:
    words, fetch, remove = st.columns([4, 2, 1], vertical_alignment="center")
    words.write(literal(one.name))
    with fetch:
        download(session, one.path, "vector", "GeoPackage", one.name)
    if remove.button(
        "", key=f"remove-{one.id}", icon=":material/delete:", help=f"Remove {literal(one.name)}"
    ):
        workspace.remove(session, AREAS, one.path.parent.name)
        st.rerun()
