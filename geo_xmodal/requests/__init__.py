"""One request model a command, from which the command line, forms and the reference are made."""

from __future__ import annotations

from geo_xmodal.requests.aligning import AlignRequest
from geo_xmodal.requests.comparing import CompareCommand, CompareOptions
from geo_xmodal.requests.correlating import CorrelateRequest
from geo_xmodal.requests.description import described, help_page, reference_page
from geo_xmodal.requests.evaluating import EvaluateRequest
from geo_xmodal.requests.explaining import ExplainOptions, ExplainRequest
from geo_xmodal.requests.exporting import ExportRequest
from geo_xmodal.requests.importing import ImportRequest
from geo_xmodal.requests.mapping import MapOptions, MapRequest
from geo_xmodal.requests.option import Described, Option, Request
from geo_xmodal.requests.pretraining import PretrainCommand, PretrainOptions
from geo_xmodal.requests.simulating import SimulateRequest
from geo_xmodal.requests.training import TrainCommand, TrainOptions
from geo_xmodal.requests.transferring import TransferCommand, TransferOptions

_ALL: tuple[type[Request], ...] = (
    SimulateRequest,
    AlignRequest,
    ImportRequest,
    CorrelateRequest,
    PretrainCommand,
    TrainCommand,
    MapRequest,
    EvaluateRequest,
    ExplainRequest,
    CompareCommand,
    TransferCommand,
    ExportRequest,
)
REQUESTS: dict[str, type[Request]] = {one.command: one for one in _ALL}
"""Requests by the name of their command, in the order of work."""

__all__ = [
    "REQUESTS",
    "AlignRequest",
    "CompareCommand",
    "CompareOptions",
    "CorrelateRequest",
    "Described",
    "EvaluateRequest",
    "ExplainOptions",
    "ExplainRequest",
    "ExportRequest",
    "ImportRequest",
    "MapOptions",
    "MapRequest",
    "Option",
    "PretrainCommand",
    "PretrainOptions",
    "Request",
    "SimulateRequest",
    "TrainCommand",
    "TrainOptions",
    "TransferCommand",
    "TransferOptions",
    "described",
    "help_page",
    "reference_page",
]
