from __future__ import annotations

import math

import pytest
import torch

from geo_xmodal.objectives import Alignment, MarginAwareDistillation


def test_features_that_are_turned_or_scaled_are_as_alike() -> None:
    torch.manual_seed(0)
    f, logits = torch.randn(6, 4), torch.randn(6, 3)
    turned = 3 * f @ torch.linalg.qr(torch.randn(4, 4))[0]
    assert float(MarginAwareDistillation()(turned, f, logits)) == pytest.approx(0, abs=1e-6)
    assert float(MarginAwareDistillation()(torch.randn(6, 4), f, logits)) > 0.01


def test_pixels_weigh_by_the_entropy_of_the_teacher() -> None:
    student = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    teacher = torch.eye(3)
    # rows of the student's similarities: (1, 1, 0) / sqrt 2 twice, (0, 0, 1); of the teacher's: the identity
    wrong = (1 - math.sqrt(0.5)) ** 2 + 0.5
    sure, unsure = [100.0, 0.0], [0.0, 0.0]
    for logits, expected in (
        ([unsure, sure, sure], wrong),
        ([sure, sure, unsure], 0.0),
        ([unsure, unsure, unsure], 2 * wrong / 3),
    ):
        value = MarginAwareDistillation(2.0)(student, teacher, torch.tensor(logits))
        assert float(value) == pytest.approx(2 * expected, abs=1e-6)


def test_a_teacher_that_is_sure_of_all_has_nothing_to_say() -> None:
    sure = torch.tensor([[400.0, 0.0]] * 3)
    features = torch.randn(3, 2, requires_grad=True)
    MarginAwareDistillation()(features, torch.eye(3), sure).backward()
    assert features.grad is not None and features.grad.isfinite().all()


def test_alignment_is_the_mean_absolute_difference() -> None:
    f, g = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.0, 4.0]])
    assert float(Alignment(0.5)(f, g)) == pytest.approx(0.5 * 5 / 4)
