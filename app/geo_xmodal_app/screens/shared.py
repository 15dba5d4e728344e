"""Shared: somebody's map by a link, to look at only."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

import geo_xmodal as gx
from geo_xmodal.errors import GeoXmodalError
from geo_xmodal_app import workspace
from geo_xmodal_app.layers import Prepared, map_layers, map_legend
from geo_xmodal_app.links import Link, find_link
from geo_xmodal_app.messages import problem
from geo_xmodal_app.parts import heading
from geo_xmodal_app.remarks import shown_name
from geo_xmodal_app.settings import settings
from geo_xmodal_app.texts import literal, plain
from geo_xmodal_app.viewer import DrawnAreas, Viewport, class_areas, last_state, view
from geo_xmodal_app.waiting import show_waiting
from geo_xmodal_app.workspace import MapEntry

_HEIGHT = 620


def show() -> None:
    """Show the page: the map that the address has a link to."""
    link = find_link(st.query_params.get("link", ""))
    entry = None if link is None else workspace.find_map(link.session, link.map)
    if link is None or entry is None or not entry.finished:
        heading("Shared map", "A map that another user of this server shows you.")
        problem("this link leads nowhere: it was withdrawn, the map was removed, or the link is cut off")
        return
    heading(literal(shown_name(entry.folder)), "A map that another user of this server shows you.")
    try:
        _map(link, entry)
    except GeoXmodalError as error:
        problem(error)


def _map(link: Link, entry: MapEntry) -> None:
    shown = _layers(link, entry)
    show_waiting(shown, lambda: _layers(link, entry))
    if not shown.layers:
        return
    viewport, key = Viewport.of(gx.describe_raster(entry.classes)), f"shared-{link.token}"
    state = last_state(key, shown.layers, viewport)
    drawn = None
    if state.area is not None:
        try:
            areas = class_areas(entry.classes, map_legend(entry.classes), state.area)
            drawn = DrawnAreas({f"map-{entry.id}": areas})
        except GeoXmodalError as error:
            drawn = DrawnAreas({}, plain(str(error)))
    view(shown.layers, viewport, key, drawn=drawn, basemap=settings().basemap, height=_HEIGHT)


def _layers(link: Link, entry: MapEntry) -> Prepared:
    """The map's layers, at addresses that the link gives as long as it is there."""
    found = map_layers(link.session, entry, shown_name(entry.folder))
    files = {layer.url: layer.url.rpartition("/")[2] for layer in found.layers}
    link.giving(tuple(files.values()))
    return replace(
        found,
        layers=tuple(
            replace(layer, url=f"/shared/{link.token}/{files[layer.url]}") for layer in found.layers
        ),
    )
