from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from geo_xmodal.networks import NetworkSpec, PixelModel, folded
from tests.training_data import identity_statistics

NETWORKS: list[tuple[str, Mapping[str, Any], int]] = [
    ("pixel_cnn", {"widths": (8, 8), "embedding": 8, "contrasts": (7,)}, 1),
    ("tanh_cnn", {"widths": (8, 8), "dense": (8, 8)}, 0),
    ("shared_specific", {"widths": (8, 8), "dense": (8, 8)}, 0),
    ("x_modalnet", {}, 0),
    ("linear", {}, 0),
]


@pytest.mark.parametrize(("name", "options", "left"), NETWORKS)
def test_a_folded_network_gives_the_same_with_fewer_batch_norms(
    name: str, options: Mapping[str, Any], left: int
) -> None:
    torch.manual_seed(0)
    network = PixelModel(NetworkSpec(name, options), identity_statistics(4), 3).network
    x = torch.randn(2, 4, 24, 25)
    network.train()(x)
    network.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    small = folded(network)
    assert torch.allclose(small(x), network(x), atol=1e-5)
    # the first batch norm of pixel_cnn has no convolution before it
    assert sum(isinstance(module, nn.BatchNorm2d) for module in small.modules()) == left
    assert not any(isinstance(module, nn.Tanh) for module in small.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_networks_run_in_other_threads_while_one_is_folded() -> None:
    network = PixelModel(NetworkSpec("pixel_cnn"), identity_statistics(4), 3).network.eval()
    x = torch.randn(1, 4, 9, 9)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(30):
                folded(network)(x)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
