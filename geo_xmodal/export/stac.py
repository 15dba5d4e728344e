"""A map or a model as a STAC Item, validated before it is written, without the net."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path

import pystac
from pystac.errors import STACValidationError
from pystac.validation import JsonSchemaSTACValidator

from geo_xmodal.bundle import CARD, bundle_folder
from geo_xmodal.errors import OutputError, UsageError
from geo_xmodal.export.stac_map import describe_map
from geo_xmodal.export.stac_model import describe_model
from geo_xmodal.outputs import held, write_json
from geo_xmodal.small_files import real_path


@dataclass(frozen=True)
class ExportedItem:
    """A STAC Item on disk.

    Attributes:
        out: The file.
        id: Its id.
        extensions: Addresses of the schemas of its extensions.
        warnings: Lines that the user should see.
    """

    out: Path
    id: str
    extensions: tuple[str, ...]
    warnings: tuple[str, ...]


def export_stac(
    source: Path | str, out: Path | str, *, date: str | None = None, classes: Path | str | None = None
) -> ExportedItem:
    """Write a map or a model as a STAC Item; its files stay where they are, the item points to them.

    The item is checked against the schema of STAC itself, which pystac carries. Its extensions are built by
    pystac's classes; their schemas are on the net, and are not asked for.

    Args:
        source: A map (`.tif`), or a bundle or run folder.
        out: The item (`.json`), or a folder for it.
        date: When the mapped data were taken, `2024-06-01` or `2024-05-01/2024-06-30` (UTC). Without it,
            the item has the time that the file was written, and a warning.
        classes: TOML file with `[[classes]]` that names the values of a map of another program.

    Raises:
        UsageError: `date` is none.
        RasterError: The map cannot be read, or its values are not those of `classes`.
        BundleError: The folder holds no usable model.
        OutputError: The item cannot be written.
    """
    source, out = Path(source), Path(out)
    warnings: list[str] = []
    model = source.is_dir()
    file = bundle_folder(source) / CARD if model else source
    if date is not None:
        start, end = parse_period(date)
    elif file.is_file():
        start, end = datetime.fromtimestamp(int(file.stat().st_mtime), UTC), None
        warnings.append(
            f"no date is known: the item has the time that {file.name} was written; date says another"
        )
    else:
        start, end = datetime.now(UTC), None  # describe_map says that there is no file
    name = _item_id(source)
    target = out if out.suffix.lower() == ".json" else out / f"{name}.json"
    item = pystac.Item(
        id=name,
        geometry=None,
        bbox=None,
        datetime=start if end is None else None,
        start_datetime=None if end is None else start,
        end_datetime=end,
        properties={},
    )
    folder, listed = target.absolute().parent, None if classes is None else Path(classes)
    warnings += describe_model(item, source, folder) if model else describe_map(item, source, folder, listed)
    content = item.to_dict(include_self_link=False, transform_hrefs=False)
    try:
        JsonSchemaSTACValidator().validate_core(content, pystac.STACObjectType.ITEM, content["stac_version"])
    except STACValidationError as error:
        raise OutputError(f"cannot write {target}: the item would not be valid STAC: {error}") from error
    with held(target):
        write_json(target, content)
    return ExportedItem(target, name, tuple(item.stac_extensions), tuple(warnings))


def parse_period(text: str) -> tuple[datetime, datetime | None]:
    """A day or moment, or two with a slash between; UTC where no zone is said.

    Returns:
        The moment and None, or start and end; a day alone starts at midnight, an end day ends with it.

    Raises:
        UsageError: If it is none, or ends before it starts.
    """
    first, slash, last = text.partition("/")
    try:
        start = _moment(first, time.min)
        end = _moment(last, time(23, 59, 59)) if slash else None
    except ValueError:
        raise UsageError(
            f"date {text!r}: expected a day such as 2024-06-01, a moment such as 2024-06-01T10:30:00Z, "
            "or two with a slash between, 2024-05-01/2024-06-30"
        ) from None
    if end is not None and end < start:
        raise UsageError(f"date {text!r}: ends before it starts: give the earlier one first")
    return start, end


def _moment(text: str, of_day: time) -> datetime:
    text = text.strip()
    found = datetime.fromisoformat(text)
    if re.fullmatch(r"[\d-]+", text):
        found = datetime.combine(found.date(), of_day)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _item_id(source: Path) -> str:
    """What the map or the model is called; a run's model has the name of the run."""
    path = real_path(source)
    if source.is_dir():
        return path.parent.name if path.name == "model" else path.name
    return path.stem
