"""Pretrained encoders on disk: what is written is what is read, and nothing else is taken."""

import json
from pathlib import Path

import pytest
import torch

from geo_xmodal.errors import BundleError, ModelMismatchError
from geo_xmodal.pretrained import encoder_file, load_pretrained, save_pretrained
from tests.pretraining.encoders import pretrained


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    save_pretrained(folder / "encoders", pretrained())
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    for path in (run / "encoders").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_encoders_compute_the_same_after_a_round_trip(run: Path) -> None:
    torch.manual_seed(0)
    before, after = pretrained(), load_pretrained(run)
    assert (after.common, after.dimensions) == (6, 8)
    assert [one.name for one in after.sensors] == ["sar", "hsi"]
    for old, new in zip(before.sensors, after.sensors, strict=True):
        raw = torch.randn(4, new.encoder.bands, 3, 3)
        assert torch.equal(old.embeddings(raw), new.embeddings(raw))
        assert not new.encoder.training and not new.projector.training


def test_encoders_are_dense(run: Path) -> None:
    radar = load_pretrained(run).sensor("sar")
    raw = torch.randn(1, 2, 5, 6)
    features = radar.features(raw)
    assert features.shape == (1, 5, 3, 4) and radar.side == 3
    torch.testing.assert_close(features[:, :, 1:2, 2:3], radar.features(raw[:, :, 1:4, 2:5]))


def test_a_patch_of_other_bands_is_refused(run: Path) -> None:
    with pytest.raises(ModelMismatchError, match=r"shape \(1, 3, 3, 3\).*sar needs \(batch, 2"):
        load_pretrained(run).sensor("sar").features(torch.zeros(1, 3, 3, 3))
    with pytest.raises(ModelMismatchError, match="'lidar' was not pretrained: the run has sar and hsi"):
        load_pretrained(run).sensor("lidar")


def test_changed_weights_are_refused(copy: Path) -> None:
    path = encoder_file(copy, "sar")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"encoder-sar\.safetensors: sha256 is"):
        load_pretrained(copy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"common": 9}, "common is 9, of 8 dimensions"),
        ({"schema_version": 2}, "schema_version is 2, this version reads 1"),
        ({"dimensions": 9}, "card and weights are not of the same run"),
        ({"surprise": 1}, "unknown key 'surprise'"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(copy: Path, change: dict[str, int], words: str) -> None:
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(card | change))
    with pytest.raises(BundleError, match=words):
        load_pretrained(copy)


def test_a_card_cannot_name_a_file_elsewhere(copy: Path) -> None:
    card = json.loads((copy / "card.json").read_text())
    card["sensors"][0]["modality"] = "../sar"
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match="sensors are called"):
        load_pretrained(copy)


def test_a_card_cannot_ask_for_a_huge_network(copy: Path) -> None:
    card = json.loads((copy / "card.json").read_text())
    card["width"] = 65_536
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match="card and weights are not of the same run"):
        load_pretrained(copy)


def test_a_folder_without_encoders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no encoders/card\.json"):
        load_pretrained(tmp_path)
