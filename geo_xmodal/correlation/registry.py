"""Objectives by name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from geo_xmodal.correlation.corrnet import CorrNet
from geo_xmodal.correlation.dcca_ey import DCCAEY
from geo_xmodal.correlation.deep_lda import DeepLDA
from geo_xmodal.correlation.fast_hgr import OptFastHGR, UniFastHGR
from geo_xmodal.correlation.objective import Objective
from geo_xmodal.correlation.self_supervised import BarlowTwins, VICReg
from geo_xmodal.correlation.soft_cca import SoftCCA
from geo_xmodal.correlation.soft_hgr import SoftHGR
from geo_xmodal.correlation.whitened import HGR, DeepCCA
from geo_xmodal.correlation.yardsticks import Cosine, Dot
from geo_xmodal.errors import UsageError
from geo_xmodal.extensions import Registry

_CLASSES: Registry[type[Objective]] = Registry(
    "objectives",
    {
        "soft_hgr": SoftHGR,
        "unifast_hgr": UniFastHGR,
        "optfast_hgr": OptFastHGR,
        "hgr": HGR,
        "deep_cca": DeepCCA,
        "soft_cca": SoftCCA,
        "dcca_ey": DCCAEY,
        "corrnet": CorrNet,
        "barlow_twins": BarlowTwins,
        "vicreg": VICReg,
        "deep_lda": DeepLDA,
        "cosine": Cosine,
        "dot": Dot,
    },
    lambda value: isinstance(value, type) and issubclass(value, Objective),
    "a subclass of geo_xmodal.correlation.Objective",
)


class _Summaries(Mapping[str, str]):
    """The first line of the docstring of each."""

    def __getitem__(self, name: str) -> str:
        return (inspect.getdoc(_CLASSES[name]) or "").partition("\n")[0]

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)


OBJECTIVES: Mapping[str, str] = _Summaries()
"""Name of every objective and what it is, in one line; installed packages may add some."""


def objective(name: str, **options: Any) -> Objective:
    """Build an objective by name.

    Args:
        name: one of `OBJECTIVES`.
        options: what its class takes, such as `sketch=16` for `soft_hgr`.

    Returns:
        A module that takes two or more (m, K) feature matrices and returns a scalar to be MAXIMISED.

    Raises:
        UsageError: an unknown name, or an option that the objective does not have.
    """
    if name not in _CLASSES:
        raise UsageError(f"objective {name!r} is unknown; choose one of {', '.join(_CLASSES)}")
    known = list(inspect.signature(_CLASSES[name]).parameters)
    if unknown := [key for key in options if key not in known]:
        raise UsageError(
            f"objective {name!r} has no option {', '.join(unknown)}; it has {', '.join(known) or 'none'}"
        )
    return _CLASSES[name](**options)
