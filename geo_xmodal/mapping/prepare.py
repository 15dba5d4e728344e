"""What a map is asked, checked before anything is computed or written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from odc.geo.geobox import GeoBox

from geo_xmodal import bundle
from geo_xmodal.bundle import Card
from geo_xmodal.errors import UsageError
from geo_xmodal.mapping.engine import Classifier
from geo_xmodal.mapping.inputs import check_fit
from geo_xmodal.mapping.journal import recorded_entry
from geo_xmodal.mapping.layers import PAYLOAD, Layers
from geo_xmodal.mapping.needs import MapMemory, map_memory, windows_at_once
from geo_xmodal.mapping.outputs import SOFTWARE, MapFiles
from geo_xmodal.mapping.runtimes import Runtime
from geo_xmodal.mapping.shares import (
    checked_shares,
    recorded_text,
    resumed_shares,
    sampled_probabilities,
    shares_for,
)
from geo_xmodal.mapping.tasks import WindowTask
from geo_xmodal.named_options import option
from geo_xmodal.raster import Assumption, WindowReader
from geo_xmodal.requests import MapOptions
from geo_xmodal.small_files import real_path
from geo_xmodal.types import Window, windows_over

_SHARES = "class shares"
_DATE_VARIABLE = "SOURCE_DATE_EPOCH"


@dataclass(frozen=True)
class PreparedMap:
    """A map that can be begun.

    Attributes:
        files: Where it goes.
        task: What a worker does with each window.
        card: Of the model.
        grid: The input's, and the map's.
        windows: What tiles the grid.
        identity: What the windows depend on; a map is resumed only if it is the same.
        mapped: What is mapped, by name.
        memory: What it takes.
        threads: Windows that this process computes at once; None where others do.
        begun: Today, or the day that `SOURCE_DATE_EPOCH` says.
        warnings: Lines that the user should see.
        assumptions: What is taken for granted about the input.
    """

    files: MapFiles
    task: WindowTask
    card: Card
    grid: GeoBox
    windows: tuple[Window, ...]
    identity: Mapping[str, str]
    mapped: str
    memory: MapMemory
    threads: int | None
    begun: date
    warnings: tuple[str, ...]
    assumptions: tuple[Assumption, ...]


def prepare_map(
    bundle_folder: Path,
    reader: WindowReader,
    out: Path,
    options: MapOptions,
    *,
    mapped: str | None,
) -> PreparedMap:
    """Everything that `map_scene` checks before it begins; arguments and errors are the same.

    Class shares that are to be estimated are, but for a map that is resumed: it goes on with its own.
    """
    layers = Layers(options.probability, options.entropy, options.class_probabilities)
    files = MapFiles(out, layers, None if options.picture is None else Path(options.picture))
    files.check(list(reader.files))
    workers, scheduler, window = options.workers, options.scheduler, options.window
    if scheduler is not None and workers > 1:
        raise UsageError(
            f"{option('workers', workers)} with {option('scheduler')}: a cluster has its own workers; give "
            "one of both"
        )
    runtime = Runtime.of(options.engine, options.precision, options.device)
    model = bundle.load(bundle_folder)
    card = model.card
    checked_shares(card, options.shares)
    runtime = runtime.suited(model.model.network)
    fit = check_fit(card, reader, any_values=options.any_values)
    reader = fit.reader
    begun_with = recorded_entry(files.journal, _SHARES) if options.resume else None
    wanted = resumed_shares(begun_with, card, options.shares) or shares_for(
        card, options.shares, lambda: sampled_probabilities(Classifier(model, runtime), reader)
    )
    task = WindowTask(
        bundle_folder=real_path(bundle.bundle_folder(bundle_folder)),
        weights_sha256=card.weights_sha256,
        runtime=runtime,
        reader=reader,
        layers=layers,
        shares=wanted,
    )
    rows, cols = reader.grid.shape
    memory = map_memory(task, reader.grid, len(card.classes), window, model.model)
    return PreparedMap(
        files=files,
        task=task,
        card=card,
        grid=reader.grid,
        windows=tuple(windows_over(rows, cols, window)),
        identity=_identity(task, card, window),
        mapped=mapped or ", ".join(sorted(path.name for path in reader.files)),
        memory=memory,
        threads=windows_at_once(memory, window, workers, scheduler, options.threads),
        begun=_today(),
        warnings=fit.warnings,
        assumptions=fit.assumptions,
    )


def _identity(task: WindowTask, card: Card, window: int) -> dict[str, str]:
    shares = {} if task.shares is None else {_SHARES: recorded_text(task.shares, card.legend)}
    return {
        "model": task.weights_sha256,
        "engine": str(task.runtime),
        "software": SOFTWARE,
        "window": str(window),
        "layers": ", ".join(task.layers.names),
        "payload": PAYLOAD,
        **shares,
        **{f"input {name}": value for name, value in task.reader.identity().items()},
    }


def _today() -> date:
    """Today in UTC; https://reproducible-builds.org/specs/source-date-epoch/ where that is set."""
    seconds = os.environ.get(_DATE_VARIABLE)
    if seconds is None:
        return datetime.now(UTC).date()
    try:
        return datetime.fromtimestamp(int(seconds), UTC).date()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{_DATE_VARIABLE} is '{seconds}', expected seconds since 1970-01-01: correct or unset it"
        ) from None
