"""An OpenVINO model with its convolutions in eight bits: ranges in, rounding steps out.

Uniform quantisation as in Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018 (arXiv 1712.05877): inputs of a convolution on 256 steps over
their range, one of them 0; weights on 255 steps around 0, for each output channel. What is marked so here
OpenVINO computes with whole numbers.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from geo_xmodal.errors import ModelMismatchError
from geo_xmodal.types import FloatArray

_STEPS, _WEIGHT_STEPS = 256, 255
_NO_WEIGHT = 1e-8
"""Instead of 0, where all weights of a channel are 0."""

Ranges = Mapping[str, tuple[float, float]]


def quantize(model: Any, ranges: Ranges) -> None:
    """Mark the convolutions of a traced model for eight bits, in place.

    Args:
        model: An `openvino.Model` of a folded network.
        ranges: What `geo_xmodal.networks.input_ranges` gave for that network.

    Raises:
        ModelMismatchError: If a convolution has no range.
    """
    operations = importlib.import_module("openvino.opset13")
    for convolution in model.get_ordered_ops():
        if convolution.get_type_name() == "Convolution":
            low, high = _with_a_step_at_zero(*_range_of(convolution, ranges))
            inputs, weights = convolution.input_value(0), convolution.input_value(1)
            limit = _largest_weights(weights)
            for port, source, below, above, steps in (
                (0, inputs, low, high, _STEPS),
                (1, weights, -limit, limit, _WEIGHT_STEPS),
            ):
                ends = [operations.constant(np.float32(end)) for end in (below, above, below, above)]
                rounded = operations.fake_quantize(source, *ends, steps)
                convolution.input(port).replace_source_output(rounded.output(0))


def _range_of(convolution: Any, ranges: Ranges) -> tuple[float, float]:
    place = convolution.get_friendly_name().split("/")[0]  # such as __module.encoder.0/aten::_convolution/...
    name = place.removeprefix("__module.") if place.startswith("__module.") else ""
    if name not in ranges:
        raise ModelMismatchError(
            f"the model does not say what its layer '{name}' saw in training, which int8 must know: "
            "train it again, or take another precision"
        )
    return ranges[name]


def _with_a_step_at_zero(low: float, high: float) -> tuple[float, float]:
    step = max(high - low, _NO_WEIGHT) / (_STEPS - 1)
    below = round(-low / step)
    return -below * step, (_STEPS - 1 - below) * step


def _largest_weights(weights: Any) -> FloatArray:
    """(output channel, 1, 1, 1), of a constant."""
    values = np.abs(weights.get_node().get_data())
    largest: FloatArray = values.max(axis=tuple(range(1, values.ndim)), keepdims=True)
    return np.maximum(largest, np.float32(_NO_WEIGHT))
