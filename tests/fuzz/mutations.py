"""Mutations that keep a file's structure: what a random byte would only break at the door."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import sqlite3
import struct
import tempfile
import zipfile
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Mutation = Callable[[random.Random, bytes], bytes]

NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    8,
    127,
    128,
    255,
    256,
    4095,
    65535,
    65536,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
)
WORDS = (
    b"", b"\0", b"nan", b"-inf", b"1e999", b"-1", b"0", b"9" * 400, b"a" * 5000, b"\xff\xfe", b"\xc3\x28",
    b"../../etc/passwd", b"/vsicurl/http://127.0.0.1:9/x", b"http://127.0.0.1:9/", b"<VRTDataset/>", b"%n%s",
    "\u202e\U0001f600".encode(), b"[" * 200, b"{" * 200, b"\n", b"=", b".", b'"', b"#", b"'", b",", b":",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 255, 256, 4096, 2**31, 2**53, 2**63, 2**64, 10**30, 1e308, 1e-320,
    float("nan"), float("inf"), -float("inf"), 0.5, "", "a", "a" * 3000, "\0", "\u202e", "../x", "1", "nan",
    "#ffffff", "log", [], [[]], {}, {"a": 1}, [1] * 300, [None], "\ud800", "http://127.0.0.1:9/",
)  # fmt: skip


def damaged(rng: random.Random, content: bytes) -> bytes:
    """Bytes changed, cut, doubled, taken out or put in, at a few places."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        place = rng.randrange(len(data) + 1) if rng.random() < 0.6 else rng.randrange(min(len(data), 512) + 1)
        length = rng.choice((1, 2, 4, 8, 64, 1024))
        match rng.randrange(8):
            case 0:
                if place < len(data):
                    data[place] ^= 1 << rng.randrange(8)
            case 1:
                if place < len(data):
                    data[place] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            case 2 | 3:
                width = rng.choice((2, 4, 8))
                number = rng.choice(NUMBERS) % 256**width
                data[place : place + width] = number.to_bytes(width, rng.choice(("little", "big")))
            case 4:
                del data[place : place + length]
            case 5:
                data[place:place] = data[place : place + length]
            case 6:
                data[place:place] = rng.choice(WORDS)
            case 7:
                del data[rng.randrange(len(data) + 1) :]
    return bytes(data)


_TAGS = (
    254, 256, 257, 258, 259, 262, 277, 284, 317, 322, 323, 324, 325, 330, 339,
    33550, 33922, 34264, 34735, 42112, 42113, 50844,
)  # fmt: skip
"""Tags that TIFF and GeoTIFF give a meaning to."""


def tiff(rng: random.Random, content: bytes) -> bytes:
    """Entries of the first directory of a little-endian TIFF: tag, type, count or value."""
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3))):
        entry = start + 2 + 12 * rng.randrange(count)
        (size,) = struct.unpack_from("<I", content, entry + 4)
        match rng.randrange(6):
            case 0:
                struct.pack_into("<H", data, entry, rng.choice((*_TAGS, rng.randrange(65536))))
            case 1:
                struct.pack_into("<H", data, entry + 2, rng.randrange(20))
            case 2:
                struct.pack_into("<I", data, entry + 4, rng.choice(NUMBERS) % 2**32)
            case 3 | 4:
                struct.pack_into("<I", data, entry + 8, rng.choice((*NUMBERS, len(data), start)) % 2**32)
            case 5:  # what an entry points at
                (place,) = struct.unpack_from("<I", content, entry + 8)
                if size > 4 and place + 8 < len(data):
                    at = min(place + 8 * rng.randrange(max(1, size)), len(data) - 8)
                    data[at : at + 8] = rng.choice(
                        (struct.pack("<d", float(rng.choice(VALUES[7:20]) or 0)), rng.randbytes(8), bytes(8))
                    )
    return bytes(data)


_MAX_PLACES, _MAX_DEPTH = 5000, 100


def tree(rng: random.Random, value: Any) -> Any:
    """A tree of lists and objects with a few of its nodes changed."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        places = _places(value)
        if not places or len(places) >= _MAX_PLACES:
            return rng.choice(VALUES)
        parent, key = rng.choice(places)
        match rng.randrange(7):
            case 0 | 1 | 2:
                parent[key] = copy.deepcopy(rng.choice(VALUES))
            case 3:
                del parent[key]
            case 4:
                other, name = rng.choice(places)
                parent[key] = copy.deepcopy(other[name])
            case 5:
                parent[key] = [copy.deepcopy(parent[key]) for _ in range(rng.choice((0, 1, 2, 50)))]
            case 6:
                if isinstance(parent, dict):
                    parent[str(rng.choice(VALUES))[:80]] = parent.pop(key)
                else:
                    parent.insert(key, copy.deepcopy(parent[key]))
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Some thousands of the nodes of a tree at most: every list or object with each of its keys."""
    found: list[tuple[Any, Any]] = []
    rest = deque([(value, 0)])
    while rest and len(found) < _MAX_PLACES:
        node, depth = rest.popleft()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        found += [(node, key) for key in keys]
        if depth < _MAX_DEPTH:
            rest += [(node[key], depth + 1) for key in keys]
    return found


def json_text(rng: random.Random, content: bytes) -> bytes:
    """JSON whose values changed, or that is nested too deeply, or says numbers beyond reason."""
    match rng.randrange(12):
        case 0:
            return b'{"a":' * rng.choice((100, 100_000)) + content
        case 1:
            number = re.sub(
                rb"\d+(\.\d+)?", lambda _: rng.choice((b"9" * 5000, b"1e999", b"-0")), content, count=3
            )
            return bytes(number)
        case 2:
            return content.replace(b'"', rng.choice((b"'", b'\\"', b"")), rng.randrange(1, 5))
    return json.dumps(tree(rng, json.loads(content))).encode("utf-8", "surrogatepass")


def text(rng: random.Random, content: bytes) -> bytes:
    """Lines and words of a text taken out, doubled, swapped, or replaced by others."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        parts = re.split(rb"(\n|[ ,;=\[\]{}\"'.:]+)", content)
        place = rng.randrange(len(parts))
        match rng.randrange(6):
            case 0 | 1:
                parts[place] = rng.choice(WORDS)
            case 2:
                parts[place] = str(rng.choice(VALUES)).encode("utf-8", "replace")
            case 3:
                del parts[place : place + rng.choice((1, 2, 10))]
            case 4:
                parts[place:place] = parts[place : place + rng.choice((1, 5, 30))] * rng.choice((1, 2, 50))
            case 5:
                other = rng.randrange(len(parts))
                parts[place], parts[other] = parts[other], parts[place]
        content = b"".join(parts)
    return content


def toml(rng: random.Random, content: bytes) -> bytes:
    """As `text`, or with a key or value that is nested without end."""
    match rng.randrange(20):
        case 0:
            return content + b"\nx" + b".x" * rng.choice((10, 40_000)) + b" = 1\n"
        case 1:
            return b"x = " + rng.choice((b"[", b"{a=")) * rng.choice((100, 50_000)) + b"\n" + content
        case 2:
            return b"[" + b"a." * rng.choice((14, 20_000)) + b"a]\n" + content
    return text(rng, content)


def tensors(rng: random.Random, content: bytes) -> bytes:
    """The header of a safetensors file changed, its length told anew or not."""
    (length,) = struct.unpack_from("<Q", content)
    header = json.dumps(tree(rng, json.loads(content[8 : 8 + length]))).encode("utf-8", "surrogatepass")
    told = rng.choice((len(header), len(header), len(header), length, *NUMBERS))
    return struct.pack("<Q", told % 2**64) + header + content[8 + length :]


def tensor_values(rng: random.Random, content: bytes) -> bytes:
    """A few numbers of one tensor of a safetensors file others: of its own, or far out."""
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    tensors = [one for one in header.values() if 0 not in one.get("shape", (0,))]
    one = rng.choice(tensors)
    start, end = one["data_offsets"]
    kind = np.dtype({"I16": "<i2", "I32": "<i4", "F16": "<f2", "F32": "<f4"}[one["dtype"]])
    data = bytearray(content)
    values = np.frombuffer(data, kind, (end - start) // kind.itemsize, 8 + length + start)
    far = np.frombuffer(rng.randbytes(kind.itemsize), kind)[0]
    for _ in range(rng.choice((1, 1, 2, 5))):
        place = rng.randrange(len(values))
        values[place] = rng.choice((values[rng.randrange(len(values))], values[place - 1], 0, -1, 1, far))
    return bytes(data)


def journal(rng: random.Random, content: bytes) -> bytes:
    """The header of a journal, or records whose checksum is right and whose content is not."""
    header, records = content.split(b"\n", 1)
    if rng.random() < 0.4:
        return json_text(rng, header).replace(b"\n", b" ") + b"\n" + records
    window, length, _ = struct.unpack_from("<QII", records)
    payload = damaged(rng, records[16 : 16 + length])
    window = rng.choice((window, window, *NUMBERS)) % 2**64
    told = rng.choice((len(payload), len(payload), *NUMBERS)) % 2**32
    checksum = zlib.crc32(payload, zlib.crc32(struct.pack("<QI", window, told)))
    return header + b"\n" + struct.pack("<QII", window, told, checksum) + payload + records[16 + length :]


def npy(rng: random.Random, content: bytes) -> bytes:
    """The header of a .npy file, which is Python text, or its version."""
    (length,) = struct.unpack_from("<H", content, 8)
    header = content[10 : 10 + length].rstrip()
    header = rng.choice(
        (
            text(rng, header),
            re.sub(
                rb"\(.*?\)",
                rng.choice(
                    (
                        b"(9999999999, 4)",
                        b"(-1, 4)",
                        b"()",
                        b"(4,)",
                        b"(0, 0)",
                        b"(2**60, 2)",
                        b"(1.5, 2)",
                        b"(True, 2)",
                    )
                ),
                header,
            ),
            re.sub(
                rb"'<f8'",
                rng.choice(
                    (
                        b"'O'",
                        b"'<U9'",
                        b"'V8'",
                        b"'<M8[s]'",
                        b"[('a', '<f8')]",
                        b"'>f4'",
                        b"'<c16'",
                        b"'|b1'",
                        b"'<f16'",
                        b"None",
                    )
                ),
                header,
            ),
            b"(" * 200 + header,
        )
    )
    return content[:8] + struct.pack("<H", len(header) % 65536) + header + content[10 + length :]


def zip_file(rng: random.Random, content: bytes) -> bytes:
    """A zip whose entries were damaged before they were packed, or have other names."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, data in entries:
            if rng.random() < 0.3:
                data = json_text(rng, data) if name.endswith("card.json") else damaged(rng, data)
            if rng.random() < 0.2:
                name = rng.choice(
                    ("../card.json", "/etc/x", "a/b/card.json", "x", "a\\card.json", name.upper())
                )
            archive.writestr(zipfile.ZipInfo(name), data)
    return damaged(rng, out.getvalue()) if rng.random() < 0.4 else out.getvalue()


def mat5(rng: random.Random, content: bytes) -> bytes:
    """Elements of a compressed MATLAB 5 file changed before they were compressed."""
    _, length = struct.unpack_from("<II", content, 128)
    element = damaged(rng, zlib.decompress(content[136 : 136 + length]))
    packed = zlib.compress(element)
    return content[:128] + struct.pack("<II", 15, len(packed)) + packed + content[136 + length :]


_SQL = (
    "UPDATE gpkg_contents SET table_name = {word}",
    "UPDATE gpkg_contents SET data_type = {word}",
    "UPDATE gpkg_contents SET srs_id = {number}",
    "DELETE FROM gpkg_contents",
    "DELETE FROM gpkg_geometry_columns",
    "UPDATE gpkg_geometry_columns SET column_name = {word}",
    "DELETE FROM gpkg_spatial_ref_sys",
    "UPDATE gpkg_geometry_columns SET geometry_type_name = {word}",
    "DROP TABLE gpkg_geometry_columns",
    "UPDATE gpkg_spatial_ref_sys SET definition = {word}",
    "UPDATE gpkg_geometry_columns SET srs_id = {number}",
    "UPDATE labels SET class = {word}",
    "UPDATE labels SET class = {number}",
    "UPDATE labels SET geom = {blob}",
    "UPDATE labels SET geom = {word}",
    "UPDATE labels SET fid = {number} WHERE fid = 1",
    "ALTER TABLE labels RENAME COLUMN class TO {name}",
    "ALTER TABLE labels ADD COLUMN {name} TEXT",
    "CREATE VIEW {name} AS SELECT * FROM labels",
    "INSERT INTO gpkg_contents (table_name, data_type) VALUES ({word}, 'features')",
    "CREATE TRIGGER {name} AFTER INSERT ON labels BEGIN DELETE FROM labels; END",
    "CREATE VIRTUAL TABLE {name} USING fts4(x)",
    "CREATE VIRTUAL TABLE {name} USING rtree(id, a, b)",
    "UPDATE gpkg_extensions SET extension_name = {word}",
    "PRAGMA application_id = {number}",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = {word} WHERE name = 'labels'",
    "PRAGMA writable_schema = ON; INSERT INTO sqlite_master VALUES ('table', 'v', 'v', 0, "
    "'CREATE VIRTUAL/**/TABLE v USING/**/VirtualText(''/etc/passwd'', UTF-8, 0)')",
    "INSERT INTO labels SELECT fid + 100, geom, class FROM labels",
    "PRAGMA user_version = {number}",
)


def geopackage(rng: random.Random, content: bytes) -> bytes:
    """A GeoPackage whose tables say something else; also its bytes, now and then."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.gpkg"
        path.write_bytes(content)
        database = sqlite3.connect(path, isolation_level=None)
        geometry = database.execute("SELECT geom FROM labels").fetchone()[0]
        for _ in range(rng.choice((1, 1, 2, 3))):
            said = rng.choice(_SQL).format(
                word="CAST(x'"
                + rng.choice((*WORDS, b"labels", b"POLYGON", b"features")).hex()
                + "' AS TEXT)",
                number=rng.choice((*NUMBERS[:-1], -1, 4326, 32633, 0.5)),
                blob="x'" + damaged(rng, geometry).hex() + "'",
                name=rng.choice(("a", '"x y"', '"class;"', "rtree_labels_geom2", '"gpkg_x"')),
            )
            try:
                database.executescript(said)
            except sqlite3.Error:
                continue
        database.close()
        changed = path.read_bytes()
    return damaged(rng, changed) if rng.random() < 0.2 else changed


def csv_cells(rng: random.Random, content: bytes) -> bytes:
    """Cells and lines of a table changed, doubled or taken out."""
    lines = content.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 8))):
        row = 0 if rng.random() < 0.3 else rng.randrange(len(lines))
        cells = lines[row].split(b",")
        place = rng.randrange(len(cells))
        match rng.randrange(5):
            case 0 | 1:
                cells[place] = rng.choice(WORDS)
            case 2:
                cells[place] = str(rng.choice(NUMBERS) * rng.choice((1, -1, 0.5))).encode()
            case 3:
                del cells[place]
            case 4:
                cells.insert(place, rng.choice(cells))
        lines[row] = b",".join(cells)
        if rng.random() < 0.1:
            lines.insert(row, rng.choice(lines))
    return b"\n".join(lines)


def parquet(rng: random.Random, content: bytes) -> bytes:
    """The description at the end of a Parquet file damaged, its length kept true; or the head of a page."""
    (length,) = struct.unpack_from("<I", content, len(content) - 8)
    start = len(content) - 8 - length
    if rng.random() < 0.3:
        place = rng.randrange(4, start)
        return content[:place] + damaged(rng, content[place : place + 64]) + content[place + 64 :]
    footer = bytearray(content[start:-8])
    for _ in range(rng.choice((1, 1, 2, 4))):
        place, width = rng.randrange(len(footer)), rng.choice((1, 1, 1, 2, 5))
        match rng.randrange(3):
            case 0:
                footer[place] ^= 1 << rng.randrange(8)
            case 1:
                footer[place : place + width] = bytes(rng.choice((0, 1, 127, 128, 255)) for _ in range(width))
            case 2:
                footer[place : place + width] = rng.choice(WORDS)[:200]
    return content[:start] + bytes(footer) + struct.pack("<I", len(footer)) + b"PAR1"
