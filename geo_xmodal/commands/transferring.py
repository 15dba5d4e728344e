"""`transfer`: backbones on shares of the labels of chips."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

import geo_xmodal as gx
from geo_xmodal.commands.console import Console, table
from geo_xmodal.commands.options import key_values
from geo_xmodal.commands.parsing import command
from geo_xmodal.commands.results import percent
from geo_xmodal.errors import UsageError
from geo_xmodal.outputs import check_writable
from geo_xmodal.requests import TransferCommand, TransferOptions
from geo_xmodal.small_files import first_problem

_TITLES = {
    "oa": "overall accuracy",
    "miou": "mean IoU",
    "map_macro": "mean average precision (classes alike)",
    "map_micro": "average precision (all pairs)",
}


@command(TransferCommand)
def transfer(request: TransferCommand, console: Console) -> None:
    """Learn from each share, and say how well all test chips are told."""
    chips = gx.open_chips(request.chips, request.layout)
    folder = request.out or Path("runs") / f"{chips.name}-transfer"
    check_writable(folder)
    try:
        asked = gx.TransferRequest(
            **request.part(TransferOptions),
            sensors=tuple(part for part in (request.sensors or "").split(",") if part),
            fractions=tuple(float(part) for part in request.labels.split(",") if part),
            weights={name: Path(file) for name, file in key_values(request.weights).items()},
        )
    except ValidationError as error:
        raise UsageError(first_problem(error)) from None
    except ValueError:
        raise UsageError(
            f"shares of the labels '{request.labels}': expected numbers, such as 0.01,0.1,1"
        ) from None
    for line in chips.notes:
        console.warn(line, "note")
    with console.progress(long=_cheaper) as progress:
        found = gx.transfer_chips(chips, folder, asked, progress)
    measures = [name for name in _TITLES if name in next(iter(found.summary.values()))]
    rows = [
        (
            f"{100 * float(share):g} %",
            one["chips"],
            one["draws"],
            *(_spread(one[name]) for name in measures),
        )
        for share, one in found.summary.items()
    ]
    kind = "linear probe" if asked.frozen else "fine-tuning"
    title = f"{asked.task}, {kind}, all test chips; in percent, with standard deviations over draws"
    console.result(
        {"summary": dict(found.summary), "runs": [dict(run) for run in found.runs]},
        table("labels", "chips", "draws", *(_TITLES[name] for name in measures), rows=rows, title=title),
        f"figures: {folder}/transfer.json",
    )


def _spread(value: dict[str, float | None]) -> str:
    mean, spread = value["mean"], value["sd"]
    return percent(mean) if spread is None else f"{percent(mean)} ± {percent(spread)}"


def _cheaper(time: str) -> str:
    return (
        f"about {time} to go; less with fewer epochs, draws or chips, or a smaller backbone; Ctrl-C stops it"
    )
