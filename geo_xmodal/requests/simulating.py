"""What `simulate` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from geo_xmodal.requests.option import Option, Request


class SimulateRequest(Request):
    """Make a simulated scene, whose truth is known, or simulate sensors from a real HSI."""

    command: ClassVar[str] = "simulate"
    title: ClassVar[str] = "Simulate a scene"

    out: Annotated[Path, Option("Scene folder", "The scene folder.", takes="new folder", positional=True)]
    like: Annotated[
        str | None,
        Option(
            "Benchmark to be like",
            "The benchmark to be like: berlin or houston.",
            words=("berlin", "houston"),
            default_text="berlin",
        ),
    ] = None
    rows: Annotated[
        int | None,
        Option("Rows", "Rows of the target sensor.", unit="pixels"),
        Field(ge=1),
    ] = None
    cols: Annotated[
        int | None,
        Option("Columns", "Columns of the target sensor.", unit="pixels"),
        Field(ge=1),
    ] = None
    seed: Annotated[
        int | None, Option("Seed", "Another seed is another place.", default_text="0"), Field(ge=0)
    ] = None
    source: Annotated[
        str | None,
        Option(
            "Hyperspectral raster to simulate from",
            "Simulate an MSI from this HSI (needs {srf}) instead.",
            name="from",
            expert=True,
            takes="raster",
            metavar="FILE_OR_SCENE",
        ),
    ] = None
    srf: Annotated[
        Path | None,
        Option(
            "Spectral responses (GeoJSON or CSV)",
            "Spectral responses of the MSI (GeoJSON or CSV), with {from}.",
            expert=True,
            takes="file",
        ),
    ] = None
    bands: Annotated[
        str | None,
        Option(
            "Bands of the spectral responses",
            "Bands of {srf} to simulate (default: all that the HSI covers).",
            expert=True,
            metavar="NAME,NAME...",
        ),
    ] = None
    coarse: Annotated[
        int | None,
        Option(
            "Degrade the raster by",
            "Also degrade the HSI to pixels this many times as large, with {from}.",
            expert=True,
        ),
        Field(ge=2),
    ] = None
