"""Whether a variable of a MATLAB 5 file is built as its format says, before SciPy reads it.

SciPy's reader is native code that takes a file at its word: an element of an unknown kind, or cells nested
without end, stop the whole process, and a cell that claims many elements takes the memory of all of them. So
every element is walked first, by its tag, and its data skipped. The format is that of "MAT-File Format"
(MathWorks), chapter 1, "Level 5 MAT-File Format".
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from geo_xmodal.errors import RasterError

_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_NUMBERS = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13})
_LETTERS = frozenset({1, 2, 3, 4, 16, 17, 18})

_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_PLAIN = frozenset(range(6, 16))
_COMPLEX = 0x0800

_DEEPEST = 32
_MAX_ELEMENTS = 100_000
_LONGEST_NAME = 4096
_HEADER = 128
_PIECE = 1 << 20


class _FaultError(Exception):
    """What is wrong with the bytes, without the file's name."""


def check_variable(path: Path, name: str) -> int:
    """See that the variable is built as the format says, all elements of its cells and structs included.

    Returns:
        Bytes that it has unpacked; 0 where there is no such variable.

    Raises:
        RasterError: An element has a kind that does not belong there or leaves the one around it, a cell or
            struct claims more elements than it has, or they are more than 100,000, or lie deeper than 32
            levels.
    """
    try:
        with path.open("rb") as file:
            file.seek(_HEADER - 2)
            order = file.read(2)
            if order not in (b"IM", b"MI"):
                raise _FaultError(f"expected the byte order IM or MI, found {order!r}")
            for stream, size in _variables(file, "little" if order == b"IM" else "big"):
                if _Walk(stream, size).matrix(name):
                    return size
            return 0
    except (_FaultError, zlib.error) as fault:
        raise RasterError(f"{path}: damaged or incomplete: {name}: {fault}; fetch it again") from None


@dataclass
class _Stream:
    """Bytes that are read once, from front to end, with the byte order of their numbers."""

    source: io.BufferedIOBase | BinaryIO
    order: str

    def read(self, size: int) -> bytes:
        found = self.source.read(size)
        if len(found) != size:
            raise _FaultError("ends too early")
        return found

    def skip(self, size: int) -> None:
        while size:
            size -= len(self.read(min(size, _PIECE)))

    def numbers(self, data: bytes) -> list[int]:
        """Whole numbers of 32 bits, as they stand."""
        return [
            int.from_bytes(data[place : place + 4], self.order)  # type: ignore[arg-type]
            for place in range(0, len(data) - 3, 4)
        ]


class _Inflated(io.RawIOBase):
    """What comes out of the next bytes of a file when they are unpacked."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size
        self._unpacker = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail
            if not packed and self._left:
                packed = self._file.read(min(self._left, _PIECE))
                self._left -= len(packed)
            found = self._unpacker.decompress(packed, len(buffer))
            if found:
                buffer[: len(found)] = found
                return len(found)
            if not packed:
                break
        return 0


def _variables(file: BinaryIO, order: str) -> Iterator[tuple[_Stream, int]]:
    """Each variable's bytes behind its tag, and how many they are."""
    place = _HEADER
    while True:
        file.seek(place)
        stream = _Stream(file, order)
        tag = file.read(8)
        if len(tag) < 8:
            return
        kind, size = stream.numbers(tag)
        place += 8 + size
        if kind == _COMPRESSED:
            stream = _Stream(io.BufferedReader(_Inflated(file, size), _PIECE), order)
            kind, size = stream.numbers(stream.read(8))
        if kind != _MATRIX:
            raise _FaultError(f"a variable of kind {kind}, expected {_MATRIX}")
        yield stream, size


class _Walk:
    """One way through a variable, element by element.

    Args:
        stream: Stands behind the variable's tag.
        size: Bytes that the tag claims.
    """

    def __init__(self, stream: _Stream, size: int) -> None:
        self._stream = stream
        self._left = size
        self._depth = 0
        self._elements = 0

    def matrix(self, name: str | None = None) -> bool:
        """Walk through a matrix behind its tag; False, at once, where it has another name than that."""
        if not self._left:
            return name is None
        flags = self._stream.numbers(self._element({_UINT32}, 8))
        if len(flags) != 2:
            raise _FaultError("array flags of another size than 8 bytes")
        kind = flags[0] & 0xFF
        count = 1
        if kind != _OPAQUE:
            sizes = self._stream.numbers(self._element({_INT32}, 4 * 32))
            if len(sizes) < 2 or any(size >= 2**31 for size in sizes):
                raise _FaultError(f"an array of {' x '.join(map(str, sizes)) or 'no axes'}")
            count = math.prod(sizes)
            own = self._element({_INT8}, _LONGEST_NAME).decode("latin-1")
            if name is not None and own != name:
                return False
        elif name is not None:
            return False
        self._content(kind, count, bool(flags[0] & _COMPLEX))
        return True

    def _content(self, kind: int, count: int, complex_: bool) -> None:
        if kind in _PLAIN:
            self._skip(_NUMBERS, 1 + complex_)
        elif kind == _CHAR:
            self._skip(_LETTERS, 1)
        elif kind == _SPARSE:
            self._skip({_INT32}, 2)
            self._skip(_NUMBERS, 1 + complex_)
        elif kind == _CELL:
            self._matrices(count)
        elif kind in (_STRUCT, _OBJECT):
            if kind == _OBJECT:
                self._skip({_INT8}, 1)
            self._matrices(count * self._fields())
        elif kind == _FUNCTION:
            self._matrices(1)
        elif kind == _OPAQUE:
            self._skip({_INT8}, 3)
            self._matrices(1)
        else:
            raise _FaultError(f"an array of class {kind}, which is none of MATLAB's")

    def _fields(self) -> int:
        lengths = self._stream.numbers(self._element({_INT32}, 4))
        if len(lengths) != 1 or not 0 < lengths[0] <= _LONGEST_NAME:
            raise _FaultError("a struct whose fields have no names")
        return len(self._element({_INT8}, _LONGEST_NAME * lengths[0])) // lengths[0]

    def _matrices(self, count: int) -> None:
        if count * 8 > self._left:
            raise _FaultError(f"{count} elements in {self._left} bytes")
        self._elements += count
        if self._elements > _MAX_ELEMENTS:  # an empty one has 8 bytes, and a hundred as an object
            raise _FaultError(f"more than {_MAX_ELEMENTS} elements in cells or structs")
        if self._depth == _DEEPEST:
            raise _FaultError(f"cells or structs deeper than {_DEEPEST} levels")
        self._depth += 1
        for _ in range(count):
            size, small = self._tag({_MATRIX})
            if small:
                raise _FaultError("an array in a small element")
            behind, self._left = self._left - size, size
            self.matrix()
            self._stream.skip(self._left)
            self._left = behind
        self._depth -= 1

    def _skip(self, kinds: frozenset[int] | set[int], count: int) -> None:
        for _ in range(count):
            size, small = self._tag(kinds)
            self._take(4 if small else size)
            self._stream.skip(4 if small else size)
            if not small:
                self._pad(size)

    def _element(self, kinds: frozenset[int] | set[int], most: int) -> bytes:
        size, small = self._tag(kinds)
        if size > most:
            raise _FaultError(f"an element of {size} bytes, expected at most {most}")
        self._take(4 if small else size)
        data = self._stream.read(4 if small else size)[:size]
        if not small:
            self._pad(size)
        return data

    def _tag(self, kinds: frozenset[int] | set[int]) -> tuple[int, bool]:
        """Bytes of the next element, and whether they stand in its tag; its kind is one of `kinds`."""
        self._take(4)
        (kind,) = self._stream.numbers(self._stream.read(4))
        size, small = kind >> 16, kind > 0xFFFF
        if small:
            kind &= 0xFFFF
            if size > 4:
                raise _FaultError(f"a small element of {size} bytes, expected at most 4")
        else:
            self._take(4)
            (size,) = self._stream.numbers(self._stream.read(4))
        if kind not in kinds:
            raise _FaultError(f"an element of kind {kind}, expected {' or '.join(map(str, sorted(kinds)))}")
        if not small and size > self._left:
            raise _FaultError(f"an element of {size} bytes in one of {self._left}")
        return size, small

    def _pad(self, size: int) -> None:
        # The last element of a variable is often not filled up to eight bytes
        padding = min(-size % 8, self._left)
        self._take(padding)
        self._stream.skip(padding)

    def _take(self, size: int) -> None:
        if size > self._left:
            raise _FaultError(f"{size} bytes expected, {self._left} left")
        self._left -= size
