"""Outputs appear whole or not at all, and what goes wrong names the output that was asked for."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from geo_xmodal.errors import OutputError
from geo_xmodal.outputs import (
    check_no_links,
    check_writable,
    files_together,
    folder_beside,
    held,
    new_file,
    new_folder,
    output_errors,
    replaced_folder,
    write_text,
)


class LibraryError(Exception):
    """What a library raises in place of an `OSError`."""


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "new" / "deep" / "text.txt"
    with new_file(out) as beside:
        beside.write_text("half")
        assert not out.exists()
    assert out.read_text() == "half"
    write_text(out, "größer\n")
    assert out.read_bytes() == "größer\n".encode()
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_is_cut_short_leaves_the_older_output(tmp_path: Path, error: type[BaseException]) -> None:
    out = tmp_path / "text.txt"
    out.write_text("older")
    with pytest.raises(error), new_file(out) as beside:
        beside.write_text("newer")
        raise error
    with pytest.raises(error), new_folder(tmp_path / "folder") as folder:
        (folder / "part").touch()
        raise error
    assert list(tmp_path.iterdir()) == [out] and out.read_text() == "older"


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/deep"):
        with new_folder(tmp_path / name) as folder:
            (folder / "part").touch()
            assert not (tmp_path / name / "part").exists()
        assert [path.name for path in (tmp_path / name).iterdir()] == ["part"]
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "new"}


def test_a_folder_takes_the_place_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear")
    for out in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(OutputError, match="is in the way"), new_folder(out):
            pytest.fail("the block must not be entered")
    assert (tmp_path / "thesis.txt").read_text() == "dear"


def test_what_is_left_in_a_folder_beside_is_gone(tmp_path: Path) -> None:
    with folder_beside(tmp_path / "out") as folder:
        (folder / "kept").touch()
        (folder / "left").touch()
        (folder / "kept").rename(tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EFBIG, "files of that size"),
        (errno.EACCES, "may write to"),
        (errno.EROFS, "may write to"),
        (errno.EBUSY, "choose another place"),
    ],
)
def test_a_refusal_names_the_output_the_reason_and_a_way_out(tmp_path: Path, number: int, words: str) -> None:
    with pytest.raises(OutputError) as caught, new_folder(tmp_path / "scene") as folder:
        raise OSError(number, os.strerror(number), str(folder / "sar.tif"))
    message = str(caught.value)
    assert message.startswith(f"cannot write {tmp_path / 'scene'}: {os.strerror(number)}: ")
    assert words in message and "/." not in message


def test_a_library_that_hides_the_reason_is_asked_for_it(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError) as caught,
        new_folder(tmp_path / "scene", LibraryError) as folder,
    ):
        try:
            raise LibraryError(f"{folder}/sar.tif: bits\n fell off")
        except LibraryError as error:
            raise LibraryError("Write failed. See previous exception for details.") from error
    scene = tmp_path / "scene"
    assert str(caught.value).startswith(f"cannot write {scene}: {scene}/sar.tif: bits fell off: check the ")


def test_other_errors_pass() -> None:
    with pytest.raises(LibraryError), output_errors(Path("out")):
        raise LibraryError


def test_checking_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A file and a folder of somebody else, which are found as they were."""
    place = tmp_path / "elsewhere"
    (place / "folder").mkdir(parents=True)
    (place / "file").write_text("theirs")
    (place / "folder" / "more").write_text("theirs")
    yield place
    assert sorted(path.relative_to(place).as_posix() for path in place.rglob("*")) == [
        "file",
        "folder",
        "folder/more",
    ]
    assert (place / "file").read_text() == (place / "folder" / "more").read_text() == "theirs"


@pytest.mark.parametrize("target", ["file", "folder", "nothing"])
@pytest.mark.parametrize("hidden", ["partial", "lock", "old"])
def test_nothing_is_written_where_a_link_at_a_hidden_name_leads(
    hidden: str, target: str, elsewhere: Path, tmp_path: Path
) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / f".{name}.{hidden}").symlink_to(elsewhere / target)
    with held(tmp_path / "a"), new_file(tmp_path / "a") as file:
        file.write_text("ours")
    for name, kind in (("b", new_folder), ("c", replaced_folder)):
        with kind(tmp_path / name) as folder:
            (folder / "file").write_text("ours")
    (tmp_path / "d").mkdir()
    for name in (".partial", "unfinished.txt"):
        (tmp_path / "d" / name).symlink_to(elsewhere / target)
    with held(tmp_path / "d"), files_together(tmp_path / "d") as folder:
        (folder / "file").write_text("ours")
    for path in (tmp_path / "a", *(tmp_path / name / "file" for name in ("b", "c", "d"))):
        assert path.read_text() == "ours" and not path.is_symlink() and not path.parent.is_symlink()


def test_a_hard_link_at_a_hidden_name_is_let_go(elsewhere: Path, tmp_path: Path) -> None:
    os.link(elsewhere / "file", tmp_path / ".a.partial")
    write_text(tmp_path / "a", "ours")
    assert (tmp_path / "a").read_text() == "ours"


def test_links_in_what_is_gone_on_with_are_named(elsewhere: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "model").mkdir(parents=True)
    (folder / "of-the-user").symlink_to(elsewhere / "folder")
    check_no_links(folder, lambda name: name == "model")
    check_no_links(tmp_path / "nothing", lambda name: True)
    (folder / "model" / "card.json").symlink_to(elsewhere / "file")
    with pytest.raises(OutputError, match=r"run/model/card\.json is a link to .*elsewhere/file, expected"):
        check_no_links(folder, lambda name: name == "model")
