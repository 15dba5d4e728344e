"""Transfer: what pretrained backbones are worth on few labels of chips, by linear probe or fine-tuning."""

from geo_xmodal.transfer.request import TransferRequest
from geo_xmodal.transfer.transfer import TransferResult, transfer_chips

__all__ = ["TransferRequest", "TransferResult", "transfer_chips"]
