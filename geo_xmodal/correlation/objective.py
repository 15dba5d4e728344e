"""The one shape of every objective: feature matrices in, a scalar to be maximised out."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from geo_xmodal.correlation.features import as_views, full_precision, sum_over_pairs


class Objective(nn.Module):
    """A dependence between modalities, to be MAXIMISED (a training loss subtracts it).

    Every objective is 0 for constant features, does not change when a constant is added to a column, and is
    computed in float32 (float64 for float64 features) whatever autocast says. With more than two modalities
    it is summed over pairs unless its own docstring says otherwise.

    Attributes:
        needs_labels: whether `forward` must be given class labels.
        same_width: whether all modalities need the same number of dimensions.
    """

    needs_labels: ClassVar[bool] = False
    same_width: ClassVar[bool] = True

    def forward(self, *features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Score paired features.

        Args:
            features: two or more (m, K) matrices; row i of each is sample i, in any floating type.
            labels: (m,) class ids, negative where unknown; used by discriminative objectives alone.

        Returns:
            A scalar; larger is more dependent.

        Raises:
            FeatureError: shapes that do not pair up, or fewer than 2 samples.
        """
        views = as_views(features, same_width=self.same_width)
        with full_precision(views[0].device):
            return self.score(views, labels)

    def score(self, views: tuple[Tensor, ...], labels: Tensor | None) -> Tensor:
        """The objective on checked features: `pair` summed over pairs."""
        return sum_over_pairs(self.pair, views)

    def pair(self, f: Tensor, g: Tensor) -> Tensor:
        """The objective of two modalities."""
        raise TypeError(f"{type(self).__name__} defines neither pair nor score")
