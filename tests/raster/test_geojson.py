"""GeoJSON as people write it, broken, and made to ask for what is not its own."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import VectorError
from geo_xmodal.raster import vector
from geo_xmodal.raster.labels import label_values
from geo_xmodal.types import Window

GRID = GeoBox((100, 100), Affine(0.001, 0, 12, 0, -0.001, 50), "EPSG:4326")
WHOLE = Window(0, 0, 100, 100)


def square(col: float = 0, row: float = 0, size: float = 10) -> dict[str, Any]:
    x, y, side = 12 + col / 1000, 50 - row / 1000, size / 1000
    corners = [[x, y], [x + side, y], [x + side, y - side], [x, y - side], [x, y]]
    return {"type": "Polygon", "coordinates": [corners]}


def feature(value: object, geometry: object = None, **members: object) -> dict[str, Any]:
    shape = square() if geometry is None else geometry
    return {"type": "Feature", "properties": {"class": value}, "geometry": shape, **members}


def write(path: Path, features: Sequence[object], **members: object) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features), **members}))
    return path


def read(path: Path, grid: GeoBox = GRID) -> tuple[list[Any], list[Any]]:
    layer = vector.open_layer(path)
    values, geometries = vector.read_features(layer, layer.require("class"), grid, WHOLE)
    return list(values), list(geometries)


def refused(path: Path, match: str) -> None:
    for ask in (lambda: label_values(path, "class"), lambda: read(path)):
        with pytest.raises(VectorError, match=match) as caught:
            ask()
        assert "\n" not in str(caught.value) and path.name in str(caught.value)
        assert len(str(caught.value)) < 500 + len(str(path))


class TestLines:
    @pytest.mark.parametrize("between", ["\n", "\r\n", "\n\x1e", " "])
    def test_one_feature_a_line(self, tmp_path: Path, between: str) -> None:
        path = tmp_path / "a.geojson"
        texts = [json.dumps(feature(value)) for value in "abc"]
        path.write_text(between.strip(" \r\n") + between.join(texts) + "\n", newline="")
        assert read(path)[0] == ["a", "b", "c"]

    def test_a_byte_order_mark(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.geojson", [feature("a")])
        path.write_bytes(b"\xef\xbb\xbf \n" + path.read_bytes())
        assert read(path)[0] == ["a"]

    def test_a_feature_or_a_geometry_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "a.geojson"
        path.write_text(json.dumps(feature(3)))
        assert read(path)[0] == [3]
        path.write_text(json.dumps(square(3, 4)))
        (shape,) = vector.read_polygons(vector.open_layer(path), GRID)
        assert np.allclose(shape.bounds, (3, 4, 13, 14))


class TestFeatures:
    def test_ids_that_are_numbers_give_the_order(self, tmp_path: Path) -> None:
        features = [feature(value, id=key) for value, key in zip("abc", (9, 2, 5), strict=True)]
        assert read(write(tmp_path / "a.geojson", features))[0] == ["b", "c", "a"]

    @pytest.mark.parametrize("ids", [(9, 2, 2), ("x", "b", "a"), (1.5, 0.5, 0.1), (True, False, None)])
    def test_other_ids_do_not(self, tmp_path: Path, ids: Sequence[object]) -> None:
        features = [feature(value, id=key) for value, key in zip("abc", ids, strict=True)]
        path = write(tmp_path / "a.geojson", features)
        assert read(path)[0] == ["a", "b", "c"]
        assert vector.open_layer(path).columns == ("id", "class")

    def test_values_of_every_type(self, tmp_path: Path) -> None:
        values = ["ä", 3, 2.5, True, None, 10**30, float("nan")]
        path = write(tmp_path / "a.geojson", [feature(value) for value in values])
        assert read(path)[0][:6] == ["ä", 3, 2.5, True, None, str(10**30)]
        assert label_values(path, "class") == {
            "true": 1,
            "2.5": 1,
            "3": 1,
            str(10**30): 1,
            "ä": 1,
        }

    @pytest.mark.parametrize(
        ("value", "kind"), [({"a": 1}, "objects"), ([1, 2], "lists"), (square(), "objects")]
    )
    def test_classes_that_are_no_values(self, tmp_path: Path, value: object, kind: str) -> None:
        refused(write(tmp_path / "a.geojson", [feature(value)]), f"column 'class' holds {kind}")

    def test_all_that_gdal_writes_reads_as_gdal_reads_it(self, tmp_path: Path) -> None:
        box = shapely.box(12, 50, 13, 51)
        shapes = [
            box,
            box.difference(shapely.box(12.2, 50.2, 12.4, 50.4)),
            shapely.MultiPolygon([box, shapely.box(14, 50, 15, 51)]),
            shapely.force_3d(box, 5.0),
            shapely.GeometryCollection([box, shapely.Point(1, 2)]),
            shapely.MultiPoint([(1, 2), (3, 4)]),
            shapely.Point(1, 2),
            shapely.LineString([(1, 2), (3, 4)]),
            shapely.MultiLineString([[(1, 2), (3, 4)], [(1, 2), (5, 4)]]),
            None,
        ]
        path = tmp_path / "a.geojson"
        geopandas.GeoDataFrame({"class": range(10)}, geometry=shapes, crs=4326).to_file(path)
        found = vector.open_layer(path).source.features("class", None)
        frame = pyogrio.read_dataframe(path)
        expected = shapely.force_2d(np.asarray(frame.geometry.array))
        assert shapely.equals_exact(found.geometries[:-1], expected[:-1], 0).all()
        assert found.geometries[-1] is None and found.values.tolist() == frame["class"].tolist()


class TestCrs:
    @pytest.mark.parametrize(
        "name",
        [
            "EPSG:32633",
            "urn:ogc:def:crs:EPSG::32633",
            "urn:ogc:def:crs:EPSG:9.8:32633",
            "http://www.opengis.net/def/crs/EPSG/0/32633",
        ],
    )
    def test_names(self, tmp_path: Path, name: str) -> None:
        crs = {"type": "name", "properties": {"name": name}}
        layer = vector.open_layer(write(tmp_path / "a.geojson", [], crs=crs))
        assert layer.space.crs is not None and layer.space.crs.epsg == 32633

    def test_degrees_and_none(self, tmp_path: Path) -> None:
        crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
        named = vector.open_layer(write(tmp_path / "a.geojson", [], crs=crs)).space.crs
        plain = vector.open_layer(write(tmp_path / "b.geojson", [])).space.crs
        assert named is not None and plain is not None and named.epsg == plain.epsg == 4326
        assert vector.open_layer(write(tmp_path / "c.geojson", [], crs=None)).space.crs is None

    def test_a_link_is_refused_and_not_followed(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            address = f"http://127.0.0.1:{listener.getsockname()[1]}/crs.wkt"
            for kind in ("link", "name"):
                properties = {"href": address, "name": address, "type": "ogcwkt"}
                crs = {"type": kind, "properties": properties}
                path = write(tmp_path / f"{kind}.geojson", [feature("a")], crs=crs)
                refused(path, "is a link to .*not followed" if kind == "link" else "is not understood")
            with pytest.raises(BlockingIOError):
                listener.accept()

    @pytest.mark.parametrize("name", ["+init=/etc/passwd:root", "/etc/passwd", "EPSG:999999", 5, None])
    def test_names_that_are_none(self, tmp_path: Path, name: object) -> None:
        crs = {"type": "name", "properties": {"name": name}}
        refused(
            write(tmp_path / "a.geojson", [feature("a")], crs=crs),
            "its CRS .*(not understood|cannot be used)",
        )

    def test_another_planet(self, tmp_path: Path) -> None:
        crs = {"type": "name", "properties": {"name": "IAU_2015:49900"}}
        path = write(tmp_path / "a.geojson", [feature("a")], crs=crs)
        with pytest.raises(
            VectorError, match=r"a\.geojson: its CRS cannot be used: no way from .*another planet"
        ):
            read(path)


BROKEN = {
    "a ring of one point": {"type": "Polygon", "coordinates": [[[12, 50]]]},
    "no number": {"type": "Point", "coordinates": [float("nan"), 50]},
    "infinite": {"type": "Point", "coordinates": [float("inf"), 50]},
    "no end": {"type": "Point", "coordinates": [1e308, 50]},
    "digits without end": {"type": "Point", "coordinates": [10**400, 50]},
    "text": {"type": "Point", "coordinates": ["12", "50"]},
    "one number": {"type": "Point", "coordinates": [12]},
    "no list": {"type": "Polygon", "coordinates": 5},
    "depth": {"type": "Polygon", "coordinates": [[[[[12, 50]]]]]},
    "another type": {"type": "Circle", "coordinates": [12, 50]},
    "a list": [12, 50],
    "inside a collection": {
        "type": "GeometryCollection",
        "geometries": [{"type": "Point", "coordinates": [1]}],
    },
    "an odd collection": {"type": "GeometryCollection", "geometries": {"a": 1}},
}


class TestBroken:
    @pytest.mark.parametrize("kind", BROKEN)
    def test_one_is_left_out_and_told(self, tmp_path: Path, kind: str) -> None:
        path = write(tmp_path / "a.geojson", [feature("a"), feature("b", BROKEN[kind]), feature("c")])
        with pytest.warns(
            UserWarning, match=r"a\.geojson: 1 of its geometries cannot .* of feature 1: "
        ) as told:
            assert read(path)[0] == ["a", "c"]
        assert "\n" not in str(told[0].message)

    def test_an_open_ring_is_closed(self, tmp_path: Path) -> None:
        shape = square(0, 0)
        shape["coordinates"][0].pop()
        (found,) = read(write(tmp_path / "a.geojson", [feature("a", shape)]))[1]
        assert found.area == pytest.approx(100)

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ('{"type": "FeatureCollection", "features": [], "type": "x"}', "the key 'type' more than once"),
            ('{"type": "Topology", "objects": {}}', "its type is 'Topology', expected a FeatureCollection"),
            ('{"type": "FeatureCollection", "features": {}}', "not a GeoJSON"),
            ('{"type": "FeatureCollection", "features": [5]}', "not a GeoJSON"),
            ('{"type": "FeatureCollection", "features": [', "cannot be read: Expecting value"),
            ('{"type": "FeatureCollection", "features": []} x', "cannot be read: Expecting value"),
            ('{"a": ' + "[" * 100_000, "nest too deeply"),
            ('{"a": ' * 100_000, "nest too deeply"),
            ('{"a": ' + "9" * 10_000 + "}", "cannot be read: Exceeds the limit"),
            ("{}", "its type is None"),
            ('{"a": 1, "b": 2, "a": 3}', "cannot be read: an object has the key 'a' more than once"),
            ('{"%s": 1, "%s": 2}' % (("k" * 10_000,) * 2), r"an object has the key 'k{2,300}\.\.\.$"),
            ('{"a": "\\ud800"}', r"cannot be read: '\\ud800' holds half of a surrogate pair"),
            ('{"\\udfff": 1}', r"cannot be read: '\\udfff' holds half of a surrogate pair"),
        ],
    )
    def test_texts(self, tmp_path: Path, text: str, match: str) -> None:
        path = tmp_path / "a.geojson"
        path.write_text(text)
        refused(path, match)

    def test_a_key_that_comes_twice_among_very_many(self, tmp_path: Path) -> None:
        keys = ",".join(f'"{number}":0' for number in range(200_000))
        path = tmp_path / "a.geojson"
        path.write_text(f'{{{keys},"twice":1,"twice":2}}')
        refused(path, "has the key 'twice' more than once")  # quadratic, it takes ten minutes

    def test_another_encoding(self, tmp_path: Path) -> None:
        path = tmp_path / "a.geojson"
        path.write_text(json.dumps(feature("Gewässer"), ensure_ascii=False), encoding="latin-1")
        refused(path, r"a\.geojson: not UTF-8 .*; save it in that encoding")
