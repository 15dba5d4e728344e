"""Networks of pretraining: an encoder of this package without its classifier, and a projector."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from geo_xmodal.errors import BundleError
from geo_xmodal.networks.branch import Branch
from geo_xmodal.networks.registry import NetworkSpec, branch_class, build_network


class BranchEncoder(nn.Module):
    """A target branch without its head: standardised bands to features, dense.

    Names of weights are those of the branch behind `network.`, so that they can be taken over by one.

    Attributes:
        spec: Which network it is.
        bands: Of its input.
        network: The branch; its `head` does nothing.
        margin: Pixels on each side that a feature looks at.
        features: Width of its output.

    Args:
        spec: A network that users may choose as target branch.
        bands: Of the sensor.

    Raises:
        BundleError: There is no such branch, or an option is out of its bounds.
    """

    def __init__(self, spec: NetworkSpec, bands: int) -> None:
        super().__init__()
        branch_class(spec.name)
        self.spec, self.bands = spec, bands
        self.network = cast(Branch, build_network(spec, bands, 1))
        self.network.head = nn.Identity()
        self.margin, self.features = self.network.margin, self.network.features

    def forward(self, x: Tensor) -> Tensor:
        """(B, bands, H + 2m, W + 2m) standardised -> (B, features, H, W)."""
        return self.network.encode(self.network.prepare(x))

    def of_images(self, x: Tensor) -> Tensor:
        """(B, bands, H, W) standardised -> (B, features): each image as a whole."""
        return self.network.of_images(x)


class Projector(nn.Sequential):
    """Three linear layers with batch norm: (n, features) -> (n, dimensions) of zero mean and unit variance.

    Linear, batch norm, ReLU, twice; then a linear layer, and a batch norm without scale and shift, as the
    losses have it (DeCUR, appendix B.1 and Algorithm 1). No layer has a bias, as batch norm follows.

    Args:
        features: Width of what is projected.
        width: Of the two hidden layers.
        dimensions: Of the embedding.
    """

    def __init__(self, features: int, width: int, dimensions: int) -> None:
        if min(features, width, dimensions) < 1:
            raise BundleError(f"a projector of sizes {features}, {width}, {dimensions}: expected 1 at least")
        super().__init__(
            nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, dimensions, bias=False), nn.BatchNorm1d(dimensions, affine=False),
        )  # fmt: skip
        self.dimensions = dimensions
