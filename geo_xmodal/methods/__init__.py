"""The methods, one file each, and the registry in which they are found."""

from __future__ import annotations

from geo_xmodal.extensions import Registry
from geo_xmodal.methods.auto import Auto, AutoOptions
from geo_xmodal.methods.autoencoders import (
    BimodalDae,
    BimodalDaeOptions,
    BimodalSdae,
    BimodalSdaeOptions,
    CorrAe,
    CorrAeOptions,
    CorrNet,
    CorrNetOptions,
    MdlCw,
    MdlCwOptions,
    UnimodalDae,
    UnimodalDaeOptions,
)
from geo_xmodal.methods.base import Batch, Learner, LoopOptions, Method, Options, Pool, Stage, Work
from geo_xmodal.methods.boosting import Boosting, BoostingOptions
from geo_xmodal.methods.cca import Cca, CcaOptions
from geo_xmodal.methods.cnn import Cnn, CnnOptions
from geo_xmodal.methods.correlation_only import CorrelationOnly, CorrelationOptions
from geo_xmodal.methods.distillation import Distillation, DistillationOptions
from geo_xmodal.methods.dsensd import Dsensd, DsensdOptions
from geo_xmodal.methods.fcn import Fcn, FcnOptions
from geo_xmodal.methods.forest import Forest, ForestOptions
from geo_xmodal.methods.hgr import Hgr, HgrOptions
from geo_xmodal.methods.mmanet import MmaNet, MmaNetOptions
from geo_xmodal.methods.modality_dropout import ModalityDropout, ModalityDropoutOptions
from geo_xmodal.methods.segformer import SegFormer, SegFormerOptions
from geo_xmodal.methods.shaspec import ShaSpec, ShaSpecOptions
from geo_xmodal.methods.students import SelfTraining, SelfTrainingOptions
from geo_xmodal.methods.svm import Svm, SvmOptions
from geo_xmodal.methods.x_modalnet import XModalNet, XModalNetOptions

_ALL: tuple[Method, ...] = (
    Auto(),
    Hgr(),
    Cnn(),
    Svm(),
    Forest(),
    Boosting(),
    Fcn(),
    SegFormer(),
    CorrelationOnly(),
    ModalityDropout(),
    Dsensd(),
    ShaSpec(),
    MmaNet(),
    Distillation(),
    SelfTraining(),
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

__all__ = [
    "METHODS",
    "AutoOptions",
    "Batch",
    "BimodalDaeOptions",
    "BimodalSdaeOptions",
    "BoostingOptions",
    "CcaOptions",
    "CnnOptions",
    "CorrAeOptions",
    "CorrNetOptions",
    "CorrelationOptions",
    "DistillationOptions",
    "DsensdOptions",
    "FcnOptions",
    "ForestOptions",
    "HgrOptions",
    "Learner",
    "LoopOptions",
    "MdlCwOptions",
    "Method",
    "MmaNetOptions",
    "ModalityDropoutOptions",
    "Options",
    "Pool",
    "SegFormerOptions",
    "SelfTrainingOptions",
    "ShaSpecOptions",
    "Stage",
    "SvmOptions",
    "UnimodalDaeOptions",
    "Work",
    "XModalNetOptions",
]
