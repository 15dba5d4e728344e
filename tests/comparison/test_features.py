from __future__ import annotations

import numpy as np
import torch

from geo_xmodal.comparison.features import described
from geo_xmodal.networks import Branch, NetworkSpec, PixelModel
from geo_xmodal.types import BandStatistics

BANDS = BandStatistics(("a", "b"), ("identity",) * 2, (1, 1), (-9, -9), (9, 9), (0.5, -1), (1, 2))


def test_features_are_what_the_classifier_sees() -> None:
    torch.manual_seed(0)
    model = PixelModel(NetworkSpec("pixel_cnn", {"contrasts": [3], "embedding": 6, "dropout": 0.5}), BANDS, 4)
    side = 2 * model.margin + 1
    patches = np.random.default_rng(0).normal(size=(300, 2, side, side)).astype(np.float32)
    features = described(model, patches)
    assert features.shape == (300, 6)
    assert isinstance(model.network, Branch)
    with torch.no_grad():
        logits = model.network.head(torch.from_numpy(features)[:, :, None, None])
        expected = model(torch.from_numpy(patches))
    np.testing.assert_allclose(logits.numpy(), expected.numpy(), atol=1e-5)


def test_a_model_without_a_branch_shows_its_class_scores() -> None:
    torch.manual_seed(0)
    model = PixelModel(NetworkSpec("linear"), BANDS, 3)
    patches = np.random.default_rng(0).normal(size=(5, 2, 1, 1)).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(patches)).flatten(1)
    np.testing.assert_allclose(described(model, patches), expected.numpy(), atol=1e-6)
