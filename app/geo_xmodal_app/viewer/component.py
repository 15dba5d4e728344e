"""The viewer as a Streamlit component: layers and numbers go to the browser, places and areas come back."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from geo_xmodal.types import LandClass
from geo_xmodal_app.basemaps import OwnBasemap
from geo_xmodal_app.viewer.areas import ChangeMatrix, ClassArea
from geo_xmodal_app.viewer.layer import Layer, Viewport, ViewState
from geo_xmodal_app.viewer.palette import confusions, safe_palette
from geo_xmodal_app.viewer.state import parse_state

SCRIPTS = "/viewer-js"
"""Route of `viewer/js`; Streamlit keeps `/static` for itself."""

LIBRARIES = "/lib"
"""Route of `static/lib`."""

_HEIGHT = 640
_FOLDER = Path(__file__).parent
_PNG = b"\x89PNG\r\n\x1a\n"

_SCRIPT = """
export default async function (component) {
  const { scripts, libraries } = component.data;
  const ours = (file) => import(new URL(`${scripts}/${file}`, window.location.origin).href);
  ours("libraries.js").then(({ loadLibraries }) => loadLibraries(libraries)).catch(() => {}); // main.js tells
  const { mount } = await ours("main.js");
  return mount(component);
}
"""

TRUE_COLOR, FALSE_COLOR = (650.0, 555.0, 480.0), (850.0, 655.0, 555.0)
"""Nanometres shown as red, green and blue: as the eye sees, and with vegetation in red. Blue is that of
Sentinel-2 (490) and Landsat (482), and never their band for aerosol (443)."""

_FARTHEST = 40.0
"""Nanometres by which a band may miss."""


@dataclass(frozen=True)
class DrawnAreas:
    """Answer to a drawn area: classes in it, by layer id; or why there is none."""

    areas: Mapping[str, tuple[ClassArea, ...]]
    problem: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Answer to a comparison: the layers' ids, and their change matrix or why there is none."""

    pair: tuple[str, str]
    matrix: ChangeMatrix | None
    problem: str | None = None


def view(
    layers: Sequence[Layer],
    viewport: Viewport,
    key: str,
    *,
    drawn: DrawnAreas | None = None,
    comparison: Comparison | None = None,
    still: bytes | None = None,
    basemap: str = "",
    own: OwnBasemap | None = None,
    own_address: str = "",
    height: int = _HEIGHT,
    drawing: str = "",
) -> ViewState:
    """Show a map, and give back what its reader did.

    What a page answers to (`drawn`, `comparison`) it finds in `last_state` before it calls this.

    Args:
        layers: The topmost first.
        viewport: The scene's grid, in whose CRS all layers are.
        key: Of the element; one map keeps its view for as long as its key.
        drawn: Classes in the area that was drawn.
        comparison: Change matrix of the two maps that were chosen.
        still: PNG for browsers without WebGL.
        basemap: Address of map tiles with {z}, {x}, {y}, asked only when the reader asks; empty for none.
        own: Tiles that this session's user named, asked in the same way.
        own_address: Where the browser sends the address of such tiles; empty: none can be named.
        height: Pixels of the screen.
        drawing: Address of labels to draw on the map, in place of legend and areas; empty for none.
    """
    result = _component()(
        key=key,
        data=_data(layers, viewport, last_state(key, layers, viewport), drawn, comparison, still)
        | {"basemap": basemap, "height": height, "drawing": drawing}
        | {"own": None if own is None else own.for_browser(), "own_basemap_address": own_address},
        on_place_change=_nothing,
        on_area_change=_nothing,
        on_settings_change=_nothing,
        on_labels_change=_nothing,
    )
    return parse_state(dict(result), layers, viewport)


def last_state(key: str, layers: Sequence[Layer], viewport: Viewport) -> ViewState:
    """What the reader of the map with this key has done so far."""
    return parse_state(st.session_state.get(key), layers, viewport)


def _nothing() -> None:
    """Streamlit keeps a value only for names that have a callback."""


@lru_cache(maxsize=1)
def _component() -> Any:
    style = (_FOLDER / "viewer.css").read_text(encoding="utf-8")
    return st.components.v2.component("geo_xmodal_viewer", css=style, js=_SCRIPT)


def _data(
    layers: Sequence[Layer],
    viewport: Viewport,
    state: ViewState,
    drawn: DrawnAreas | None,
    comparison: Comparison | None,
    still: bytes | None,
) -> dict[str, Any]:
    titles = {layer.id: layer.title for layer in layers}
    return {
        "scripts": SCRIPTS,
        "libraries": LIBRARIES,
        "viewport": asdict(viewport) | {"pixel_display": viewport.pixel_display},
        "layers": [_layer(layer) for layer in layers],
        "settings": {"hidden": sorted(state.hidden), "threshold": state.threshold},
        "drawn": None if drawn is None else _drawn(drawn, titles),
        "comparison": None if comparison is None else _comparison(comparison),
        "still": _picture(still),
    }


def _layer(layer: Layer) -> dict[str, Any]:
    safe = _safe(layer.classes)
    classes = [
        {"id": entry.id, "name": entry.name, "color": entry.color, "safe_color": other.color}
        for entry, other in zip(layer.classes, safe, strict=True)
    ]
    warnings = [str(confusion) for confusion in _confusions(layer.classes)]
    return asdict(layer) | {
        "classes": classes,
        "warnings": warnings,
        "presets": band_presets(layer.wavelengths),
    }


_safe = lru_cache(maxsize=64)(safe_palette)
_confusions = lru_cache(maxsize=64)(confusions)


def band_presets(wavelengths: Sequence[float | None]) -> list[tuple[str, list[int]]]:
    """Names and bands (red, green, blue) of the usual pictures that these wavelengths (nm) allow."""
    found = []
    for name, wanted in (("True colour", TRUE_COLOR), ("False colour", FALSE_COLOR)):
        bands = [_nearest(wavelengths, wavelength) for wavelength in wanted]
        if all(band is not None for band in bands) and len(set(bands)) == len(bands):
            found.append((name, [band for band in bands if band is not None]))
    return found


def _nearest(wavelengths: Sequence[float | None], wanted: float) -> int | None:
    distances = {band: abs(value - wanted) for band, value in enumerate(wavelengths) if value is not None}
    best = min(distances, key=distances.__getitem__, default=None)
    return best if best is not None and distances[best] <= _FARTHEST else None


def _drawn(drawn: DrawnAreas, titles: Mapping[str, str]) -> dict[str, Any]:
    layers = [
        {"id": id_, "title": titles.get(id_, id_), "areas": [asdict(area) for area in areas]}
        for id_, areas in drawn.areas.items()
    ]
    return {"layers": layers, "problem": drawn.problem}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    matrix = {} if comparison.matrix is None else asdict(comparison.matrix)
    return matrix | {"pair": list(comparison.pair), "problem": comparison.problem}


def _picture(png: bytes | None) -> str | None:
    if png is None or not png.startswith(_PNG):
        return None
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def legend_of_areas(areas: Sequence[ClassArea], classes: Sequence[LandClass]) -> list[dict[str, Any]]:
    """Rows for a table of class areas: name, pixels, hectares and percent."""
    names = {entry.id: entry.name for entry in classes}
    return [
        {
            "class": names.get(area.id, f"class {area.id}" if area.id else "no class"),
            "pixels": area.pixels,
            "hectares": area.hectares,
            "percent": 100 * area.share if area.id else None,
        }
        for area in areas
    ]
