"""Models that come as a zip: the shipped one, and those that mean harm."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import geo_xmodal as gx
from geo_xmodal.errors import BundleError
from geo_xmodal_app import unpacking
from geo_xmodal_app.unpacking import CARD, WEIGHTS, unpack_bundle

SHIPPED = gx.list_models()[0].folder


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., Path]:
    """Packs files: names to contents, in that order; a name may come twice."""

    def packed(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
        path = tmp_path / "model.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            for name, content in entries:
                out.writestr(name, content)
        return path

    return packed


def card() -> bytes:
    return (SHIPPED / CARD).read_bytes()


def weights() -> bytes:
    return (SHIPPED / WEIGHTS).read_bytes()


def refusal(archive: Path) -> str:
    """Why it is refused; nothing is left of it, here or elsewhere."""
    out = archive.parent / "out" / "bundle"
    before = {path for path in archive.parent.rglob("*") if "out" not in path.parts}
    with pytest.raises(BundleError) as refused:
        unpack_bundle(archive, out, "my model.zip")
    assert not out.exists()
    assert not any((archive.parent / "out").glob("*")) or not (archive.parent / "out").exists()
    assert {path for path in archive.parent.rglob("*") if "out" not in path.parts} == before
    message = str(refused.value)
    assert message.startswith("my model.zip: ")
    assert "\n" not in message
    return message


def test_a_model_is_unpacked_and_checked(pack: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    unpack_bundle(pack(("m/", b""), (f"m/{WEIGHTS}", weights()), (f"m/{CARD}", card())), out, "a.zip")
    assert sorted(path.name for path in out.iterdir()) == [CARD, WEIGHTS]
    assert gx.load_bundle(out).card == gx.read_card(SHIPPED)


def test_a_changed_byte_is_found(pack: Callable[..., Path]) -> None:
    changed = bytearray(weights())
    changed[-5] ^= 1
    assert "sha256" in refusal(pack((WEIGHTS, bytes(changed)), (CARD, card())))


def test_a_byte_changed_in_the_zip_is_found(pack: Callable[..., Path]) -> None:
    path = pack((WEIGHTS, weights()), (CARD, card()))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize(
    "name",
    ["../model.safetensors", "/model.safetensors", "a/b/model.safetensors", "..\\model.safetensors",
     "model.safetensors/../../x", "evil.py", "model.pt", "sitecustomize.py"],
)  # fmt: skip
def test_names_that_lead_elsewhere(pack: Callable[..., Path], name: str) -> None:
    refusal(pack((name, weights()), (CARD, card())))


def test_a_link_is_no_file(pack: Callable[..., Path]) -> None:
    link = zipfile.ZipInfo(CARD)
    link.external_attr = 0o120777 << 16
    assert "no plain file" in refusal(pack((WEIGHTS, weights()), (link, b"/etc/passwd")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(pack: Callable[..., Path]) -> None:
    refusal(pack((WEIGHTS, weights()), (CARD, card()), (CARD, b"{}")))
    refusal(pack((WEIGHTS, weights()), (CARD, card()), (f"a/{CARD}", b"{}")))


@pytest.mark.parametrize("kept", [WEIGHTS, CARD])
def test_half_a_model(pack: Callable[..., Path], kept: str) -> None:
    assert "holds no" in refusal(pack((kept, (SHIPPED / kept).read_bytes())))


def test_a_bomb_is_not_unpacked(pack: Callable[..., Path]) -> None:
    assert "more than that of a model" in refusal(pack((WEIGHTS, bytes(50_000_000)), (CARD, card())))


def test_a_size_that_lies(pack: Callable[..., Path]) -> None:
    """The table of contents promises a small file, the data unpack to a large one."""
    path = pack((WEIGHTS, bytes(50_000_000)), (CARD, card()))
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 50_000_000), struct.pack("<I", 1000)))
    refusal(path)


def test_too_many_files(pack: Callable[..., Path]) -> None:
    assert "holds 1000 files" in refusal(pack(*((f"{number}", b"") for number in range(1000))))


def test_what_is_no_zip(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    for content in (
        b"",
        b"PK\x03\x04",
        b"PK\x05\x06" + bytes(18),
        b"PK\x05\x06" + b"\xff" * 18,
        bytes(100_000),
    ):
        path.write_bytes(content)
        refusal(path)


def test_a_zip_that_is_cut(pack: Callable[..., Path]) -> None:
    path = pack((WEIGHTS, weights()), (CARD, card()))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    refusal(path)


def test_deflate_errors_are_a_damaged_zip(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(WEIGHTS, weights())
        archive.writestr(CARD, card())
    content = bytearray(path.read_bytes())
    content[30 + len(WEIGHTS)] = 0xFF  # the first byte of what was packed: a block of no known kind
    path.write_bytes(content)
    assert "a damaged zip: Error -3 while decompressing data" in refusal(path)


def test_a_card_that_is_none(pack: Callable[..., Path]) -> None:
    for text in (b'{"schema_version": 99}', b"[" * 100_000):
        refusal(pack((WEIGHTS, weights()), (CARD, text)))


def test_pickled_weights(pack: Callable[..., Path]) -> None:
    refusal(pack((WEIGHTS, b"\x80\x04\x95" + bytes(1000)), (CARD, card())))


def test_a_check_that_takes_too_long_is_stopped(
    pack: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "_SECONDS", 0.05)
    assert "more than 0.05 seconds" in refusal(pack((WEIGHTS, weights()), (CARD, card())))
