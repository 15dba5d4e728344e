"""The autoencoder baselines of X-ModalNet: one file a method, on the same streams."""

from geo_xmodal.methods.autoencoders.bimodal_dae import BimodalDae, BimodalDaeOptions
from geo_xmodal.methods.autoencoders.bimodal_sdae import BimodalSdae, BimodalSdaeOptions
from geo_xmodal.methods.autoencoders.corr_ae import CorrAe, CorrAeOptions
from geo_xmodal.methods.autoencoders.corrnet import CorrNet, CorrNetOptions
from geo_xmodal.methods.autoencoders.mdl_cw import MdlCw, MdlCwOptions
from geo_xmodal.methods.autoencoders.unimodal_dae import UnimodalDae, UnimodalDaeOptions

__all__ = [
    "BimodalDae",
    "BimodalDaeOptions",
    "BimodalSdae",
    "BimodalSdaeOptions",
    "CorrAe",
    "CorrAeOptions",
    "CorrNet",
    "CorrNetOptions",
    "MdlCw",
    "MdlCwOptions",
    "UnimodalDae",
    "UnimodalDaeOptions",
]
