"""What the browser says, checked: nothing of it is believed before it has passed here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from geo_xmodal_app.viewer.layer import Layer, Place, Viewport, ViewState

MAX_VERTICES = 5000
_MAX_POLYGONS = 500
_BEYOND = 1.0
"""An area may reach beyond the scene by as many times its size: the rest is cut off when it is counted."""

_Value = TypeVar("_Value")


class _RefusedError(ValueError):
    """A value that the viewer would not have sent."""


def parse_state(raw: object, layers: Sequence[Layer], viewport: Viewport) -> ViewState:
    """The state that a browser sent; a value that makes no sense is left out, and `refused` says why."""
    given = raw if isinstance(raw, Mapping) else {}
    refused: dict[str, str] = {}

    def taken(name: str, check: Callable[[Any], _Value]) -> _Value | None:
        value = given.get(name)
        if value is None:
            return None
        try:
            return check(value)
        except _RefusedError as error:
            refused[name] = str(error)
            return None

    place = taken("place", lambda value: _place(value, layers, viewport))
    area = taken("area", lambda value: _area(value, viewport))
    hidden, threshold, compare = taken("settings", lambda value: _settings(value, layers)) or (
        frozenset(),
        0.0,
        None,
    )
    return ViewState(place, area, hidden, threshold, compare, refused)


def _place(value: Any, layers: Sequence[Layer], viewport: Viewport) -> Place:
    given = _mapping(value)
    x, y = _number(given.get("x")), _number(given.get("y"))
    col, row = (math.floor(part) for part in viewport.to_pixel(x, y))
    if not (0 <= col < viewport.width and 0 <= row < viewport.height):
        raise _RefusedError(f"({x:g}, {y:g}) lies outside the scene")
    values = _mapping(given.get("values", {}))
    known = {layer.id: layer for layer in layers}
    return Place(
        x, y, row, col, {id_: _numbers(values[id_], known[id_].count) for id_ in known if id_ in values}
    )


def _numbers(value: Any, count: int) -> tuple[float | None, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= max(count, 4096):
        raise _RefusedError("values that are no list of numbers")
    return tuple(None if part is None else _number(part) for part in value)


def _area(value: Any, viewport: Viewport) -> Mapping[str, Any]:
    given = _mapping(value)
    kind, coordinates = given.get("type"), given.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        raise _RefusedError("expected a polygon")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(polygons, list) or not 1 <= len(polygons) <= _MAX_POLYGONS:
        raise _RefusedError(f"expected 1 to {_MAX_POLYGONS} polygons")
    rings = [ring for polygon in polygons for ring in _list(polygon)]
    if sum(len(_list(ring)) for ring in rings) > MAX_VERTICES:
        raise _RefusedError(f"more than {MAX_VERTICES} corners: simplify it")
    checked = [[_ring(ring, viewport) for ring in _list(polygon)] for polygon in polygons]
    if any(not polygon for polygon in checked):
        raise _RefusedError("a polygon without rings")
    return {"type": "MultiPolygon", "coordinates": checked}


def _ring(value: Any, viewport: Viewport) -> list[list[float]]:
    points = _list(value)
    if len(points) < 4:
        raise _RefusedError("a ring of fewer than four points")
    return [_corner(point, viewport) for point in points]


def _corner(value: Any, viewport: Viewport) -> list[float]:
    point = _list(value)
    if len(point) < 2:
        raise _RefusedError("a corner without two coordinates")
    x, y = _number(point[0]), _number(point[1])
    col, row = viewport.to_pixel(x, y)
    width, height = viewport.width, viewport.height
    inside = -_BEYOND * width <= col <= (1 + _BEYOND) * width
    if not inside or not -_BEYOND * height <= row <= (1 + _BEYOND) * height:
        raise _RefusedError(f"a corner at ({x:g}, {y:g}), far outside the scene")
    return [x, y]


def _settings(value: Any, layers: Sequence[Layer]) -> tuple[frozenset[int], float, tuple[str, str] | None]:
    given = _mapping(value)
    hidden = _list(given.get("hidden", []))
    if len(hidden) > 255 or not all(
        isinstance(id_, int) and not isinstance(id_, bool) and 0 <= id_ <= 255 for id_ in hidden
    ):
        raise _RefusedError("hidden classes that are no class ids")
    threshold = _number(given.get("threshold", 0))
    if not 0 <= threshold <= 1:
        raise _RefusedError(f"a threshold of {threshold:g}, expected 0 to 1")
    return frozenset(hidden), threshold, _compare(given.get("compare"), layers)


def _compare(value: Any, layers: Sequence[Layer]) -> tuple[str, str] | None:
    if value is None:
        return None
    pair = _list(value)
    maps = {layer.id for layer in layers if layer.kind == "classes"}
    if len(pair) != 2 or pair[0] == pair[1] or not all(isinstance(id_, str) and id_ in maps for id_ in pair):
        raise _RefusedError("a comparison that does not name two class layers")
    return pair[0], pair[1]


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _RefusedError("expected an object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _RefusedError("expected a list")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _RefusedError("expected numbers")
    try:
        number = float(value)
    except OverflowError:
        raise _RefusedError("a number that is too large") from None
    if not math.isfinite(number):
        raise _RefusedError("a number that is not finite")
    return number
