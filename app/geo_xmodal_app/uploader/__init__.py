"""A field to pick a file: the browser sends it to `/upload` in slices, and Python gets the upload."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from geo_xmodal_app.sessions import current_session
from geo_xmodal_app.uploads import Purpose, Upload, uploads

_FOLDER = Path(__file__).parent

_ACCEPT: dict[Purpose, str] = {
    "raster": ".tif,.tiff",
    "labels": ".tif,.tiff,.gpkg,.geojson,.json,.zip,.kml,.kmz,.csv,.tsv",
    "area": ".gpkg,.geojson,.json,.zip,.kml,.kmz",
    "bundle": ".zip",
}
"""What the browser's file dialog shows first; the server decides by what is in the file."""


def upload_files(label: str, purpose: Purpose, *, key: str, help: str = "") -> tuple[Upload, ...]:
    """Show the field; returns the files that were uploaded through it, each once it is whole and checked.

    Several files go up one after the other, those too that are picked meanwhile. Picking the same file again
    after a cut, a reload or a restart of the server goes on where it stopped.

    Args:
        label: What the field asks for.
        purpose: What files it takes.
        key: Its name on the page.
        help: One line below the label.
    """
    mounted = _mount(
        key=key,
        data={"label": label, "help": help, "purpose": purpose, "accept": _ACCEPT[purpose]},
        on_uploads_change=lambda: None,
    )
    done = mounted.get("uploads")
    session = current_session()
    ids = [id_ for id_ in done if isinstance(id_, str)] if isinstance(done, list) else []
    return tuple(found for found in (uploads().upload(session, id_) for id_ in ids) if found is not None)


def _mount(**arguments: Any) -> Any:
    """Registered at each call, as Streamlit forgets components when its runtime starts again."""
    component = st.components.v2.component(
        "geo_xmodal_uploader",
        html=(_FOLDER / "uploader.html").read_text(encoding="utf-8"),
        css=(_FOLDER / "uploader.css").read_text(encoding="utf-8"),
        js=(_FOLDER / "uploader.js").read_text(encoding="utf-8"),
    )
    return component(**arguments)
