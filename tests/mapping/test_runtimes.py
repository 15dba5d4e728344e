from __future__ import annotations

import sys

import pytest
import torch

from geo_xmodal.errors import UsageError
from geo_xmodal.mapping import Runtime


def test_openvino_is_the_default_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="the openvino extra")
    assert Runtime.of() == Runtime("openvino", "float32", "cpu")
    assert str(Runtime.of()).startswith("openvino 20")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert Runtime.of() == Runtime("torch", "float32", "cpu")


def test_what_differs_is_named() -> None:
    assert str(Runtime("torch")) == f"torch {torch.__version__}"
    assert str(Runtime("torch", "bf16")) == f"torch {torch.__version__} bf16"


def test_unknown_or_absent_engine_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no engine 'tensorrt': choose one of torch, openvino"):
        Runtime.of("tensorrt")
    with pytest.raises(UsageError, match="no precision 'fp8': choose one of float32, bf16, int8"):
        Runtime.of("torch", "fp8")
    with pytest.raises(UsageError, match="no device 'tpu': choose one of cpu, cuda"):
        Runtime.of("torch", device="tpu")
    with pytest.raises(UsageError, match="precision=int8 is for engine=openvino"):
        Runtime.of("torch", "int8")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UsageError, match=r"pip install 'geo_xmodal\[openvino\]'"):
        Runtime.of("openvino")


def test_a_device_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="device=cuda is for engine=torch"):
        Runtime.of("openvino", device="cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="PyTorch finds no CUDA device here"):
        Runtime.of(device="cuda")


def test_a_processor_without_bf16_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    with pytest.raises(UsageError, match="this processor does not compute with it"):
        Runtime.of("torch", "bf16")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_labels_of_the_processor() -> None:
    from geo_xmodal.bundle import Bundle
    from geo_xmodal.mapping import Classifier
    from tests.mapping.conftest import card_of, random_model, scene_values

    model = random_model()
    bundle = Bundle(card_of(model, (1, 2, 5, 9)), model)
    values = scene_values((90, 120))
    ids, _ = Classifier(bundle).classify(values)
    other, _ = Classifier(bundle, Runtime.of(device="cuda")).classify(values)
    assert (other == ids).mean() > 0.999
