"""Small structured files are read here and nowhere else: JSON, JSON lines, TOML, text, safetensors headers.

What lies in them was written by a stranger, or half written by a machine that lost its power. So each is
bounded before a parser sees it (bytes, depth, length of a dotted key: 40 kB of nested keys cost `tomllib`
gigabytes), and whatever the system, a codec or a parser says of it becomes one line that names the file and
says what it should be and what to do.
"""

from __future__ import annotations

import difflib
import errno
import json
import math
import os
import re
import stat
import tomllib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from geo_xmodal.errors import GeoXmodalError

MAX_DEPTH = 64
"""Levels of brackets in JSON or TOML; a metrics.json has six, a GeoJSON eight."""

MAX_KEY_PARTS = 16
"""Parts of a dotted key or of a table's header in TOML."""

MAX_HEADER_BYTES = 16 << 20
"""Bytes of the header of a safetensors file; that of a ResNet-50 has 30,000."""

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which no encoding can write."""

_ITEM_BYTES: Mapping[str, int] = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
"""Types of safetensors that PyTorch has."""

TOO_MANY_FILES = "close other programs or raise the limit of open files (ulimit -n)"
"""What to do where a process has as many files open as it may."""

_YOUR_OWN = "give yourself the right to read it"
_DEVICE = "check the disk, or the network that it is on, and try again"

_ADVICE: Mapping[int, str] = {
    errno.EACCES: _YOUR_OWN,
    errno.EPERM: _YOUR_OWN,
    errno.EMFILE: TOO_MANY_FILES,
    errno.ENFILE: "close other programs: the system has no more files to open",
    errno.ENOMEM: "close other programs or raise the limit of memory",
    errno.EIO: _DEVICE,
    errno.ENXIO: _DEVICE,
    errno.ENODEV: _DEVICE,
    errno.ESTALE: _DEVICE,
    errno.ETIMEDOUT: _DEVICE,
    errno.ENOTCONN: _DEVICE,
    errno.EHOSTDOWN: _DEVICE,
    errno.EBUSY: "wait until nobody else uses it",
    errno.EAGAIN: "wait until nobody else uses it",
}
"""What to do about errors of the system, which say nothing of what is in a file."""

_MAX_AXES = 16
_MAX_SHOWN = 100

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_TOML_TEXT = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)|\'\'\'.*?(?:\'\'\'|\Z)'
    r'|"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*+\'?|#[^\n]*+',
    re.DOTALL,
)
_TOML_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{MAX_KEY_PARTS}}}")

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class SmallFile:
    """A kind of file: what it should be, and how one that is not is refused.

    Attributes:
        expected: What it is, in words.
        error: What is raised.
        advice: What a user does about one that is not.
        max_bytes: Above which it is not read.
    """

    expected: str
    error: type[GeoXmodalError]
    advice: str
    max_bytes: int

    def refuse(self, name: Path | str, problem: str) -> GeoXmodalError:
        """The error for `name`, on one line."""
        return self.error(f"{name}: {shortened(problem)}; expected {self.expected}: {self.advice}")

    def unread(self, name: Path | str, error: OSError) -> GeoXmodalError:
        """The error for `name` that the system does not give; what is in it may be as it should."""
        problem = f"cannot be read: {error.strerror or error}"
        advice = _ADVICE.get(error.errno or 0)
        return self.refuse(name, problem) if advice is None else self.error(f"{name}: {problem}: {advice}")


class StrictTable(BaseModel):
    """A TOML table that knows its keys, and says which one a misspelt key may have meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        for key in data:
            if key not in cls.model_fields:
                near = difflib.get_close_matches(str(key), cls.model_fields, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(cls.model_fields)}"
                raise PydanticCustomError(
                    "unknown_key", "unknown key {key}; {hint}", {"key": repr(key), "hint": hint}
                )
        return data


@dataclass(frozen=True)
class TensorHeader:
    """What a safetensors file says of itself.

    Attributes:
        shapes: Shape of each tensor.
        metadata: Its texts.
        data_start: Byte at which the numbers begin.
    """

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]
    data_start: int


@contextmanager
def file_errors(name: Path | str, kind: SmallFile, *also: type[Exception]) -> Iterator[None]:
    """Whatever the system, a codec, a parser (or a library, by `also`) says in the block is the file's fault.

    Raises:
        GeoXmodalError: Of `kind`, naming `name`; one of ours passes as it is.
    """
    expected: tuple[type[Exception], ...] = (ValueError, EOFError, zlib.error, zipfile.BadZipFile, *also)
    try:
        yield
    except GeoXmodalError:
        raise
    except FileNotFoundError:
        raise kind.refuse(name, "no such file") from None
    except OSError as error:
        raise kind.unread(name, error) from None
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise kind.refuse(name, f"no UTF-8 text (byte 0x{byte:02x} at {error.start})") from None
    except RecursionError:
        raise kind.refuse(name, "nested too deeply") from None
    except expected as error:
        raise kind.refuse(name, str(error) or type(error).__name__) from None


def real_path(path: Path) -> Path:
    """`path` without links, as `Path.resolve`, which up to Python 3.12 takes a loop of links for a fault."""
    return Path(os.path.realpath(path))


def inner_file(folder: Path, file: str, what: str, error: type[GeoXmodalError]) -> Path:
    """Where `file` of a folder lies, which may itself be a link; the file may be missing.

    A folder that came from elsewhere must not show, in a message or a map, what else its user can read.

    Args:
        folder: As the user names it.
        file: Relative to it.
        what: What the folder is, for the message.
        error: What is raised.

    Raises:
        GeoXmodalError: Of `error`: a symbolic link leads out of the folder.
    """
    path = folder / file
    lies = real_path(path)
    if not lies.is_relative_to(real_path(folder)):
        raise error(f"{path}: leads out of the {what} to {lies}; copy the file into the folder")
    return path


def read_bytes(path: Path, kind: SmallFile) -> bytes:
    """A whole file.

    Raises:
        GeoXmodalError: Of `kind`: it is missing, no regular file (a pipe has no end), or too large.
    """
    with file_errors(path, kind):
        size = _size(path, kind)
        if size > kind.max_bytes:
            raise kind.refuse(path, f"larger than {kind.max_bytes} bytes")
        with path.open("rb") as file:
            return file.read(size)  # takes the memory of as many bytes as it is asked for


def read_text(path: Path, kind: SmallFile) -> str:
    """A whole file of UTF-8 text, without a byte order mark.

    Raises:
        GeoXmodalError: As `read_bytes`, or it is no such text.
    """
    content = read_bytes(path, kind)
    with file_errors(path, kind):
        return content.decode("utf-8-sig")


def read_json(path: Path, kind: SmallFile) -> Any:
    """The value in a JSON file.

    Raises:
        GeoXmodalError: As `read_text`, or it is not JSON, or nested too deeply.
    """
    return parse_json(read_text(path, kind), path, kind)


def parse_json(text: str, name: Path | str, kind: SmallFile) -> Any:
    """The value of a JSON text; its texts can be written again, its numbers are Python's.

    Raises:
        GeoXmodalError: Of `kind`, naming `name`.
    """
    _check_depth(_JSON_STRING.sub("", text), name, kind)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise kind.refuse(name, f"not JSON ({error})") from None
    if re.search(r"\\u[dD][89a-fA-F]", text) and LONE_SURROGATE.search(json.dumps(value, ensure_ascii=False)):
        raise kind.refuse(name, "not JSON (half of a surrogate pair in a text)")
    return value


def read_json_object(path: Path, kind: SmallFile) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        GeoXmodalError: As `read_json`, or it is another value.
    """
    value = read_json(path, kind)
    if not isinstance(value, dict):
        raise kind.refuse(path, f"a JSON {type(value).__name__}, not an object")
    return value


def read_json_lines(path: Path, kind: SmallFile) -> tuple[list[dict[str, Any]], bool]:
    """The objects of a file of JSON lines, and whether its last line was cut off.

    A writer that is killed leaves half a line at the end, without the line's end: that is ordinary, and the
    rows before it count. Any other damage is not.

    Raises:
        GeoXmodalError: As `read_text`, or a whole line is no JSON object.
    """
    content = read_bytes(path, kind)
    whole, newline, rest = content.rpartition(b"\n")
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(whole.split(b"\n") if newline else (), start=1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        with file_errors(where, kind):
            row = parse_json(line.decode("utf-8"), where, kind)
        if not isinstance(row, dict):
            raise kind.refuse(where, f"a JSON {type(row).__name__}, not an object")
        rows.append(row)
    return rows, bool(rest.strip())


def read_toml(path: Path, kind: SmallFile) -> dict[str, Any]:
    """The table in a TOML file.

    Raises:
        GeoXmodalError: As `read_text`, or it is not TOML, or nested too deeply.
    """
    text = read_text(path, kind)
    plain = _TOML_TEXT.sub("x", text)  # a quoted key is a part of one like any other
    _check_depth(plain, path, kind)
    if _TOML_LONG_KEY.search(plain):
        raise kind.refuse(path, f"not valid TOML: a key of more than {MAX_KEY_PARTS} parts")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise kind.refuse(path, f"not valid TOML: {error}") from None


def read_tensor_header(path: Path, kind: SmallFile) -> TensorHeader:
    """Names and shapes of the tensors of a safetensors file, which hold no more than the file does.

    Raises:
        GeoXmodalError: Of `kind`: it is missing, or its header does not fit its format and size.
    """
    with file_errors(path, kind):
        size = _size(path, kind)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, MAX_HEADER_BYTES):
                raise kind.refuse(path, f"not a safetensors file (a header of {length} bytes in {size})")
            header = parse_json(file.read(length).decode("utf-8"), path, kind)
    if not isinstance(header, dict):
        raise kind.refuse(path, "not a safetensors file (its header is no object)")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise kind.refuse(path, "not a safetensors file (its metadata are no texts)")
    shapes = {name: _shape(name, entry, path, kind) for name, entry in header.items()}
    needed = sum(math.prod(shape) * _ITEM_BYTES[header[name]["dtype"]] for name, shape in shapes.items())
    if needed != size - 8 - length:
        raise kind.refuse(path, f"its tensors have {needed} bytes, the file has {size - 8 - length} for them")
    return TensorHeader(shapes, metadata, 8 + length)


def validated(model: type[_Model], value: Any, name: Path | str, kind: SmallFile) -> _Model:
    """`value` as a model of pydantic's.

    Raises:
        GeoXmodalError: Of `kind`, with the first thing that does not fit.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise kind.refuse(name, first_problem(error)) from None


def first_problem(error: ValidationError, *prefix: str) -> str:
    """The first thing that does not fit a model: where, what is wrong, what was found, how many more."""
    first, *others = error.errors(include_url=False, include_context=False)
    key = ".".join(shortened(str(part)) for part in (*prefix, *first["loc"]) if part != "[key]")
    given = first["input"]
    shown = f", found {_shown(given)}" if isinstance(given, str | int | float | bool) else ""
    more = f" (and {len(others)} more)" if others else ""
    return f"{key + ': ' if key else ''}{first['msg'].removeprefix('Value error, ')}{shown}{more}"


def shortened(text: str) -> str:
    """A text from a file for a message: on one line, and not without end."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _MAX_SHOWN * 3 else f"{flat[: _MAX_SHOWN * 3]}..."


def _size(path: Path, kind: SmallFile) -> int:
    """Bytes of a file; a pipe or a device, which have no end, is refused before it is opened."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise kind.refuse(path, "is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise kind.refuse(path, "is not a regular file")
    return found.st_size


def _shown(value: str | float) -> str:
    if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to write out very long numbers
        return f"a number of {value.bit_length()} bits"
    return shortened(repr(value))


def _shape(name: str, entry: Any, path: Path, kind: SmallFile) -> tuple[int, ...]:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if (
        not isinstance(shape, list)
        or len(shape) > _MAX_AXES
        or not all(type(side) is int and 0 <= side < 2**48 for side in shape)
        or not isinstance(entry.get("dtype"), str)
        or entry["dtype"] not in _ITEM_BYTES
    ):
        raise kind.refuse(path, f"not a safetensors file (no shape and type of {shortened(name)!r})")
    return tuple(shape)


def _check_depth(plain: str, name: Path | str, kind: SmallFile) -> None:
    """`plain` has no brackets but those that nest."""
    depth = 0
    for bracket in re.findall(r"[][{}]", plain):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise kind.refuse(name, f"nested more than {MAX_DEPTH} levels deep")
