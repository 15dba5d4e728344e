"""A page with a viewer, as the app's map page uses it; what comes back is written under the map."""

import json
import os
from pathlib import Path

import streamlit as st

from geo_xmodal.errors import GeoXmodalError
from geo_xmodal_app.basemap_routes import ADDRESS as BASEMAP
from geo_xmodal_app.basemaps import own_basemap
from geo_xmodal_app.registry import registry
from geo_xmodal_app.sessions import current_session
from geo_xmodal_app.settings import settings
from geo_xmodal_app.viewer import Comparison, DrawnAreas, Layer, change_matrix, class_areas, last_state, view
from tests.app.viewer.scenes import CLASSES, scene_layers, viewport

st.set_page_config(layout="wide")
folder = Path(os.environ["VIEWER_TEST_FOLDER"])


def url(name: str) -> str:
    return f"/files/{registry().register(current_session(), folder / name, 'raster')}"


which = st.query_params.get("scene", "utm")
if which in ("pixels", "degrees"):
    file = f"{which}.tif"
    layers = (Layer("map", "Land cover", url(file), "classes", CLASSES, ("class",), nodata=0),)
    grid = viewport(folder / file)
elif which == "broken":
    layers = (
        Layer("map", "Gone", "/files/" + 32 * "0", "classes", CLASSES, ("class",)),
        *scene_layers(folder, url)[2:3],
    )
    grid = viewport(folder / "classes.tif")
elif which == "large":
    layers = (Layer("map", "Land cover", url("large.tif"), "classes", CLASSES, ("class",), nodata=0),)
    grid = viewport(folder / "large.tif")
else:
    layers = scene_layers(folder, url)
    grid = viewport(folder / "classes.tif")
files = {"map": "classes.tif" if which not in ("pixels", "degrees") else f"{which}.tif", "other": "other.tif"}

state = last_state("viewer", layers, grid)
drawn = comparison = None
if state.area is not None:
    try:
        drawn = DrawnAreas({"map": class_areas(folder / files["map"], CLASSES, state.area)})
    except GeoXmodalError as error:
        drawn = DrawnAreas({}, str(error))
elif "area" in state.refused:
    drawn = DrawnAreas({}, state.refused["area"])
if state.compare is not None:
    before, after = state.compare
    comparison = Comparison(
        state.compare, change_matrix(folder / files[before], folder / files[after], CLASSES)
    )
still = folder / "still.png"
value = view(
    layers,
    grid,
    "viewer",
    drawn=drawn,
    comparison=comparison,
    still=still.read_bytes() if still.exists() else None,
    basemap=settings().basemap,
    own=own_basemap(current_session()),
    own_address=BASEMAP,
    height=620,
)
place = value.place
said = {
    "place": place
    and {"row": place.row, "col": place.col, "x": place.x, "y": place.y, "values": dict(place.values)},
    "area": value.area,
    "hidden": sorted(value.hidden),
    "threshold": value.threshold,
    "compare": value.compare,
    "refused": dict(value.refused),
}
st.text(f"STATE {json.dumps(said)}")
