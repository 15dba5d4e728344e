"""What `info` says of vector files, maps and runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rich.console
from pydantic import BaseModel

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, fields, one_line, table
from geo_xmodal.commands.results import gain_words
from geo_xmodal.errors import GeoXmodalError, UsageError
from geo_xmodal.small_files import SmallFile, inner_file, read_bytes, read_json_object, validated

_CONFIG = SmallFile("the settings of a run", UsageError, "train anew", 32 << 20)
_METRICS = SmallFile("the measures of a run", UsageError, "train again", 32 << 20)
_LOG = SmallFile("the log of a run, one JSON object an epoch", UsageError, "train again", 64 << 20)
_VALUES = 12
_TAGS = {"METHOD": "method", "TRAINED_ON": "trained on", "TARGET": "maps from", "MAPPED": "mapped"}


class Measures(BaseModel):
    """Of a run, fractions; kappa may be negative."""

    oa: float | None = None
    aa: float | None = None
    kappa: float | None = None


class GainOver(BaseModel):
    """Over a control, paired over seeds, as a fraction."""

    mean: float | None = None
    se: float | None = None


class RunMetrics(Measures):
    """What `info` says of how good a run's model is."""

    n: int
    split: str
    seeds: tuple[Measures, ...] = ()
    mean: Measures | None = None
    sd: Measures | None = None
    gain: dict[str, dict[str, GainOver]] = {}

    def words(self) -> dict[str, str]:
        """Lines by what they are about."""
        of, sd = self.mean or self, self.sd or Measures()
        spread = f"mean ± standard deviation of {len(self.seeds)} seeds, " if self.seeds else ""
        lines = {
            "accuracy": f"overall {_spread(of.oa, sd.oa)} %, mean of classes {_spread(of.aa, sd.aa)} %, "
            f"kappa {_spread(of.kappa, sd.kappa, 1, 2)} ({spread}{self.n:,} {self.split} pixels)"
        }
        for control, gains in self.gain.items():
            overall, classes = (gain_words(vars(gains.get(one, GainOver()))) for one in ("oa", "aa"))
            lines[f"gain_over_{control}"] = f"overall {overall}, mean of classes {classes}, percentage points"
        return lines


def _spread(mean: float | None, sd: float | None, factor: int = 100, digits: int = 1) -> str:
    if mean is None:
        return "-"
    return f"{factor * mean:.{digits}f}" + ("" if sd is None else f" ± {factor * sd:.{digits}f}")


def accuracy_of(run: Path) -> RunMetrics | None:
    """What a run measured on its test pixels; None for a model without its run.

    Raises:
        UsageError: metrics.json is none.
    """
    path = inner_file(run, "metrics.json", "run folder", UsageError)
    return validated(RunMetrics, read_json_object(path, _METRICS), path, _METRICS) if path.is_file() else None


def show_vector(path: Path, layer: str | None, console: Console) -> None:
    """One layer, or every layer of a file of several of which none is asked for."""
    names = gx.layer_names(path) if layer is None else ()
    if len(names) <= 1:
        found = gx.describe_vector(path, layer)
        console.result({"type": "vector", **_layer_content(found)}, *_layer_words(found))
        return
    contents: list[dict[str, Any]] = []
    words: list[rich.console.RenderableType] = [
        fields(vector=path, layers=f"{len(names)}: {', '.join(names)}")
    ]
    for name in names:
        try:
            found = gx.describe_vector(path, name)
        except GeoXmodalError as error:  # one layer that cannot be read hides no other
            contents.append({"layer": name, "problem": str(error)})
            words += ["", fields(layer=name, problem=error)]
        else:
            contents.append(_layer_content(found))
            words += ["", *_layer_words(found, several=True)]
    console.result({"type": "vector", "path": path, "layers": contents}, *words)


def _layer_content(found: gx.VectorSummary) -> dict[str, Any]:
    return {
        "path": found.path,
        "layer": found.layer,
        "crs": found.crs,
        "features": found.features,
        "geometries": found.geometries,
        "bounds": found.bounds,
        "columns": found.columns,
    }


def _layer_words(found: gx.VectorSummary, several: bool = False) -> list[rich.console.RenderableType]:
    """Layer, CRS, geometries, and the columns with the classes that they could name."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in found.geometries.items()) or "no geometry"
    place = f"{found.path}:{found.layer}" if several else found.path
    return [
        fields(
            vector=None if several else found.path,
            layer=found.layer,
            features=f"{found.features:,}: {kinds}",
            crs=found.crs or "none said",
            bounds=None if found.bounds is None else ", ".join(f"{edge:.10g}" for edge in found.bounds),
        ),
        table("column", "values (features)", rows=[(name, _values(of)) for name, of in found.columns.items()])
        if found.columns
        else "no column: labels need one",
        one_line(f"as labels: --labels {place}:COLUMN"),
    ]


def _values(counts: Mapping[str, int] | None) -> str:
    if counts is None:
        return "too many, or of a type, to be classes"
    shown = [f"{value} ({count:,})" for value, count in list(counts.items())[:_VALUES]]
    return ", ".join(shown) + (f", ... ({len(counts)} in all)" if len(counts) > _VALUES else "")


def is_map(path: Path) -> bool:
    """Whether a file is a map: classes in one band, by a legend or by a colour table."""
    with gx.open_raster(path) as dataset:
        if dataset.count != 1 or dataset.dtypes[0] != "uint8":
            return False
        return "CLASSES" in dataset.tags() or dataset.colorinterp[0].name == "palette"


def show_map(path: Path, console: Console) -> None:
    """Legend, model and pixels of each class."""
    with console.progress() as progress:
        found = gx.read_class_map(path, progress)
    pixels = {land.id: int(found.counts.pixels[land.id]) for land in found.legend}
    hectares = found.counts.hectares
    areas = {land.id: None if hectares is None else float(hectares[land.id]) for land in found.legend}
    total = sum(pixels.values())
    told = {name: found.tags[tag] for tag, name in _TAGS.items() if tag in found.tags}
    height, width = found.grid.shape
    console.result(
        {
            "type": "map",
            "path": path,
            "height": height,
            "width": width,
            "crs": found.crs_name or None,
            "nodata": found.nodata,
            "no_data": int(found.counts.pixels[0]),
            "no_place": found.nowhere,
            "probability": found.probability,
            "model": told,
            "classes": [
                {
                    "id": land.id,
                    "name": land.name,
                    "color": land.color,
                    "pixels": pixels[land.id],
                    "hectares": areas[land.id],
                }
                for land in found.legend
            ],
        },
        fields(
            map=path,
            size=f"{height} rows x {width} columns",
            crs=found.crs_name or "none: its pixel grid is all that is known",
            made_by=", ".join(f"{name} {text}" for name, text in told.items()) or "another program",
            no_data=f"value {found.nodata}, {int(found.counts.pixels[0]):,} pixels",
            no_place=f"{found.nowhere:,} pixels lie nowhere on the ground: no area counts them"
            if found.nowhere
            else None,
            probability=found.probability,
        ),
        table(
            "id",
            "class",
            "colour",
            "pixels",
            "share, percent",
            "area, ha",
            rows=[
                (
                    land.id,
                    land.name,
                    land.color,
                    pixels[land.id],
                    f"{100 * pixels[land.id] / max(total, 1):.1f}",
                    _area(areas[land.id]),
                )
                for land in found.legend
            ],
        ),
    )


def _area(hectares: float | None) -> str:
    return "-" if hectares is None else f"{hectares:,.1f}"


def is_unfinished_run(folder: Path) -> bool:
    """Whether a folder is a run of `train` that has no model yet."""
    return (folder / "config.json").is_file()


def show_unfinished_run(folder: Path, console: Console) -> None:
    """What is trained, how far it is, and how to go on."""
    config = read_json_object(inner_file(folder, "config.json", "run folder", UsageError), _CONFIG)
    scene = config.get("scene", config.get("scenes"))
    epochs = sum(read_bytes(log, _LOG).count(b"\n") for log in folder.rglob("log.jsonl"))
    console.result(
        {"type": "run", "folder": folder, "finished": False, "epochs_done": epochs, "config": config},
        fields(
            run=folder,
            method=config.get("method"),
            scene=_scene_names(scene),
            state=f"is not finished, {epochs} epochs done: the command that began it goes on with --resume",
        ),
    )


def _scene_names(found: object) -> object:
    """What config.json says of the scene, or of several, in words."""
    if isinstance(found, list):
        return ", ".join(str(_scene_names(one)) for one in found)
    return found.get("name") if isinstance(found, dict) else found
