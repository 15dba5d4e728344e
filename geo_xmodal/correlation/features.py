"""What every objective asks of its features, and the statistics that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
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


def subtract_mean(x: Tensor) -> Tensor:
    """Columns less their batch mean, outside autograd's sight.

    From the first row on: a constant column becomes exactly 0, not rounding noise of one sign, which a later
    division by its own size would turn into a perfect correlation.
    """
    shifted = x - x[0]
    return shifted.sub_(shifted.mean(dim=0))


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
    """y = z / s with z = x - mean(x) and s^2 = sum(z^2 over dims) / count + floor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dims: tuple[int, ...], count: int) -> Tensor:
        centred = subtract_mean(x)
        squares = torch.linalg.vector_norm(centred, dim=dims, keepdim=True).square()
        inverse = (squares / count + _FLOOR).rsqrt()
        scaled = centred.mul_(inverse)
        ctx.dims, ctx.count = dims, count
        ctx.save_for_backward(scaled, inverse)
        return scaled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        scaled, inverse = ctx.saved_tensors
        along = (grad * scaled).sum(dim=ctx.dims, keepdim=True).div_(ctx.count)
        tangent = torch.addcmul(grad, scaled, along, value=-1).mul_(inverse)
        return tangent.sub_(tangent.mean(dim=0)), None, None


def centre(x: Tensor) -> Tensor:
    """Subtract the batch mean of each column: without it a constant feature scores as correlated."""
    centred: Tensor = _Centre.apply(x)  # type: ignore[no-untyped-call]
    return centred


def unit_rows(x: Tensor) -> Tensor:
    """Centre, then divide each row by its Euclidean norm; zero rows stay zero."""
    scaled: Tensor = _Scale.apply(x, (1,), 1)  # type: ignore[no-untyped-call]
    return scaled


def unit_columns(x: Tensor) -> Tensor:
    """Centre, then divide each column by its standard deviation (1/m); constant columns stay zero."""
    scaled: Tensor = _Scale.apply(x, (0,), x.shape[0])  # type: ignore[no-untyped-call]
    return scaled


def unit_spread(x: Tensor) -> Tensor:
    """Centre, then divide by one number, so that the mean squared norm of the rows is 1."""
    scaled: Tensor = _Scale.apply(x, (0, 1), x.shape[0])  # type: ignore[no-untyped-call]
    return scaled
