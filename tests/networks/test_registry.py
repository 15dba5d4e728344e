"""Networks by name, and those that a user may choose as target branch."""

from __future__ import annotations

import pytest
import torch

from geo_xmodal.errors import BundleError
from geo_xmodal.methods import METHODS
from geo_xmodal.networks import Branch, NetworkSpec, branch_choices, branch_class, build_network

SETTINGS = {
    "patch": 7, "contrasts": (), "kernels": (3,), "widths": (8,), "embedding": 6, "dropout": 0.1, "ours": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", branch_choices())
def test_a_branch_takes_its_own_of_the_settings_and_keeps_its_word(name: str) -> None:
    spec = NetworkSpec.chosen(name, SETTINGS)
    assert list(spec.options) == list(NetworkSpec.chosen(name, dict(reversed(SETTINGS.items()))).options)
    network = build_network(spec, bands=2, classes=3).eval()
    assert isinstance(network, Branch)
    assert network.margin == spec.margin
    assert network.features == SETTINGS["embedding"]
    side = 1 + 2 * network.margin
    with torch.no_grad():
        assert network(torch.zeros(1, 2, side, side)).shape == (1, 3, 1, 1)
        if network.patch_encoder is not None:
            assert network.patch_encoder(5, 6).eval()(torch.zeros(2, 5, side, side)).shape == (2, 6)


@pytest.mark.parametrize("name", branch_choices())
def test_help_tells_of_every_branch(name: str) -> None:
    for method in ("hgr", "cnn"):
        described = METHODS[method].Options.model_fields["encoder"].description
        assert described is not None and branch_class(name).choice in described


def test_what_is_no_branch_is_no_choice() -> None:
    with pytest.raises(
        ValueError,
        match=r"'linear' is no target branch: choose one of mit_b0, pixel_cnn, .*vit_s16",
    ):
        METHODS["cnn"].Options(encoder="linear")  # type: ignore[call-arg]
    with pytest.raises(BundleError, match="unknown network 'gpt'"):
        NetworkSpec.chosen("gpt", SETTINGS)
