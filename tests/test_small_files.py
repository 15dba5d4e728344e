from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from geo_xmodal.errors import UsageError
from geo_xmodal.small_files import (
    MAX_DEPTH,
    MAX_KEY_PARTS,
    SmallFile,
    file_errors,
    read_bytes,
    read_json,
    read_json_lines,
    read_json_object,
    read_tensor_header,
    read_text,
    read_toml,
    real_path,
)

KIND = SmallFile("settings", UsageError, "write them again", 1 << 20)


def refusal(read: Callable[[Path, SmallFile], Any], path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read(path, KIND)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    assert "expected settings: write them again" in message
    return message


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EMFILE, "raise the limit of open files"),
        (errno.EACCES, "right to read it"),
        (errno.EPERM, "right to read it"),
        (errno.ENOMEM, "limit of memory"),
        (errno.EIO, "check the disk"),
        (errno.ESTALE, "check the disk"),
    ],
)
def test_what_the_system_refuses_says_nothing_against_a_file(number: int, advice: str) -> None:
    with (
        pytest.raises(
            UsageError, match=f"settings.json: cannot be read: {os.strerror(number)}: .*{advice}"
        ) as it,
        file_errors("settings.json", KIND),
    ):
        raise OSError(number, os.strerror(number))
    assert KIND.advice not in str(it.value)


def test_no_file_can_be_opened_any_more(file: Path) -> None:
    resource = pytest.importorskip("resource")
    file.write_text("{}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(UsageError) as caught:
            read_json(file, KIND)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "limit of open files" in str(caught.value) and KIND.advice not in str(caught.value)


@pytest.mark.parametrize(
    "read", [read_bytes, read_text, read_json, read_json_lines, read_toml, read_tensor_header]
)
def test_what_is_no_file_is_refused_by_every_reader(read: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    assert "no such file" in refusal(read, tmp_path / "missing")
    assert "is a folder" in refusal(read, tmp_path)
    assert "Too many levels of symbolic links" in refusal(read, tmp_path / "loop")
    assert "not a regular file" in refusal(read, tmp_path / "pipe")
    assert real_path(tmp_path / "loop").parent == real_path(tmp_path)


@pytest.mark.parametrize("read", [read_bytes, read_text, read_json, read_json_lines, read_toml])
def test_what_is_too_large_is_not_read(read: Callable[..., Any], file: Path) -> None:
    with file.open("wb") as made:
        made.truncate(1 << 40)
    assert "larger than 1048576 bytes" in refusal(read, file)


@pytest.mark.parametrize("read", [read_text, read_json, read_json_lines, read_toml])
def test_text_that_is_no_utf_8_names_the_byte(read: Callable[..., Any], file: Path) -> None:
    file.write_bytes(b"a\xe4\n")
    assert "no UTF-8 text (byte 0xe4 at 1)" in refusal_of_line(read, file)


def refusal_of_line(read: Callable[..., Any], path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read(path, KIND)
    return str(caught.value)


def test_a_byte_order_mark_is_no_content(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf{}")
    assert read_text(file, KIND) == "{}" and read_json(file, KIND) == {}


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ('{"a": 1,}', "not JSON"),
        (nested(MAX_DEPTH + 1), "nested more than 64 levels deep"),
        ("[" * 500_000, "nested more than 64 levels deep"),
        ('{"a":' * 100_000, "nested more than 64 levels deep"),
        ("9" * 5000, "not JSON (Exceeds the limit"),
        (r'"\ud800"', "half of a surrogate pair"),
    ],
    ids=lambda text: text[:10],
)
def test_json_that_is_none_or_too_deep(text: str, words: str, file: Path) -> None:
    file.write_text(text)
    assert words in refusal(read_json, file)


def test_brackets_in_texts_do_not_nest(file: Path) -> None:
    value = {"[" * 100: r"\"[{" * 100, "deep": json.loads(nested(MAX_DEPTH - 1)), "pair": "\U0001f600"}
    file.write_text(json.dumps(value))
    assert read_json(file, KIND) == value
    file.write_text("[1]")
    assert "a JSON list, not an object" in refusal(read_json_object, file)


def test_half_a_last_line_of_json_lines_is_left_out(file: Path) -> None:
    file.write_text('{"a": 1}\n\n{"a": 2}\n{"a"')
    assert read_json_lines(file, KIND) == ([{"a": 1}, {"a": 2}], True)
    file.write_text('{"a": 1}\n{"a": 2}\n')
    assert read_json_lines(file, KIND) == ([{"a": 1}, {"a": 2}], False)
    file.write_bytes(b"")
    assert read_json_lines(file, KIND) == ([], False)


def test_a_damaged_line_of_json_lines_is_named(file: Path) -> None:
    file.write_text('{"a": 1}\n{"a"\n{"a": 2}\n')
    assert f"{file}: line 2: not JSON" in refusal_of_line(read_json_lines, file)
    file.write_text('{"a": 1}\n{"a": 2}\n[3]\n')
    assert f"{file}: line 3: a JSON list" in refusal_of_line(read_json_lines, file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = ", "not valid TOML"),
        ("a = " + "9" * 5000, "not valid TOML"),
        ("a = 2026-13-01", "not valid TOML"),
        ("a = " + nested(65), "nested more than 64 levels deep"),
        ("a." * MAX_KEY_PARTS + "b = 1", "a key of more than 16 parts"),
        ('"a" . ' * MAX_KEY_PARTS + "b = 1", "a key of more than 16 parts"),
        ("[" + "a.'b.c'." * 8 + "d]", "a key of more than 16 parts"),
        ("x = {" + "a." * MAX_KEY_PARTS + "b = 1}", "a key of more than 16 parts"),
    ],
    ids=lambda text: text[:10],
)
def test_toml_that_is_none_or_too_deep(text: str, words: str, file: Path) -> None:
    file.write_text(text)
    assert words in refusal(read_toml, file)


def test_dots_and_brackets_in_texts_and_comments_are_no_keys(file: Path) -> None:
    dots, brackets = "a." * 50, "[{" * 50
    file.write_text(
        f"# {dots}b {brackets}\n"
        f'plain = "{dots} {brackets} \\" # {dots}"  # {dots}\n'
        f"literal = '{dots} {brackets}'\n"
        f'long = """{dots}\n"{brackets}" \\""" """\n'
        f"raw = '''{dots}\n'{brackets}''''\n"
        + "x = [1.5, 2.5]\n" + "a." * (MAX_KEY_PARTS - 1) + "b = 1\n"
    )  # fmt: skip
    read = read_toml(file, KIND)
    assert read["plain"] == f'{dots} {brackets} " # {dots}' and read["x"] == [1.5, 2.5]


def tensors(header: Any, numbers: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def test_the_header_of_tensors(file: Path) -> None:
    file.write_bytes(save({"a": torch.zeros(2, 3), "b": torch.zeros((), dtype=torch.int64)}, {"note": "x"}))
    header = read_tensor_header(file, KIND)
    assert header.shapes == {"a": (2, 3), "b": ()} and header.metadata == {"note": "x"}
    assert file.stat().st_size - header.data_start == 2 * 3 * 4 + 8


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a header of 0 bytes in 0"),
        (struct.pack("<Q", 2**62) + b"{}", f"a header of {2**62} bytes in 10"),
        (tensors(b"[]"), "its header is no object"),
        (tensors(b"\xff\xff"), "no UTF-8 text"),
        (tensors(b"{" * 1000), "nested more than 64"),
        (tensors({"__metadata__": {"a": 1}}), "its metadata are no texts"),
        (tensors({"a": {"dtype": "F32", "shape": [1 << 40]}}, bytes(4)), "the file has 4"),
        (tensors({"a": {"dtype": "F32", "shape": [-1]}}, bytes(4)), "no shape and type"),
        (tensors({"a": {"dtype": [], "shape": [1]}}, bytes(4)), "no shape and type"),
        (tensors({"a": {"dtype": "F32", "shape": [1] * 99}}, bytes(4)), "no shape and type"),
        (tensors({"a": 1}), "no shape and type"),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_header_that_does_not_fit_its_file(content: bytes, words: str, file: Path) -> None:
    file.write_bytes(content)
    assert words in refusal(read_tensor_header, file)


def test_errors_of_a_library_are_the_file_s_and_ours_pass(file: Path) -> None:
    with pytest.raises(UsageError, match="file: 'x'; expected settings"), file_errors(file, KIND, KeyError):
        raise KeyError("x")
    with pytest.raises(UsageError, match=r"^mine$"), file_errors(file, KIND):
        raise UsageError("mine")
    with pytest.raises(ZeroDivisionError), file_errors(file, KIND):
        raise ZeroDivisionError


def test_a_small_scene_toml_costs_little_memory(tmp_path: Path) -> None:
    """40 kB of dotted keys took 2 GB."""
    (tmp_path / "scene.toml").write_text("a" + ".a" * 20_000 + " = 1\n")
    program = (
        "import sys; from pathlib import Path; from tests.memory import limit_memory\n"
        "from geo_xmodal.errors import SceneError; from geo_xmodal.scenes.config import read_config\n"
        "limit_memory(64)\n"
        "try: read_config(Path(sys.argv[1]))\n"
        "except SceneError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "scene.toml: not valid TOML: a key of more than 16 parts" in done.stdout
