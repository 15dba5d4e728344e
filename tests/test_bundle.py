from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from geo_xmodal import bundle
from geo_xmodal.errors import BundleError, OutputError
from geo_xmodal.networks import NetworkSpec, PixelModel
from tests.training_data import CLASSES, identity_statistics

OPTIONS = {"kernels": [3], "widths": [4], "embedding": 4}


def card(**changes: Any) -> bundle.Card:
    values: dict[str, Any] = {
        "method": "hgr",
        "network": bundle.NetworkEntry(name="pixel_cnn", options=OPTIONS),
        "margin": 1,
        "target": bundle.describe_target("sar", "sar", "made up", identity_statistics(2)),
        "classes": tuple(bundle.ClassEntry(id=c.id, name=c.name, color=c.color) for c in CLASSES),
        "resolution": (10.0, 10.0),
        "resolution_unit": "m",
        "scene": "test",
        "simulated": True,
    }
    return bundle.Card(**{**values, **changes})


def model() -> PixelModel:
    torch.manual_seed(1)
    return PixelModel(NetworkSpec("pixel_cnn", OPTIONS), identity_statistics(2), 3).eval()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    bundle.save(tmp_path / "model", model(), card())
    return tmp_path / "model"


def change_card(folder: Path, **changes: Any) -> None:
    path = folder / bundle.CARD
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_bundle_comes_back_as_it_was(saved: Path) -> None:
    loaded = bundle.load(saved)
    x = torch.randn(1, 2, 8, 8)
    assert torch.equal(loaded.model(x), model()(x))
    assert loaded.card.legend == CLASSES
    assert loaded.card.statistics == identity_statistics(2)
    assert not loaded.model.training


def test_a_run_folder_is_a_bundle_too(saved: Path) -> None:
    assert bundle.load(saved.parent).card == bundle.load(saved).card


def test_the_same_model_is_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    bundle.save(tmp_path / "again", model(), card())
    for name in (bundle.CARD, bundle.WEIGHTS):
        assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_saving_again_replaces_and_leaves_nothing_beside(saved: Path) -> None:
    bundle.save(saved, model(), card(method="cnn"))
    assert bundle.read_card(saved).method == "cnn"
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("position", [0, 9, 200, -1])
def test_a_changed_byte_is_noticed(saved: Path, position: int) -> None:
    path = saved / bundle.WEIGHTS
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(BundleError, match="sha256"):
        bundle.load(saved)


def resign(folder: Path, weights: bytes) -> None:
    import hashlib

    (folder / bundle.WEIGHTS).write_bytes(weights)
    change_card(folder, weights_sha256=hashlib.sha256(weights).hexdigest())


def test_weights_of_another_network_are_refused(saved: Path) -> None:
    state = load((saved / bundle.WEIGHTS).read_bytes())
    name = next(iter(state))
    resign(saved, save({**state, name: torch.zeros(7)}))
    with pytest.raises(BundleError, match=r"has shape \(7,\)"):
        bundle.load(saved)
    resign(saved, save({key: value for key, value in state.items() if key != name}))
    with pytest.raises(BundleError, match="has shape None"):
        bundle.load(saved)


@pytest.mark.parametrize(
    ("network", "first"), [("resnet50", "conv1.weight"), ("vit_s16", "patch_embed.proj.weight")]
)
def test_a_backbone_of_an_earlier_version_is_told_from_a_damaged_file(
    saved: Path, network: str, first: str
) -> None:
    change_card(saved, network={"name": network, "options": {}})
    resign(saved, save({f"network.encoder.backbone.{first}": torch.zeros(1)}))
    with pytest.raises(
        BundleError, match=rf"of {network} are named as in an earlier .*: train again, or map w"
    ):
        bundle.load(saved)


def test_weights_that_are_not_finite_are_refused(saved: Path) -> None:
    state = load((saved / bundle.WEIGHTS).read_bytes())
    name = next(name for name, value in state.items() if value.is_floating_point())
    resign(saved, save({**state, name: torch.full_like(state[name], float("nan"))}))
    with pytest.raises(BundleError, match="not finite"):
        bundle.load(saved)


def test_weights_that_are_no_safetensors_are_refused(saved: Path) -> None:
    resign(saved, b"\x80\x04K\x01.")
    with pytest.raises(BundleError, match="not a safetensors file"):
        bundle.load(saved)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"schema_version": 99}, "schema_version is 99"),
        ({"surprise": 1}, "surprise"),
        ({"margin": 5}, "margin is 5"),
        ({"network": {"name": "os.system", "options": {}}}, "unknown network"),
        ({"classes": []}, "classes"),
        ({"margin": "<script>"}, "margin"),
    ],
)
def test_cards_that_do_not_fit_are_refused(saved: Path, changes: dict[str, Any], match: str) -> None:
    change_card(saved, **changes)
    with pytest.raises(BundleError, match=match) as caught:
        bundle.load(saved)
    assert "\n" not in str(caught.value)


def test_statistics_of_unequal_length_are_refused(saved: Path) -> None:
    raw = json.loads((saved / bundle.CARD).read_text())
    raw["target"]["statistics"]["mean"] = [0.0]
    (saved / bundle.CARD).write_text(json.dumps(raw))
    with pytest.raises(BundleError, match="1 entries for 2 bands"):
        bundle.load(saved)


def test_a_card_that_is_no_json_is_refused(saved: Path) -> None:
    (saved / bundle.CARD).write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        bundle.load(saved)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"\xff\xfe{}", r"no UTF-8 text \(byte 0xff"),
        (b'{"a":' * 100_000, "nested more than 64 levels deep"),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[1]", "not an object"),
        (b'{"schema_version": 1, "method": "\\ud800"}', "surrogate"),
    ],
    ids=range(5),
)
def test_a_damaged_card_is_refused_in_one_line(saved: Path, content: bytes, match: str) -> None:
    (saved / bundle.CARD).write_bytes(content)
    with pytest.raises(BundleError, match=match) as caught:
        bundle.load(saved)
    assert str(saved / bundle.CARD) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("widths", [4096, 4095])
def test_a_card_cannot_ask_for_more_than_its_weights_hold(saved: Path, widths: int) -> None:
    """16 layers of 4096 x 4096 x 31 x 31 weights are 960 GB."""
    change_card(
        saved,
        margin=240,
        network={"name": "pixel_cnn", "options": {"widths": [widths] * 16, "kernels": [31] * 16}},
    )
    program = (
        "import sys; from pathlib import Path; from tests.memory import limit_memory\n"
        "import geo_xmodal.networks; from geo_xmodal import bundle\n"
        "from geo_xmodal.errors import BundleError\n"
        "limit_memory(256)\n"
        "try: bundle.load(Path(sys.argv[1]))\n"
        "except BundleError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(saved)], capture_output=True, text=True, check=False
    )
    assert "card and weights are not of the same model" in done.stdout, done.stderr


def test_what_is_no_bundle(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(BundleError, match="is no folder"):
        bundle.load(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match=r"holds no card\.json"):
        bundle.load(tmp_path / "empty")
    (saved / bundle.WEIGHTS).unlink()
    with pytest.raises(BundleError, match=r"model\.safetensors"):
        bundle.load(saved)


@pytest.mark.parametrize("name", [bundle.CARD, bundle.WEIGHTS])
def test_a_link_out_of_the_folder_is_refused_and_not_shown(saved: Path, name: str) -> None:
    secret = saved.parent / "secret"
    (saved / name).rename(secret)
    (saved / name).symlink_to(secret)
    for folder in (saved, saved.parent):
        with pytest.raises(BundleError, match=f"{name}: leads out of the model folder to .*secret; copy"):
            bundle.load(folder)
    if name == bundle.CARD:
        secret.write_text('{"schema_version": "hidden"}')
        with pytest.raises(BundleError) as caught:
            bundle.read_card(saved)
        assert "hidden" not in str(caught.value)


def test_links_within_the_folder_and_to_it_are_fine(saved: Path) -> None:
    for name in (bundle.CARD, bundle.WEIGHTS):
        (saved / name).rename(saved / f"kept {name}")
        (saved / name).symlink_to(f"kept {name}")
    run = saved.parent / "run"
    run.mkdir()
    (run / "model").symlink_to(saved)
    for folder in (saved, run, run / "model"):
        assert bundle.load(folder).card.scene == "test"


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(OutputError, match="not empty"):
        bundle.save(tmp_path, model(), card())
    assert (tmp_path / "thesis.doc").read_text() == "years of work"
