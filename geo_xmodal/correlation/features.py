"""What every objective asks of its features, and the statistics that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from geo_xmodal.errors import GeoXmodalError

_FLOOR = 1e-12
"""Added to squared norms: bounds the gradient at zero rows and constant columns by 1e6."""


class FeatureError(GeoXmodalError, ValueError):
    """Feature matrices that no correlation can be computed from (rows, columns, type)."""


def as_views(features: Sequence[Tensor], *, same_width: bool = True) -> tuple[Tensor, ...]:
    """Check paired feature matrices and bring them to one floating type.

    Args:
        features: two or more (m, K) matrices, row i of each describing sample i.
        same_width: whether all must have the same number of columns.

    Returns:
        The matrices in float64 if any of them is, else in float32: sums of squares in float16 overflow
        at 65504, and bfloat16 keeps 3 digits.

    Raises:
        FeatureError: fewer than two matrices or samples, other than two dimensions, or sizes that differ.
    """
    shapes = [tuple(x.shape) for x in features]
    if len(features) < 2:
        raise FeatureError(f"correlation needs two or more feature matrices, got {len(features)}")
    if any(len(shape) != 2 for shape in shapes):
        raise FeatureError(f"features must be (samples, dimensions) matrices, got {shapes}; flatten them")
    if len({shape[0] for shape in shapes}) > 1:
        raise FeatureError(f"features must be paired row by row, got {shapes} with different sample counts")
    if same_width and len({shape[1] for shape in shapes}) > 1:
        raise FeatureError(
            f"this objective pairs dimension k of one modality with dimension k of another, got {shapes}; "
            "project them to one width"
        )
    if shapes[0][0] < 2:
        raise FeatureError(f"correlation needs at least 2 samples, got {shapes[0][0]}; drop the ragged batch")
    if any(shape[1] < 1 for shape in shapes):
        raise FeatureError(f"features must have at least one column, got {shapes}")
    if any(x.is_complex() for x in features):
        raise FeatureError("features must be real, got complex; stack real and imaginary parts as columns")
    dtype = torch.float64 if any(x.dtype == torch.float64 for x in features) else torch.float32
    return tuple(x.to(dtype) for x in features)


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Suspend autocast: covariances need their float32 sums."""
    if not torch.is_autocast_enabled(device.type):
        return nullcontext()
    return torch.autocast(device_type=device.type, enabled=False)


def sum_over_pairs(pair: Callable[[Tensor, Tensor], Tensor], views: Sequence[Tensor]) -> Tensor:
    """Sum of a function over every unordered pair of modalities."""
    return reduce(torch.add, (pair(f, g) for f, g in combinations(views, 2)))


def subtract_mean(x: Tensor, out: Tensor | None = None) -> Tensor:
    """Columns less their batch mean, outside autograd's sight.

    From the first row on: a constant column becomes exactly 0, not rounding noise of one sign, which a later
    division by its own size would turn into a perfect correlation.
    """
    shifted = torch.sub(x, x[0], out=out)
    return shifted.sub_(shifted.mean(dim=0))


@dataclass(frozen=True)
class Scaling:
    """y = z / s with z = x - mean(x) over the batch and s^2 = sum(z^2 over dims) / count + floor.

    Attributes:
        dims: 1 for a norm each row, 0 for a deviation each column, both for one number; none to centre only.
    """

    dims: tuple[int, ...] = ()

    def apply(self, x: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Scaled features y, in `out` if given, and 1 / s, which is None where nothing is divided."""
        centred = subtract_mean(x, out)
        if not self.dims:
            return centred, None
        # vector_norm saves a pass along rows, but takes ten times as long as sum down columns.
        if self.dims == (0,):
            squares = (centred * centred).sum(dim=0, keepdim=True)
        else:
            squares = torch.linalg.vector_norm(centred, dim=self.dims, keepdim=True).square_()
        inverse = squares.div_(self._count(x)).add_(_FLOOR).rsqrt_()
        return centred.mul_(inverse), inverse

    def pull_back(self, grad: Tensor, y: Tensor, inverse: Tensor | None, out: Tensor | None = None) -> Tensor:
        """The gradient for x from the gradient for y, which may be overwritten with it (`out`)."""
        if inverse is None:
            return torch.sub(grad, grad.mean(dim=0), out=out)
        along = (grad * y).sum(dim=self.dims, keepdim=True).div_(self._count(y))
        tangent = torch.addcmul(grad, y, along, value=-1, out=out).mul_(inverse)
        return tangent.sub_(tangent.mean(dim=0))

    def _count(self, x: Tensor) -> int:
        return x.shape[0] if 0 in self.dims else 1


CENTRED = Scaling()
UNIT_ROWS = Scaling((1,))
UNIT_COLUMNS = Scaling((0,))
UNIT_SPREAD = Scaling((0, 1))


class _Centre(torch.autograd.Function):
    """x - mean(x): autograd's own backward of this writes the whole matrix twice more than needed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return subtract_mean(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        deviation: Tensor = grad - grad.mean(dim=0)
        return deviation


class _Scale(torch.autograd.Function):
    """A `Scaling` that divides."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scaling: Scaling) -> Tensor:
        ctx.scaling = scaling
        y, inverse = scaling.apply(x)
        ctx.save_for_backward(y, inverse)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.scaling.pull_back(grad, *ctx.saved_tensors), None


def centre(x: Tensor) -> Tensor:
    """Subtract the batch mean of each column: without it a constant feature scores as correlated."""
    centred: Tensor = _Centre.apply(x)  # type: ignore[no-untyped-call]
    return centred


def unit_rows(x: Tensor) -> Tensor:
    """Centre, then divide each row by its Euclidean norm; zero rows stay zero."""
    scaled: Tensor = _Scale.apply(x, UNIT_ROWS)  # type: ignore[no-untyped-call]
    return scaled


def unit_columns(x: Tensor) -> Tensor:
    """Centre, then divide each column by its standard deviation (1/m); constant columns stay zero."""
    scaled: Tensor = _Scale.apply(x, UNIT_COLUMNS)  # type: ignore[no-untyped-call]
    return scaled
