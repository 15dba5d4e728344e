"""Download: the files of a map or a run, and the command lines that make the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import streamlit as st

from geo_xmodal.errors import GeoXmodalError
from geo_xmodal.requests import ExportRequest
from geo_xmodal.wording import size_words
from geo_xmodal_app import workspace
from geo_xmodal_app.archives import zip_files, zip_folder
from geo_xmodal_app.fields import Form
from geo_xmodal_app.images import show_image
from geo_xmodal_app.jobs import queue
from geo_xmodal_app.legends import edit_legend
from geo_xmodal_app.messages import problem
from geo_xmodal_app.parts import (
    choose,
    command_line,
    download,
    heading,
    is_active,
    job_of,
    removal,
    show_code,
    shown_command,
    start,
    watch,
)
from geo_xmodal_app.registry import FileKind
from geo_xmodal_app.remarks import shown_name
from geo_xmodal_app.request_fields import given, option_fields
from geo_xmodal_app.sessions import current_session
from geo_xmodal_app.texts import literal
from geo_xmodal_app.workspace import PICTURE, MapEntry, RunEntry

GEOPACKAGE, QGIS = "gpkg", "qgis"
_EMPTY = "Choose ..."
_OUT = {GEOPACKAGE: "map.gpkg", QGIS: "qgis"}


def show() -> None:
    """Show the page."""
    heading(
        "Download", "Files to work on with: GeoTIFF, GeoPackage, a QGIS folder, pictures, reports, models."
    )
    try:
        session = current_session()
        maps = {entry.id: entry for entry in workspace.finished_maps(session)}
        runs = {entry.id: entry for entry in workspace.runs(session) if entry.has_model}
        left, right = st.columns(2)
        with left:
            map_id = choose(
                "files",
                "Map",
                {id_: shown_name(entry.folder) for id_, entry in maps.items()},
                "map",
                empty=_EMPTY if maps else "No map yet",
            )
        with right:
            run_id = choose(
                "files",
                "Run",
                {id_: shown_name(entry.folder.parent) for id_, entry in runs.items()},
                "run",
                empty=_EMPTY if runs else "No run yet",
            )
        if map_id is None and run_id is None:
            st.info("Choose a map or a training run.", icon=":material/download:")
        if map_id is not None:
            _map(session, maps[map_id])
        if run_id is not None:
            _run(session, runs[run_id])
    except GeoXmodalError as error:
        problem(error)


def _map(session: str, entry: MapEntry) -> None:
    st.subheader(f"Map {literal(entry.id)}", anchor=False)
    columns = st.columns(3)
    with columns[0].container(border=True, height="stretch"):
        st.markdown("##### GeoTIFF")
        st.caption(
            "The zip has the map with its class names and colours for QGIS and GDAL beside it (.qml, "
            ".aux.xml): unpack it, and open the GeoTIFF. A GeoTIFF alone shows ids without names in most "
            "programs."
        )
        out = zip_files(map_files(entry), entry.folder / "map.zip")
        _file(session, out, "archive", "Map with class names (zip)", f"{entry.id}.zip")
        _file(session, entry.classes, "raster", "Classes alone", f"{entry.id}.tif")
        if entry.probability is not None:
            _file(session, entry.probability, "raster", "Probability alone", f"{entry.id}_probability.tif")
    with columns[1].container(border=True, height="stretch"):
        st.markdown("##### Picture")
        picture = entry.folder / PICTURE
        if picture.is_file():
            show_image(picture, f"Map {entry.id} with its legend", 210)
            _file(session, picture, "picture", "PNG with legend", f"{entry.id}.png")
        else:
            st.caption("This map has none.")
    with columns[2].container(border=True, height="stretch"):
        st.markdown("##### For a GIS")
        st.caption("Polygons as GeoPackage, or a folder with a QGIS project.")
        _export(session, entry, GEOPACKAGE, "GeoPackage")
        _export(session, entry, QGIS, "QGIS folder")
    with st.expander("Legend, merged classes and smallest area"):
        edit_legend(session, entry)
    command_line(str(entry.about.get("command", "")))
    removal(session, "maps", entry.folder, "files", job_of(session, entry.folder))


def map_files(entry: MapEntry) -> list[tuple[Path, str]]:
    """A map's rasters and what tells programs how to show them; file, and its name in a zip."""
    files = []
    for raster, name in ((entry.classes, entry.id), (entry.probability, f"{entry.id}_probability")):
        if raster is None:
            continue
        files.append((raster, f"{name}.tif"))
        beside = (
            (Path(f"{raster}.aux.xml"), f"{name}.tif.aux.xml"),
            (raster.with_suffix(".qml"), f"{name}.qml"),
        )
        files += [(path, named) for path, named in beside if path.is_file()]
    return files


def _export(session: str, entry: MapEntry, to: str, label: str) -> None:
    folder = entry.folder / f"export-{to}"
    out = folder / _OUT[to]
    job = job_of(session, folder)
    if job is not None and (is_active(job) or not out.exists()):
        watch(session, job, dismissible=True)
        if is_active(job):
            return
    if not out.exists():
        own = {"to": to, "map": entry.classes, "out": out}
        values = Form("files", f"{entry.id} {to}").ask_all(option_fields(ExportRequest, own).values(), 1)
        request = ExportRequest.checked(own | given(values))
        if st.button(f"Make the {label}", key=f"export-{to}", width="stretch", icon=":material/play_arrow:"):
            folder.mkdir(exist_ok=True)
            if start(session, f"{label} of {entry.id}", request.argv(), folder):
                st.rerun()
        shown = request.model_copy(update={"out": Path(_OUT[to])})
        line = shown_command(shown.argv(), session, {entry.classes: "map.tif"})
        show_code(line)
        return
    if out.is_dir():
        out = zip_folder(out, folder / f"{entry.id}-qgis.zip")
        _file(session, out, "archive", f"{label} (zip)", out.name)
    else:
        _file(session, out, "vector", label, f"{entry.id}.gpkg")
    if st.button(f"Make another {label}", key=f"again-{to}", width="stretch", icon=":material/refresh:"):
        shutil.rmtree(folder)
        if job is not None:
            queue().forget(session, job.id)
        st.rerun()


def _run(session: str, entry: RunEntry) -> None:
    st.subheader(f"Run {literal(entry.id)}", anchor=False)
    columns = st.columns(3)
    model = entry.folder / "model"
    with columns[0]:
        files = [(path, path.name) for path in sorted(model.iterdir()) if path.is_file()]
        _file(
            session,
            zip_files(files, entry.folder.parent / "model.zip"),
            "archive",
            "Model (zip)",
            f"{entry.id}-model.zip",
        )
    for column, (name, label, kind) in zip(columns[1:], _RUN_FILES, strict=True):
        if (entry.folder / name).is_file():
            with column:
                _file(session, entry.folder / name, kind, label, f"{entry.id}-{name}")
    command_line(str(entry.about.get("command", "")))
    removal(session, "runs", entry.folder.parent, "files", job_of(session, entry.folder))


_RUN_FILES: tuple[tuple[str, str, FileKind], ...] = (
    ("report.html", "Report", "report"),
    ("metrics.json", "Measures (JSON)", "other"),
)


def _file(session: str, path: Path, kind: FileKind, label: str, name: str) -> None:
    download(session, path, kind, f"{label} · {size_words(path.stat().st_size)}", name)
