"""The autoencoder baselines of X-ModalNet: one file a method, on the same streams."""

from geo_xmodal.methods.autoencoders.bimodal_dae import BimodalDae
from geo_xmodal.methods.autoencoders.bimodal_sdae import BimodalSdae
from geo_xmodal.methods.autoencoders.corr_ae import CorrAe
from geo_xmodal.methods.autoencoders.corrnet import CorrNet
from geo_xmodal.methods.autoencoders.mdl_cw import MdlCw
from geo_xmodal.methods.autoencoders.unimodal_dae import UnimodalDae

__all__ = ["BimodalDae", "BimodalSdae", "CorrAe", "CorrNet", "MdlCw", "UnimodalDae"]
