"""What is minimised: terms with a weight each, from what networks put out. A method composes them."""

from __future__ import annotations

from geo_xmodal.objectives.adversarial import Adversarial, Reading
from geo_xmodal.objectives.alignment import Alignment
from geo_xmodal.objectives.classification import Distillation, Supervised
from geo_xmodal.objectives.correlation import Correlation
from geo_xmodal.objectives.reconstruction import Reconstruction
from geo_xmodal.objectives.relation import MarginAwareDistillation
from geo_xmodal.objectives.term import Sum, Term, Terms

__all__ = [
    "Adversarial",
    "Alignment",
    "Correlation",
    "Distillation",
    "MarginAwareDistillation",
    "Reading",
    "Reconstruction",
    "Sum",
    "Supervised",
    "Term",
    "Terms",
]
