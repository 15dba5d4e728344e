"""One request model a command, from which the command line, forms and the reference are made."""

from __future__ import annotations

from geo_xmodal.requests.description import described, reference_page
from geo_xmodal.requests.mapping import MapOptions, MapRequest
from geo_xmodal.requests.option import Described, Option, Request

REQUESTS: dict[str, type[Request]] = {one.command: one for one in (MapRequest,)}
"""Requests by the name of their command, in the order of work."""

__all__ = [
    "REQUESTS",
    "Described",
    "MapOptions",
    "MapRequest",
    "Option",
    "Request",
    "described",
    "reference_page",
]
