"""Segmentation networks, each with the smallest backbone that it is made for."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from geo_xmodal.errors import BundleError
from geo_xmodal.networks import NetworkSpec, build_network
from geo_xmodal.networks.segmentation import SegFormerOptions, SegmenterOptions
from geo_xmodal.networks.segmentation.cmx import Fusion, Rectification
from geo_xmodal.networks.segmentation.fcn import FcnHead

SMALL = {"tile": 32, "overlap": 16}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("fcn", {}),
        ("fcn", {"sensors": (1, 2)}),
        ("segformer", {"width": 8}),
        ("cmx", {"width": 8, "sensors": (1, 2)}),
    ],
)
def test_a_segmenter_predicts_the_inner_pixels_and_every_weight_learns(name: str, options: dict) -> None:
    torch.manual_seed(0)
    network = build_network(NetworkSpec(name, {**SMALL, **options}), 3, 4)
    assert network.tiling.image == 64 and network.margin == 16
    logits = network(torch.randn(2, 3, 64, 64))
    assert logits.shape == (2, 4, 32, 32)
    F.cross_entropy(logits, torch.randint(4, (2, 32, 32))).backward()
    still = [key for key, weight in network.named_parameters() if weight.grad is None]
    assert not still, still


def test_scores_on_coarse_maps_are_those_of_upsampled_maps() -> None:
    torch.manual_seed(0)
    head = FcnHead((3, 5), 2)
    maps = [torch.randn(1, 3, 8, 8), torch.randn(1, 5, 4, 4)]
    after = [F.interpolate(one, (8, 8), mode="bilinear", align_corners=False) for one in maps]
    expected = sum(score(one) for score, one in zip(head.scores, after, strict=True))
    torch.testing.assert_close(head(maps), expected)


def test_rectification_adds_the_other_map_under_its_weights() -> None:
    rectify = Rectification(2)
    for layer in (rectify.channels[-2], rectify.places[-2]):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)  # all weights are sigmoid(0) = 1/2
    first, second = torch.randn(1, 2, 4, 4), torch.randn(1, 2, 4, 4)
    got = rectify(first, second)
    torch.testing.assert_close(got[0], first + 0.5 * second)
    torch.testing.assert_close(got[1], second + 0.5 * first)


def test_fusion_attends_to_the_context_of_the_other_sensor() -> None:
    torch.manual_seed(0)
    fuse = Fusion(4).eval()
    first, second = torch.randn(1, 4, 3, 3), torch.randn(1, 4, 3, 3)
    moved = second.clone()
    moved[0, :, 2, 2] += 5
    change = (fuse(first, moved) - fuse(first, second)).abs().amax(1)[0]
    assert change[0, 0] > 0  # beyond any convolution's reach: through the global context


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tile": 48}, "power of two"),
        ({"overlap": 8}, "multiple of 32: choose overlap 16"),
        ({"blend": 33}, "at most overlap"),
        ({"backbone": "resnet1"}, "unknown backbone 'resnet1'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SegmenterOptions(**options)


def test_a_card_cannot_ask_for_other_bands() -> None:
    with pytest.raises(BundleError, match="together 3, not 4"):
        build_network(NetworkSpec("fcn", {**SMALL, "sensors": (1, 2)}), 4, 2)
    with pytest.raises(BundleError, match="fuses two sensors, not 1"):
        build_network(NetworkSpec("cmx", SMALL), 4, 2)
    assert SegFormerOptions().backbone == "mit_b0"


def test_a_backbone_starts_from_that_of_a_pretrained_branch() -> None:
    branch = build_network(NetworkSpec("resnet18", {}), 3, 4)
    network = build_network(NetworkSpec("fcn", SMALL), 3, 4)
    network.start_from(branch.state_dict())
    own = network.encoders[0].net.state_dict()
    assert all(
        torch.equal(own[name], value) for name, value in branch.encoder.backbone.net.state_dict().items()
    )
