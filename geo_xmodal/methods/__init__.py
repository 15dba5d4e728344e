"""The methods, one file each, and the registry in which they are found."""

from __future__ import annotations

from geo_xmodal.extensions import Registry
from geo_xmodal.methods.autoencoders import BimodalDae, BimodalSdae, CorrAe, CorrNet, MdlCw, UnimodalDae
from geo_xmodal.methods.base import Batch, Learner, LoopOptions, Method, Options, Pool, Stage
from geo_xmodal.methods.cca import Cca
from geo_xmodal.methods.cnn import Cnn
from geo_xmodal.methods.hgr import Hgr
from geo_xmodal.methods.svm import Svm
from geo_xmodal.methods.x_modalnet import XModalNet

_ALL: tuple[Method, ...] = (
    Hgr(),
    Cnn(),
    Svm(),
    XModalNet(),
    Cca(),
    UnimodalDae(),
    BimodalDae(),
    BimodalSdae(),
    MdlCw(),
    CorrAe(),
    CorrNet(),
)

METHODS: Registry[Method] = Registry(
    "methods",
    {method.name: method for method in _ALL},
    lambda value: isinstance(value, Method),
    "an instance of geo_xmodal.methods.Method",
)
"""By name; installed packages may add some (`geo_xmodal.extensions`)."""

__all__ = ["METHODS", "Batch", "Learner", "LoopOptions", "Method", "Options", "Pool", "Stage"]
