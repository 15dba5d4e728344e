"""`correlation`: `hgr` without its teachers, so that what is gained comes from maximal correlation alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from geo_xmodal.methods.hgr import Hgr, HgrOptions


class CorrelationOptions(HgrOptions):
    """Options of `correlation`: those of `hgr`, with another default."""

    search: ClassVar[Mapping[str, tuple[str, ...]]] = {"distill_weight": (), "teacher_width": ()}

    distill_weight: float = Field(0.0, ge=0, description="weight of the soft labels of unlabelled pixels")


class CorrelationOnly(Hgr):
    """Maximal correlation, no distillation."""

    name = "correlation"
    summary = "maximal correlation over pairs of both sensors, without distillation (hgr without teachers)"
    Options = CorrelationOptions
    ablation: ClassVar[Mapping[str, Mapping[str, str]]] = {}
