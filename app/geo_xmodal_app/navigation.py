"""The pages, and how one sends its reader to another."""

from __future__ import annotations

import importlib
from typing import Literal, NoReturn

import streamlit as st

_PAGES = {
    "home": ("home", "Start", ":material/home:"),
    "scenes": ("scenes", "Scenes", ":material/layers:"),
    "draw": ("drawing", "Draw", ":material/draw:"),
    "train": ("training", "Train", ":material/model_training:"),
    "map": ("mapping", "Map", ":material/map:"),
    "view": ("viewing", "View", ":material/travel_explore:"),
    "validate": ("validating", "Validate", ":material/fact_check:"),
    "files": ("takeaway", "Download", ":material/download:"),
    "project": ("project", "Project", ":material/folder_open:"),
    "shared": ("shared", "Shared map", ":material/share:"),
}
"""Name in the address to module, title and icon."""

_BY_LINK = frozenset({"shared"})
"""Pages that the menu does not show."""


def page(name: str) -> st.Page:
    """A page by its name in the address."""
    module, title, icon = _PAGES[name]
    show = importlib.import_module(f"geo_xmodal_app.screens.{module}").show  # pages name one another
    visibility: Literal["visible", "hidden"] = "hidden" if name in _BY_LINK else "visible"
    return st.Page(show, title=title, icon=icon, url_path=name, default=name == "home", visibility=visibility)


def pages() -> list[st.Page]:
    """All pages, in their order."""
    return [page(name) for name in _PAGES]


def go(name: str, **parameters: str) -> NoReturn:
    """Send the reader to a page."""
    st.switch_page(page(name), query_params=parameters)
