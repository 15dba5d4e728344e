"""GeoPackages as the standard allows them, damaged, and made to read what is not theirs."""

from __future__ import annotations

import datetime
import hashlib
import os
import sqlite3
import struct
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from geo_xmodal.errors import GeoXmodalError, VectorError
from geo_xmodal.mapping.area import cut_to_area
from geo_xmodal.raster import vector
from geo_xmodal.raster.labels import label_values
from geo_xmodal.raster.reader import aligned_reader
from geo_xmodal.types import Window
from tests import rasters

UTM = "EPSG:32633"
GRID = GeoBox((100, 100), Affine(10, 0, 500_000, 0, -10, 5_800_000), UTM)
WHOLE = Window(0, 0, 100, 100)
SECRET = "root:x:0:0:the secret"

METADATA = """
    CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT, srs_id INTEGER PRIMARY KEY, organization TEXT,
        organization_coordsys_id INTEGER, definition TEXT, description TEXT);
    INSERT INTO gpkg_spatial_ref_sys VALUES ('undefined', -1, 'NONE', -1, 'undefined', NULL),
        ('undefined', 0, 'NONE', 0, 'undefined', NULL), ('UTM', 32633, 'EPSG', 32633, 'undefined', NULL);
    CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT, identifier TEXT, srs_id INTEGER);
    CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, geometry_type_name TEXT,
        srs_id INTEGER, z TINYINT, m TINYINT);
"""


def square(col: float, row: float, size: float = 10) -> shapely.Polygon:
    """A square of `size` pixels, in metres."""
    x, y = 500_000 + 10 * col, 5_800_000 - 10 * row
    return shapely.box(x, y - 10 * size, x + 10 * size, y)


def wrapped(wkb: bytes, flags: int = 1, envelope: bytes = b"") -> bytes:
    """A geometry as a GeoPackage holds it."""
    return struct.pack("<2sBBi", b"GP", 0, flags, 32633) + envelope + wkb


def write_package(
    path: Path, rows: Sequence[tuple[Any, ...]], columns: str = "class TEXT", srs: int = 32633
) -> Path:
    """A GeoPackage with the layer `l`, made by SQLite alone: (class, geometry) or (class, ..., geometry)."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(METADATA)
        database.execute("PRAGMA application_id = 1196444487")
        database.execute(f"CREATE TABLE l (fid INTEGER PRIMARY KEY, {columns}, geom POLYGON)")
        register(database, "l", srs)
        for row in rows:
            database.execute(f"INSERT INTO l VALUES (NULL, {', '.join('?' * len(row))})", row)
        database.commit()
    return path


def register(database: sqlite3.Connection, name: str, srs: int = 32633) -> None:
    database.execute("INSERT INTO gpkg_contents VALUES (?, 'features', ?, ?)", (name, name, srs))
    database.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'POLYGON', ?, 0, 0)", (name, srs))


def plain(col: float = 0, row: float = 0) -> bytes:
    return wrapped(shapely.to_wkb(square(col, row)))


def read(path: Path, window: Window = WHOLE, column: str = "class") -> tuple[list[Any], list[Any]]:
    layer = vector.open_layer(path)
    values, geometries = vector.read_features(layer, layer.require(column), GRID, window)
    return list(values), list(geometries)


def refused(path: Path, match: str, column: str = "class") -> str:
    """The one line with which whoever reads the file is refused, whatever is asked of it."""
    for ask in (lambda: label_values(path, column), lambda: read(path, column=column)):
        with pytest.raises(VectorError, match=match) as caught:
            ask()
    message = str(caught.value)
    assert "\n" not in message and path.name in message and SECRET not in message
    return message


class TestStandard:
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("envelope", range(5))
    def test_headers_of_every_kind(self, tmp_path: Path, order: str, envelope: int) -> None:
        """The envelope says nothing that is right: only its length counts."""
        little = order == "<"
        wkb = shapely.to_wkb(square(3, 4), byte_order=int(little))
        body = struct.pack(f"{order}i", 32633) + bytes((0, 32, 48, 48, 64)[envelope]) + wkb
        blob = b"GP\0" + bytes([envelope << 1 | little]) + body
        values, (shape,) = read(write_package(tmp_path / "a.gpkg", [("a", blob)]))
        assert values == ["a"] and shapely.equals(shape, shapely.box(3, 4, 13, 14))

    def test_heights_and_measures_are_left_out(self, tmp_path: Path) -> None:
        ring = [(500_000, 5_800_000), (500_100, 5_800_000), (500_100, 5_799_900), (500_000, 5_800_000)]
        blobs = []
        for thousands, rest in ((0, ()), (1, (7.0,)), (2, (8.0,)), (3, (7.0, 8.0))):
            vertices = b"".join(struct.pack(f"<{2 + len(rest)}d", *vertex, *rest) for vertex in ring)
            blobs.append(wrapped(struct.pack("<BIII", 1, 1000 * thousands + 3, 1, 4) + vertices))
        _, shapes = read(write_package(tmp_path / "a.gpkg", [("a", blob) for blob in blobs]))
        assert len(shapes) == 4 and len({shape.wkt for shape in shapes}) == 1 and not shapes[0].has_z

    def test_what_is_empty_labels_nothing(self, tmp_path: Path) -> None:
        empty = wrapped(shapely.to_wkb(shapely.Polygon()), flags=0x11)
        rows = [("a", None), ("b", empty), ("c", plain()), (None, plain())]
        path = write_package(tmp_path / "a.gpkg", rows)
        assert read(path)[0] == ["c", None]
        assert label_values(path, "class") == {"a": 1, "b": 1, "c": 1}

    def test_values_of_every_type(self, tmp_path: Path) -> None:
        columns = "class INTEGER, share REAL, word TEXT(20), yes BOOLEAN, day DATE, moment DATETIME"
        rows = [
            (7, 0.5, "wörter", 1, "2026-02-03", "2026-02-03T04:05:06.000Z", plain()),
            (None, None, None, None, None, None, plain()),
        ]
        layer = vector.open_layer(write_package(tmp_path / "a.gpkg", rows, columns))
        assert layer.columns == ("class", "share", "word", "yes", "day", "moment")
        found = [vector.read_column(layer, column).tolist() for column in layer.columns]
        moment = datetime.datetime(2026, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
        assert [first for first, _ in found] == [7, 0.5, "wörter", True, datetime.date(2026, 2, 3), moment]
        assert {second for _, second in found} == {None}
        assert isinstance(found[3][0], bool)

    def test_features_come_in_the_order_of_their_ids(self, tmp_path: Path) -> None:
        path = write_package(tmp_path / "a.gpkg", [("a", plain()), ("b", plain())])
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE l SET fid = 9 WHERE class = 'a'")
            database.commit()
        assert read(path)[0] == ["b", "a"]

    @pytest.mark.parametrize("srs", [-1, 0])
    def test_undefined_systems_are_none(self, tmp_path: Path, srs: int) -> None:
        assert vector.open_layer(write_package(tmp_path / "a.gpkg", [], srs=srs)).space.crs is None

    def test_a_system_that_only_its_text_defines(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gpkg"
        crs = "+proj=laea +lat_0=10 +lon_0=20 +datum=WGS84"
        geopandas.GeoDataFrame({"class": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs=crs).to_file(path)
        assert vector.open_layer(path).space.crs.proj.to_dict()["proj"] == "laea"

    @pytest.mark.parametrize("identity", [b"\0\0\0\0", b"GP10", b"GP11"])
    def test_an_application_id_says_nothing(self, tmp_path: Path, identity: bytes) -> None:
        path = write_package(tmp_path / "a.gpkg", [("a", plain())])
        with path.open("r+b") as file:
            file.seek(68)
            file.write(identity)
        assert read(path)[0] == ["a"]

    def test_names_that_need_quotes(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gpkg"
        frame = geopandas.GeoDataFrame({'a "b"; --': [3]}, geometry=[square(0, 0)], crs=UTM)
        frame.to_file(path, layer='x"y')
        assert read(path, column='a "b"; --')[0] == [3]

    def test_a_link_and_a_name_with_odd_letters(self, tmp_path: Path) -> None:
        path = write_package(tmp_path / "a?b=c#d%20:e.gpkg", [("a", plain())])
        link = tmp_path / "link.gpkg"
        link.symlink_to(path)
        assert read(path)[0] == read(link)[0] == ["a"]


def scattered(path: Path, count: int, **options: Any) -> geopandas.GeoDataFrame:
    """Points and squares all over the grid, with an index of several levels."""
    rng = np.random.default_rng(count)
    places = rng.uniform(-20, 120, (count, 2))
    shapes = [
        square(*place, size=size) for place, size in zip(places, rng.uniform(0.1, 9, count), strict=True)
    ]
    shapes[1::2] = [shape.centroid for shape in shapes[1::2]]
    frame = geopandas.GeoDataFrame({"class": np.arange(count)}, geometry=shapes, crs=UTM)
    frame.to_file(path, engine="pyogrio", layer="l", **options)
    return frame


class TestWindows:
    @pytest.mark.parametrize("index", ["YES", "NO"])
    def test_a_window_gives_what_lies_near_it(self, tmp_path: Path, index: str) -> None:
        path = tmp_path / "a.gpkg"
        frame = scattered(path, 5000, SPATIAL_INDEX=index)
        window = Window(40, 30, 8, 20)
        left, top, right, bottom = 30 - 16, 40 - 16, 50 + 16, 48 + 16
        bounds = frame.bounds
        near = (bounds.minx <= 500_000 + 10 * right) & (bounds.maxx >= 500_000 + 10 * left)
        near &= (bounds.miny <= 5_800_000 - 10 * top) & (bounds.maxy >= 5_800_000 - 10 * bottom)
        values, shapes = read(path, window)
        assert values == frame["class"][near].tolist()
        assert 200 < len(values) < 3000 and len(shapes) == len(values)

    def test_an_index_that_misses_features_is_not_believed(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gpkg"
        scattered(path, 300)
        with closing(sqlite3.connect(path)) as database:
            database.execute("DELETE FROM rtree_l_geom WHERE id BETWEEN 20 AND 60")
            database.commit()
        assert read(path, Window(-30, -30, 160, 160))[0] == list(range(300))

    def test_an_index_is_not_asked_for_what_has_no_place(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gpkg"
        shapes = [square(0, 0), None, shapely.Polygon(), square(5, 5)]
        geopandas.GeoDataFrame({"class": range(4)}, geometry=shapes, crs=UTM).to_file(path)
        layer = vector.open_layer(path)
        assert layer.source.index is not None  # type: ignore[attr-defined]
        assert read(path)[0] == [0, 3]

    def test_a_damaged_index_is_one_line(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gpkg"
        scattered(path, 300)
        with closing(sqlite3.connect(path)) as database:
            database.execute(
                "UPDATE rtree_l_geom_node SET data = CAST(x'00FF' || substr(data, 3) AS BLOB) "
                "WHERE nodeno = 1"
            )
            database.commit()
        with pytest.raises(VectorError, match="a damaged GeoPackage: its spatial index"):
            read(path)


def secret_file(folder: Path) -> Path:
    path = folder / "secret.txt"
    path.write_text(f"{SECRET}\n" * 20)
    return path


def forged(path: Path, *statements: str, name: str = "x") -> Path:
    """A GeoPackage whose only layer is `name`, which the statements make."""
    write_package(path, [("a", plain()), ("b", plain(20, 20))])
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            database.execute(statement)
        database.execute("DELETE FROM gpkg_contents")
        database.execute("DELETE FROM gpkg_geometry_columns")
        register(database, name)
        database.commit()
    return path


def row_of_schema(kind: str, name: str, sql: str) -> str:
    """A statement that writes the schema itself, past what SQLite would run."""
    quoted = sql.replace("'", "''")
    row = f"'{kind}', '{name}', '{name}', 0, '{quoted}'"
    return f"INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ({row})"


class TestWhatIsNotItsOwn:
    """No file reads another, whatever it holds."""

    @pytest.mark.parametrize("comment", [" ", "/**/", "/* USING rtree */", "\n--USING rtree(a)\n"])
    def test_a_view_over_a_table_that_reads_a_file(self, tmp_path: Path, comment: str) -> None:
        secret = secret_file(tmp_path)
        path = forged(
            tmp_path / "leak.gpkg",
            row_of_schema(
                "table",
                "v",
                f"CREATE VIRTUAL{comment}TABLE v USING{comment}VirtualText('{secret}', UTF-8, 0)",
            ),
            "CREATE VIEW x AS SELECT ROWNO fid, (SELECT geom FROM l LIMIT 1) geom, COL001 class FROM v",
        )
        refused(path, "layer 'x' is a view, expected a table")

    def test_a_virtual_table_as_a_layer(self, tmp_path: Path) -> None:
        secret = secret_file(tmp_path)
        sql = f"CREATE VIRTUAL TABLE x USING VirtualOGR('{secret}')"
        refused(forged(tmp_path / "leak.gpkg", row_of_schema("table", "x", sql)), "'x' is a virtual table")

    def test_a_view_that_says_it_is_a_table(self, tmp_path: Path) -> None:
        view = "CREATE VIEW x AS SELECT fid, geom, class FROM l"
        forgery = row_of_schema("table", "x", view).replace(", 0, ", ", 2, ")
        refused(
            forged(tmp_path / "leak.gpkg", forgery), "a damaged GeoPackage|expected a table|stores no column"
        )

    def test_metadata_that_is_a_view(self, tmp_path: Path) -> None:
        path = write_package(tmp_path / "leak.gpkg", [("a", plain())])
        with closing(sqlite3.connect(path)) as database:
            database.execute("ALTER TABLE gpkg_contents RENAME TO kept")
            database.execute("CREATE VIEW gpkg_contents AS SELECT * FROM kept")
            database.commit()
        refused(path, "a damaged GeoPackage: (not authorized|access to)")

    def test_an_endless_view(self, tmp_path: Path) -> None:
        path = forged(
            tmp_path / "leak.gpkg",
            "CREATE VIEW x AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT i fid, (SELECT geom FROM l LIMIT 1) geom, i class FROM n",
        )
        refused(path, "'x' is a view")

    def test_pages_in_a_loop_end(self, tmp_path: Path) -> None:
        """Every child of an inner page is the same leaf: rows without end from a small file."""
        path = write_package(tmp_path / "loop.gpkg", [(f"{place}", plain()) for place in range(4000)])
        with closing(sqlite3.connect(path)) as database:
            (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'l'").fetchone()
        data = bytearray(path.read_bytes())
        start = (root - 1) * 4096
        assert data[start] == 5, "the root must be an inner page"
        (cells,) = struct.unpack_from(">H", data, start + 3)
        places = struct.unpack_from(f">{cells}H", data, start + 12)
        first = data[start + places[0] : start + places[0] + 4]
        for place in places:
            data[start + place : start + place + 4] = first
        path.write_bytes(data)
        refused(path, "a damaged GeoPackage: (its pages lie in a loop|database disk image)")

    @pytest.mark.parametrize("column", ["class", "geom"])
    def test_columns_that_are_computed(self, tmp_path: Path, column: str) -> None:
        path = write_package(tmp_path / "a.gpkg", [("a", plain())])
        with closing(sqlite3.connect(path)) as database:
            database.execute("DROP TABLE l")
            kinds = {"class": "class TEXT", "geom": "geom BLOB"}
            kinds[column] += " GENERATED ALWAYS AS (printf('%.*c', 900000000, 'x')) VIRTUAL"
            database.execute(f"CREATE TABLE l (fid INTEGER PRIMARY KEY, {', '.join(kinds.values())})")
            database.commit()
        refused(path, "no column 'class'" if column == "class" else "stores no column 'geom' of geometries")

    def test_triggers_do_not_fire(self, tmp_path: Path) -> None:
        path = write_package(tmp_path / "a.gpkg", [("a", plain())])
        with closing(sqlite3.connect(path)) as database:
            database.execute(
                "CREATE TRIGGER t AFTER INSERT ON l BEGIN SELECT load_extension('/tmp/evil'); END"
            )
            database.execute("PRAGMA writable_schema = ON")
            database.commit()
        assert read(path)[0] == ["a"]

    def test_a_schema_that_attaches(self, tmp_path: Path) -> None:
        path, other = write_package(tmp_path / "a.gpkg", [("a", plain())]), tmp_path / "other.gpkg"
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA writable_schema = ON")
            database.execute(row_of_schema("table", "u", f"CREATE TABLE u (a); ATTACH '{other}' AS o"))
            database.commit()
        with suppress(VectorError):  # a damaged schema, as some versions of SQLite see it
            assert read(path)[0] == ["a"]
        assert not other.exists()

    def test_an_odd_table_that_is_no_layer_is_never_opened(self, tmp_path: Path) -> None:
        path = write_package(tmp_path / "a.gpkg", [("a", plain())])
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA writable_schema = ON")
            database.execute(
                row_of_schema("table", "v", "CREATE VIRTUAL TABLE v USING VirtualText('/etc/passwd')")
            )
            database.commit()
        assert read(path)[0] == ["a"]

    @pytest.mark.parametrize(
        ("wkt", "match"),
        [
            ("PARAMETERFILE[," * 6_600, "its CRS cannot be used: .{0,400}$"),
            ("grids=" * 16_600, "its CRS cannot be used: .{0,400}$"),
            ("x" * 100_001, "its CRS has 100001 characters, expected at most 100000"),
        ],
    )
    def test_a_crs_without_end(self, wkt: str, match: str, tmp_path: Path) -> None:
        path = write_package(tmp_path / "a.gpkg", [("a", plain())])
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE gpkg_spatial_ref_sys SET organization = 'NONE', definition = ?", (wkt,))
            database.commit()
        refused(path, match)

    @pytest.mark.parametrize(
        "part",
        [
            'PARAMETERFILE["a, b","/etc/x"]',
            'parameterfile ["a",\n"c:x"]',
            'X["+NADGRIDS=a/b"]',
            'X["none"],PARAMETERFILE["a","b\\c"]',
        ],
    )
    def test_a_shift_of_datum_by_a_path(self, part: str, tmp_path: Path) -> None:
        path = write_package(tmp_path / "a.gpkg", [("a", plain())])
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE gpkg_spatial_ref_sys SET organization = 'NONE', definition = ?", (part,))
            database.commit()
        refused(path, "names a grid file by its place")

    def test_a_shift_of_datum_by_an_address(self, tmp_path: Path) -> None:
        path = write_package(tmp_path / "a.gpkg", [("a", plain())])
        wkt = (
            'GEOGCS["x",DATUM["x",SPHEROID["x",6378137,298],EXTENSION["PROJ4_GRIDS","http://127.0.0.1/x"]],'
            'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],'
            'EXTENSION["PROJ4","+proj=longlat +nadgrids=http://127.0.0.1:9/x +no_defs"]]'
        )
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE gpkg_spatial_ref_sys SET organization = 'NONE', definition = ?", (wkt,))
            database.commit()
        refused(path, "names a grid file by its place")

    def test_the_entries_of_the_program(self, tmp_path: Path) -> None:
        """align, map --area and evaluate --reference, with one file that would read another."""
        secret = secret_file(tmp_path)
        leak = forged(
            tmp_path / "leak.gpkg",
            row_of_schema(
                "table", "v", f"CREATE VIRTUAL/**/TABLE v USING/**/VirtualText('{secret}', UTF-8, 0)"
            ),
            "CREATE VIEW x AS SELECT ROWNO fid, (SELECT geom FROM l LIMIT 1) geom, COL001 class FROM v",
        )
        image = rasters.write_raster(tmp_path / "sar.tif", np.ones((1, 100, 100), np.float32), GRID)
        other = rasters.write_raster(tmp_path / "hsi.tif", np.ones((3, 100, 100), np.float32), GRID)
        class_map = rasters.write_raster(tmp_path / "map.tif", np.ones((1, 100, 100), np.uint8), GRID)
        program = [sys.executable, "-m", "geo_xmodal.cli"]
        for arguments in (
            ["align", "--reference", image, "--hsi", other, "--labels", f"{leak}:class", tmp_path / "scene"],
            ["evaluate", "--map", class_map, "--reference", f"{leak}:class"],
        ):
            child = subprocess.run(
                [*program, *map(str, arguments)], capture_output=True, text=True, check=False
            )
            assert child.returncode == 2 and "layer 'x' is a view" in child.stderr
            assert SECRET not in child.stdout + child.stderr
        with pytest.raises(VectorError, match="is a view"):
            cut_to_area(aligned_reader(image, kind="other"), leak)
        texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != secret]
        assert not any(SECRET.encode() in text for text in texts)


class TestSideFiles:
    """What lies beside a file is not obeyed, and nothing is written."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return write_package(tmp_path / "a.gpkg", [("a", plain())])

    def test_a_file_is_not_touched(self, path: Path) -> None:
        before = hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns
        read(path)
        assert (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) == before
        assert [found.name for found in path.parent.iterdir()] == ["a.gpkg"]

    def test_a_hot_journal_is_refused_and_kept(self, path: Path) -> None:
        journal = path.with_name("a.gpkg-journal")
        program = """
            import os, sqlite3, sys
            database = sqlite3.connect(sys.argv[1], isolation_level=None)
            database.execute("PRAGMA cache_size = 1")
            database.execute("PRAGMA cache_spill = 1")
            database.execute("BEGIN IMMEDIATE")
            database.execute("UPDATE l SET class = 'changed'")
            for place in range(3000):
                database.execute("INSERT INTO l VALUES (NULL, ?, NULL)", ("x" * 500,))
            os._exit(0)
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(path)], check=True)
        assert journal.read_bytes()[:1] not in (b"", b"\0")
        before = path.read_bytes(), journal.read_bytes()
        refused(path, "a.gpkg-journal lies beside it: a program is writing the file, or was stopped")
        assert (path.read_bytes(), journal.read_bytes()) == before

    def test_a_finished_journal_says_nothing(self, path: Path) -> None:
        path.with_name("a.gpkg-journal").write_bytes(bytes(512))
        assert read(path)[0] == ["a"]

    def test_what_is_only_in_the_log_is_read_from_a_copy(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as writer:
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("INSERT INTO l VALUES (NULL, 'new', ?)", (plain(),))
            writer.commit()
            log = path.with_name("a.gpkg-wal")
            assert log.stat().st_size > 0
            before = path.read_bytes(), log.read_bytes()
            assert read(path)[0] == ["a", "new"]
            assert (path.read_bytes(), log.read_bytes()) == before
            writer.execute("UPDATE l SET class = 'newer' WHERE class = 'new'")
            writer.commit()
            assert read(path)[0] == ["a", "newer"]

    @pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
    @pytest.mark.parametrize("suffix", ["-wal", "-journal"])
    def test_a_side_file_that_is_no_file(self, path: Path, suffix: str) -> None:
        os.mkfifo(path.with_name(path.name + suffix))
        refused(path, f"a.gpkg{suffix} beside it is not a regular file")
        path.with_name(path.name + suffix).unlink()
        path.with_name(path.name + suffix).symlink_to("/etc/passwd")
        refused(path, f"a.gpkg{suffix} beside it is not a regular file")

    def test_a_log_of_rubbish_changes_nothing(self, path: Path) -> None:
        path.with_name("a.gpkg-wal").write_bytes(b"rubbish" * 1000)
        assert read(path)[0] == ["a"]


def ring(*vertices: tuple[float, float]) -> bytes:
    body = b"".join(struct.pack("<dd", *vertex) for vertex in vertices)
    return wrapped(struct.pack("<BIII", 1, 3, 1, len(vertices)) + body)


NAN = float("nan")
BROKEN = {
    "a ring of one point": ring((500_000, 5_800_000)),
    "no number": ring((500_000, 5_800_000), (NAN, 5_800_000), (500_100, 5_799_900), (500_000, 5_800_000)),
    "no end": ring((500_000, 5_800_000), (1e308, 5_800_000), (500_100, 5_799_900), (500_000, 5_800_000)),
    "cut short": plain()[:40],
    "no geometry": b"nothing of the kind",
    "text": "POLYGON EMPTY",
    "a count beyond the file": wrapped(struct.pack("<BIII", 1, 3, 1, 0xFFFFFFFF)),
    "an arc": wrapped(struct.pack("<BII6d", 1, 8, 3, 0, 0, 1, 1, 2, 0)),
    "an arc inside": wrapped(struct.pack("<BII", 1, 7, 1) + struct.pack("<BII6d", 1, 8, 3, 0, 0, 1, 1, 2, 0)),
    "an extension": wrapped(b"\1\1\0\0\0", flags=0x21),
    "deep": wrapped(struct.pack("<BII", 1, 7, 1) * 200_000 + shapely.to_wkb(shapely.Point(1, 2))),
    "deep behind another": wrapped(
        struct.pack("<BII", 1, 7, 2)
        + struct.pack("<BI2d", 1, 1, 1, 2)
        + struct.pack("<BII", 1, 6, 1) * 200_000
        + shapely.to_wkb(shapely.Point(1, 2))
    ),
}


class TestBrokenGeometries:
    @pytest.mark.parametrize("kind", BROKEN)
    def test_one_is_left_out_and_told(self, tmp_path: Path, kind: str) -> None:
        path = write_package(tmp_path / "a.gpkg", [("a", plain()), ("b", BROKEN[kind]), ("c", plain())])
        for window in (WHOLE, Window(0, 0, 10, 10)):
            with pytest.warns(
                UserWarning, match=r"a\.gpkg: 1 of its geometries cannot .* of feature 2: "
            ) as told:
                assert read(path, window)[0] == ["a", "c"]
            assert "\n" not in str(told[0].message)

    def test_those_that_an_index_cannot_hold_are_told(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gpkg"
        scattered(path, 300)
        with closing(sqlite3.connect(path)) as database:
            for (trigger,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                database.execute(f'DROP TRIGGER "{trigger}"')
            database.execute("UPDATE l SET geom = ? WHERE fid = 7", (BROKEN["no number"],))
            database.execute("DELETE FROM rtree_l_geom WHERE id = 7")
            database.commit()
        with pytest.warns(UserWarning, match="1 of its geometries cannot be read .* of feature 7"):
            read(path, Window(90, 90, 2, 2))

    def test_rings_that_are_not_closed_or_have_no_area_are_read(self, tmp_path: Path) -> None:
        corners = [(500_000, 5_800_000), (500_100, 5_800_000), (500_100, 5_799_900)]
        rows = [("open", ring(*corners)), ("flat", ring(corners[0], corners[1], corners[0]))]
        values, shapes = read(write_package(tmp_path / "a.gpkg", rows))
        assert values == ["open", "flat"] and [shape.area for shape in shapes] == [50, 0]

    def test_an_area_of_which_nothing_is_left(self, tmp_path: Path) -> None:
        path = write_package(tmp_path / "a.gpkg", [("a", BROKEN["no number"])])
        with pytest.warns(UserWarning), pytest.raises(VectorError, match="holds nothing, expected polygons"):
            vector.read_polygons(vector.open_layer(path), GRID)

    def test_text_of_another_encoding_and_binary_classes(self, tmp_path: Path) -> None:
        path = write_package(tmp_path / "a.gpkg", [("a", plain())])
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE l SET class = CAST(x'ff41' AS TEXT)")
            database.commit()
        refused(path, r"a\.gpkg: .*UTF-8")
        refused(
            write_package(tmp_path / "b.gpkg", [(b"abc", plain())]), "'class' of layer 'l' holds binary data"
        )

    def test_another_planet(self, tmp_path: Path) -> None:
        path = tmp_path / "mars.gpkg"
        crs = "+proj=longlat +a=3396190 +b=3376200 +no_defs"
        geopandas.GeoDataFrame({"class": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs=crs).to_file(path)
        with pytest.raises(
            VectorError, match=r"mars\.gpkg: its CRS cannot be used: no way from .*another planet"
        ):
            read(path)

    def test_a_file_cut_anywhere_is_one_line(self, tmp_path: Path) -> None:
        path = tmp_path / "a.gpkg"
        scattered(path, 300)
        data = path.read_bytes()
        for size in range(20, len(data), len(data) // 40):
            short = tmp_path / f"{size}.gpkg"
            short.write_bytes(data[:size])
            try:
                read(short)
            except GeoXmodalError as error:
                assert "\n" not in str(error) and short.name in str(error)


def test_all_that_gdal_writes_reads_as_gdal_reads_it(tmp_path: Path) -> None:
    shapes = [
        square(0, 0),
        shapely.MultiPolygon([square(1, 1), square(30, 30)]),
        shapely.force_3d(square(40, 40), 5.0),
        shapely.GeometryCollection([square(3, 3), shapely.Point(500_000, 5_800_000)]),
        shapely.MultiPoint([(500_000, 5_800_000), (500_010, 5_800_010)]),
        shapely.LineString([(500_000, 5_800_000), (500_010, 5_800_010)]),
    ]
    columns = {"i": range(6), "f": np.linspace(0, 1, 6), "s": list("abcdeé"), "b": [True, False] * 3}
    path = tmp_path / "a.gpkg"
    geopandas.GeoDataFrame(columns, geometry=shapes, crs=UTM).to_file(path)
    frame = pyogrio.read_dataframe(path, fid_as_index=True).sort_index()
    layer = vector.open_layer(path)
    assert layer.columns == ("i", "f", "s", "b")
    for column in layer.columns:
        assert vector.read_column(layer, column).tolist() == frame[column].tolist()
    found = layer.source.features(None, None).geometries
    assert shapely.equals_exact(found, shapely.force_2d(np.asarray(frame.geometry.array)), 0).all()
