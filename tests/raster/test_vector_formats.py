"""Shapefiles, KML, CSV of points and zips of them hold the same features as a GeoPackage."""

from __future__ import annotations

import re
import struct
import zipfile
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely

from geo_xmodal.errors import UsageError, VectorError
from geo_xmodal.raster import zipped
from geo_xmodal.raster.labels import label_place, label_values, read_labels, survey_labels
from geo_xmodal.raster.vector import (
    VectorHints,
    layer_names,
    open_layer,
    read_column,
    read_geometries,
    table_columns,
    vector_digest,
)
from geo_xmodal.scenes.config import LabelsConfig
from geo_xmodal.types import LandClass, Window
from tests.rasters import utm_grid

GRID = utm_grid(40, 30)
UTM = "EPSG:32633"
LON_LAT = VectorHints("EPSG:4326")
RING = [(400_010, 4_999_900), (400_010, 4_999_700), (400_200, 4_999_700), (400_200, 4_999_900)]
HOLE = [(400_050, 4_999_850), (400_100, 4_999_850), (400_100, 4_999_750), (400_050, 4_999_750)]
SHAPES = [
    shapely.Polygon(RING, [HOLE]),
    shapely.MultiPolygon(
        [
            shapely.box(400_000, 4_999_900, 400_020, 5_000_000),
            shapely.box(400_250, 4_999_700, 400_300, 4_999_750),
        ]
    ),
]


def frame(shapes: list[shapely.Geometry] = SHAPES, **columns: list[object]) -> geopandas.GeoDataFrame:
    return geopandas.GeoDataFrame(columns or {"class": ["Wald", "Fluß"]}, geometry=shapes, crs=UTM)


def shapefile(folder: Path, name: str = "labels", **columns: list[object]) -> Path:
    folder.mkdir(exist_ok=True)
    frame(**columns).to_file(folder / f"{name}.shp")
    return folder / f"{name}.shp"


def packed(path: Path, *files: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for file in files:
            out.write(file, f"{inside}{file.name}")
    return path


def kml(path: Path, body: str) -> Path:
    path.write_text(
        f'<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document>{body}</Document></kml>'
    )
    return path


def placemark(place: str, name: str = "a", more: str = "") -> str:
    return f"<Placemark><name>{name}</name>{more}{place}</Placemark>"


def refusal(path: Path, layer: str | None = None, hints: VectorHints = LON_LAT) -> str:
    with pytest.raises(VectorError) as refused:
        read_geometries(open_layer(path, layer, hints))
    message = str(refused.value)
    assert str(path) in message and "\n" not in message
    return message


class TestShapefile:
    def test_polygons_with_holes_values_and_the_crs(self, tmp_path: Path) -> None:
        when = [geopandas.pd.Timestamp("2020-05-01").date(), None]
        path = shapefile(
            tmp_path, name="l", code=[3, None], share=[0.5, 2.0], text=["Wald", "Fluß"], day=when
        )
        layer = open_layer(path)
        assert (layer.name, layer.columns) == ("l", ("code", "share", "text", "day"))
        assert layer.space.crs is not None and layer.space.crs.epsg == 32633
        assert list(read_column(layer, "code")) == [3, None]
        assert list(read_column(layer, "share")) == [0.5, 2.0]
        assert list(read_column(layer, "text")) == ["Wald", "Fluß"]
        assert str(read_column(layer, "day")[0]) == "2020-05-01"
        for made, given in zip(read_geometries(layer), SHAPES, strict=True):
            assert shapely.equals(made, given)

    @pytest.mark.parametrize(
        "shape",
        [
            shapely.Point(400_100, 4_999_800),
            shapely.MultiPoint([(400_100, 4_999_800), (400_110, 4_999_810)]),
            shapely.LineString([(400_100, 4_999_800), (400_110, 4_999_810)]),
            shapely.Point(400_100, 4_999_800, 5),
        ],
    )
    def test_other_geometries(self, tmp_path: Path, shape: shapely.Geometry) -> None:
        frame([shape], k=[1]).to_file(tmp_path / "p.shp")
        (made,) = read_geometries(open_layer(tmp_path / "p.shp"))
        assert shapely.equals(made, shapely.force_2d(shape))

    def test_labels_are_those_of_a_geopackage(self, tmp_path: Path) -> None:
        classes = (LandClass(1, "Wald", "#00ff00"), LandClass(2, "Fluß", "#0000ff"))
        frame().to_file(tmp_path / "labels.gpkg")
        whole, source = Window(0, 0, 40, 30), LabelsConfig(file="x", column="class")
        packed_one = packed(tmp_path / "x.zip", *shapefile(tmp_path / "s").parent.iterdir(), inside="in/")
        found = [
            read_labels(source, path, GRID, classes, whole)
            for path in (tmp_path / "labels.gpkg", tmp_path / "s" / "labels.shp", packed_one)
        ]
        assert set(np.unique(found[0])) == {0, 1, 2}
        np.testing.assert_array_equal(found[1], found[0])
        np.testing.assert_array_equal(found[2], found[0])

    def test_a_row_that_was_deleted_is_gone(self, tmp_path: Path) -> None:
        path = shapefile(tmp_path)
        data = bytearray(path.with_suffix(".dbf").read_bytes())
        head = struct.unpack_from("<H", data, 8)[0]
        data[head : head + 1] = b"*"
        path.with_suffix(".dbf").write_bytes(data)
        layer = open_layer(path)
        assert list(read_column(layer, "class")) == ["Fluß"]
        assert shapely.equals(read_geometries(layer)[0], SHAPES[1])

    def test_other_encodings(self, tmp_path: Path) -> None:
        path = shapefile(tmp_path)
        data = path.with_suffix(".dbf").read_bytes().replace("Fluß".encode(), "Fluß ".encode("cp1252"))
        path.with_suffix(".dbf").write_bytes(data)
        path.with_suffix(".cpg").unlink()
        assert list(read_column(open_layer(path), "class")) == ["Wald", "Fluß"]
        path.with_suffix(".cpg").write_text("1252")
        assert list(read_column(open_layer(path), "class")) == ["Wald", "Fluß"]
        path.with_suffix(".cpg").write_text("zlib-of-old")
        assert "encoding" in refusal(path)

    def test_what_a_shapefile_lacks_is_said(self, tmp_path: Path) -> None:
        path = shapefile(tmp_path)
        path.with_suffix(".prj").unlink()
        assert open_layer(path).space.crs is None
        assert open_layer(path, hints=VectorHints(UTM)).space.crs == UTM
        path.with_suffix(".dbf").unlink()
        assert "labels.dbf is not beside it" in refusal(path)

    def test_records_whose_lengths_lead_nowhere(self, tmp_path: Path) -> None:
        path = shapefile(tmp_path)
        sound = path.read_bytes()
        for words in (-4, 0, 1, 2**31 - 1):
            path.write_bytes(sound[:104] + struct.pack(">i", words) + sound[108:])
            assert "record at byte 100" in refusal(path)
        dbf = path.with_suffix(".dbf")
        path.write_bytes(sound)
        dbf.write_bytes(dbf.read_bytes()[:4] + struct.pack("<I", 2**31) + dbf.read_bytes()[8:])
        assert "2147483648 rows" in refusal(path)

    def test_a_geometry_that_cannot_be_is_left_out(self, tmp_path: Path) -> None:
        path = shapefile(tmp_path)
        data = bytearray(path.read_bytes())
        struct.pack_into("<i", data, 108 + 44, 99)  # the first part of the first record begins after its end
        path.write_bytes(data)
        made = read_geometries(open_layer(path))
        assert made[0] is None and shapely.equals(made[1], SHAPES[1])

    def test_what_lies_beside_it_is_part_of_it(self, tmp_path: Path) -> None:
        path = shapefile(tmp_path)
        before = vector_digest(path)
        assert list(read_column(open_layer(path), "class")) == ["Wald", "Fluß"]
        shapefile(tmp_path / "other", **{"class": ["Wiesen", "Fluß"]})
        path.with_suffix(".dbf").write_bytes((tmp_path / "other" / "labels.dbf").read_bytes())
        assert list(read_column(open_layer(path), "class")) == ["Wiesen", "Fluß"]
        assert vector_digest(path) != before


class TestZip:
    def test_shapefiles_are_layers(self, tmp_path: Path) -> None:
        made = (shapefile(tmp_path / name, name) for name in ("forest", "town"))
        files = [part for path in made for part in path.parent.iterdir()]
        (tmp_path / "read me.txt").write_text("hello")
        path = packed(tmp_path / "both.zip", *files, tmp_path / "read me.txt", inside="some folder/")
        assert layer_names(path) == ("forest", "town")
        assert list(read_column(open_layer(path, "town"), "class")) == ["Wald", "Fluß"]
        assert label_place(f"{path}:town:class") == (path, "town", "class")
        assert "2 layers, and none is chosen" in refusal(path)

    def test_a_geopackage_and_its_layers(self, tmp_path: Path) -> None:
        for layer in ("a", "b"):
            frame().to_file(tmp_path / "l.gpkg", layer=layer)
        path = packed(tmp_path / "l.zip", tmp_path / "l.gpkg")
        assert layer_names(path) == ("a", "b")
        assert shapely.equals(read_geometries(open_layer(path, "b"))[0], SHAPES[0])
        assert label_values(path, "class", "b") == {"Fluß": 1, "Wald": 1}

    def test_the_places_of_a_kmz(self, tmp_path: Path) -> None:
        kml(tmp_path / "doc.kml", placemark("<Point><coordinates>13.7,45.1,0</coordinates></Point>"))
        (tmp_path / "icon.png").write_bytes(b"\x89PNG")
        path = packed(tmp_path / "x.kmz", tmp_path / "icon.png", tmp_path / "doc.kml")
        assert shapely.equals(read_geometries(open_layer(path))[0], shapely.Point(13.7, 45.1))

    @pytest.mark.parametrize("name", ["../labels.gpkg", "/labels.gpkg", "a\\labels.gpkg"])
    def test_a_path_out_of_the_zip(self, tmp_path: Path, name: str) -> None:
        frame().to_file(tmp_path / "l.gpkg")
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as out:
            out.writestr(zipfile.ZipInfo(name), (tmp_path / "l.gpkg").read_bytes())
        assert "which is no plain file" in refusal(tmp_path / "x.zip")
        assert not (tmp_path.parent / "labels.gpkg").exists()

    def test_a_link(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as out:
            link = zipfile.ZipInfo("labels.gpkg")
            link.external_attr = 0o120777 << 16
            out.writestr(link, "/etc/passwd")
        assert "which is no plain file" in refusal(tmp_path / "x.zip")

    def test_more_than_a_vector_file_has(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("labels.geojson", bytes(80 << 20))
        assert "unpacks from" in refusal(tmp_path / "x.zip")
        frame().to_file(tmp_path / "l.gpkg")
        monkeypatch.setattr(zipped, "MAX_UNPACKED", 1000)
        assert "unpacks from" in refusal(packed(tmp_path / "y.zip", tmp_path / "l.gpkg"))

    def test_nothing_to_read_or_too_much_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "a.pdf").write_text("%PDF")
        assert "no vector file" in refusal(packed(tmp_path / "none.zip", tmp_path / "a.pdf"))
        for name in ("a", "b"):
            frame().to_file(tmp_path / f"{name}.gpkg")
        both = packed(tmp_path / "both.zip", tmp_path / "a.gpkg", tmp_path / "b.gpkg")
        assert "holds a.gpkg, b.gpkg; expected one vector file, or shapefiles" in refusal(both)

    def test_messages_name_the_zip(self, tmp_path: Path) -> None:
        shapefile(tmp_path / "s").with_suffix(".dbf").unlink()
        path = packed(tmp_path / "x.zip", *(tmp_path / "s").iterdir())
        assert refusal(path).startswith(f"{path}/labels.shp: labels.dbf")

    def test_damage(self, tmp_path: Path) -> None:
        frame().to_file(tmp_path / "l.gpkg")
        whole = packed(tmp_path / "x.zip", tmp_path / "l.gpkg").read_bytes()
        (tmp_path / "x.zip").write_bytes(whole[: len(whole) // 2])
        assert "no end" in refusal(tmp_path / "x.zip")
        middle = len(whole) // 3
        (tmp_path / "y.zip").write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
        assert "a damaged zip" in refusal(tmp_path / "y.zip")


class TestKml:
    def test_places_folders_and_data(self, tmp_path: Path) -> None:
        ring = "13.70,45.10 13.71,45.10,7 13.71,45.11 , 8 13.70,45.10"
        hole = "13.705,45.102 13.706,45.102 13.706,45.103 13.705,45.102"
        polygon = (
            f"<Polygon><outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing></outerBoundaryIs>"
            f"<innerBoundaryIs><LinearRing><coordinates>{hole}</coordinates></LinearRing></innerBoundaryIs></Polygon>"
        )
        points = "<MultiGeometry>" + "".join(
            f"<Point><coordinates>{place}</coordinates></Point>" for place in ("13,45", "14,46")
        ) + "</MultiGeometry>"  # fmt: skip
        data = '<ExtendedData><Data name="code"><value>3</value></Data></ExtendedData>'
        schema = (
            '<ExtendedData><SchemaData><SimpleData name="code">4</SimpleData></SchemaData></ExtendedData>'
        )
        path = kml(
            tmp_path / "x.kml",
            f"<name>all</name><Folder><name>Forest</name>{placemark(polygon, 'oak', data)}</Folder>"
            f"<Folder><name>Water</name>{placemark(points, 'pond', schema)}</Folder>{placemark('', 'none')}",
        )
        layer = open_layer(path)
        assert layer.space.crs == "EPSG:4326"
        assert list(read_column(layer, "name")) == ["oak", "pond", "none"]
        assert list(read_column(layer, "folder")) == ["Forest", "Water", "all"]
        assert list(read_column(layer, "code")) == ["3", "4", None]
        made = read_geometries(layer)
        wanted = shapely.Polygon(
            [(13.70, 45.10), (13.71, 45.10), (13.71, 45.11)],
            [[(13.705, 45.102), (13.706, 45.102), (13.706, 45.103)]],
        )
        assert shapely.equals(made[0], wanted)
        np.testing.assert_array_equal(shapely.get_coordinates(made[1]), [(13, 45), (14, 46)])
        assert made[2] is None

    def test_entities_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "x.kml"
        path.write_text(
            '<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><kml>&b;</kml>'
        )
        assert "document type" in refusal(path)

    def test_a_list_of_links_has_no_places(self, tmp_path: Path) -> None:
        link = "<NetworkLink><Link><href>http://127.0.0.1:9/x.kml</href></Link></NetworkLink>"
        assert "which are not followed" in refusal(kml(tmp_path / "x.kml", link))

    def test_depth_and_damage(self, tmp_path: Path) -> None:
        assert "deep" in refusal(kml(tmp_path / "x.kml", "<Folder>" * 300 + "</Folder>" * 300))
        (tmp_path / "y.kml").write_text("<kml><Document>")
        assert "no XML" in refusal(tmp_path / "y.kml")
        with pytest.warns(UserWarning, match="without coordinates"):
            bad = kml(tmp_path / "z.kml", placemark("<Point><coordinates>x</coordinates></Point>"))
            source, classes = LabelsConfig(file="x", column="name"), (LandClass(1, "a", "#00ff00"),)
            read_labels(source, bad, GRID, classes, Window(0, 0, 9, 9))


class TestPointTable:
    def table(self, path: Path, text: str) -> Path:
        path.write_text(text, encoding="utf-8-sig")
        return path

    @pytest.mark.parametrize("header", ["lon,lat", "LONGITUDE,Latitude", "x,y", "Easting,Northing"])
    def test_coordinates_by_their_names(self, tmp_path: Path, header: str) -> None:
        path = self.table(tmp_path / "p.csv", f"{header},class\n13.7,45.1,Forest\n13.8,45.2,Water\n,,Water\n")
        layer = open_layer(path, hints=LON_LAT)
        assert layer.columns == ("class",) and layer.space.crs == "EPSG:4326"
        assert list(read_column(layer, "class")) == ["Forest", "Water", "Water"]
        made = read_geometries(layer)
        assert shapely.equals(made[0], shapely.Point(13.7, 45.1)) and made[2] is None

    def test_coordinates_that_are_named(self, tmp_path: Path) -> None:
        path = self.table(tmp_path / "p.csv", 'a;b;"what; else"\n1.5;2.5;3\n4;5;3.0\n')
        assert table_columns(path) == ("a", "b", "what; else")
        layer = open_layer(path, hints=VectorHints(UTM, ("b", "a")))
        assert label_values(path, "what; else", hints=VectorHints(UTM, ("b", "a"))) == {"3": 2}
        assert shapely.equals(read_geometries(layer)[0], shapely.Point(2.5, 1.5))
        assert "say which of its columns hold x and y" in refusal(path)
        assert "no columns 'q' and 'a'" in refusal(path, hints=VectorHints(UTM, ("q", "a")))

    def test_its_crs_is_never_assumed(self, tmp_path: Path) -> None:
        path = self.table(tmp_path / "p.csv", "lon,lat,class\n13.7,45.1,Forest\n")
        assert open_layer(path).space.crs is None
        with pytest.raises(VectorError, match=r"is missing.*say which CRS it is in"):
            survey_labels(path, "class", grid=GRID)
        with pytest.raises(UsageError, match=r"CRS 'Gauss' is not known.*EPSG:32633"):
            open_layer(path, hints=VectorHints("Gauss"))
        with pytest.raises(UsageError, match="not known"):
            open_layer(path, hints=VectorHints("EPSG:1"))

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("lon,lat,class\n13.7,45.1\n", "row 2 has 2 values"),
            ("lon,lat,class\n13.7,north,a\n", "'north' in row 2, expected numbers"),
            ("lon;lat;class\n13,7;45,1;a\n", "expected numbers, with a decimal point"),
            ("lon\n1\n", "1 columns in its first line"),
            ("lon,lon,lat\n1,1,1\n", "2 columns are called 'lon'"),
            ('lon,lat,class\n1,2,"a\n', "cannot be read"),
        ],
    )
    def test_tables_that_are_none(self, tmp_path: Path, text: str, why: str) -> None:
        assert re.search(why, refusal(self.table(tmp_path / "p.csv", text)))

    def test_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "p.csv").write_bytes(b"lon,lat\xff\n1,2\n")
        assert "not UTF-8" in refusal(tmp_path / "p.csv")
