"""The `geo-xmodal` program: which commands there are, and how it ends.

Exit status 0: done. 2: wrong usage or input, one line on standard error. 1: a fault of this program.
130: stopped by Ctrl-C, with the line that resumes; 143 and 129 likewise by SIGTERM and SIGHUP. 141: done, but
whoever reads standard output went away before its end.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import re
import shlex
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Annotated, TextIO

import typer

import geo_xmodal as gx
from geo_xmodal.commands import (
    catalog,
    comparing,
    correlating,
    describing,
    evaluating,
    events,
    explaining,
    exporting,
    importing,
    mapping,
    preparing,
    pretraining,
    process,
    serving,
    training,
    transferring,
)
from geo_xmodal.commands.console import one_line
from geo_xmodal.errors import GeoXmodalError, ProcessError
from geo_xmodal.memory import guard_imports, least, rooms
from geo_xmodal.named_options import as_flag, worded
from geo_xmodal.outputs import ADVICE

PROGRAM = "geo-xmodal"
CLOSED_PIPE = 141

_INTERRUPTED = 130
"""What typer makes of a `KeyboardInterrupt`."""

_GEOGRAPHIC = frozenset({"pyogrio", "pyproj", "rasterio", "shapely"})
"""Libraries whose own exceptions are not faults of this program."""

_NO_MEMORY = re.compile(
    r"allocate memory|failed to map segment|bad_alloc|not enough memory|out of memory", re.IGNORECASE
)
_NO_ADDRESSES = re.compile(r"can't start new thread|could not create a primitive")
"""No room for a stack or for compiled code, where the address space is limited."""

_RESUMING = {
    "pretrain": ("--resume",),
    "train": ("--resume",),
    "map": ("--resume",),
    "compare": (),
    "transfer": ("--resume",),
}
"""What to add to a command to go on with it, once it was stopped."""

app = typer.Typer(
    name=PROGRAM,
    help="Land-cover maps from one sensor, trained with the help of another.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_EXAMPLES = {
    "scenes": ("geo-xmodal scenes",),
    "methods": ("geo-xmodal methods", "geo-xmodal methods hgr"),
    "models": ("geo-xmodal models",),
    "info": ("geo-xmodal info radar.tif", "geo-xmodal info labels.gpkg", "geo-xmodal info runs/mine"),
    "describe": ("geo-xmodal describe map --json",),
    "simulate": (
        "geo-xmodal simulate made_up --like houston --rows 400 --cols 600",
        "geo-xmodal simulate sentinel2 --from hyper.tif --srf s2.csv",
    ),
    "align": (
        "geo-xmodal align my_scene --reference radar.tif --target-kind sar --hsi hyper.tif "
        "--labels train.gpkg:class",
        "geo-xmodal align my_scene --reference radar_db.tif --target-kind sar --scale db --hsi hyper.tif "
        "--labels train.gpkg:class",
    ),
    "import": (
        "geo-xmodal import --list",
        "geo-xmodal import berlin FOLDER --out my_berlin",
        "geo-xmodal import points fields.parquet --target-bands 'S1-*' --auxiliary-bands 'S2-*' --label crop "
        "--places field_id --out fields",
    ),
    "correlate": (
        "geo-xmodal correlate --scene my_scene --between hsi sar --target-classes --out dependence",
    ),
    "pretrain": (
        "geo-xmodal pretrain --scene my_scene --out runs/pretrained",
        "geo-xmodal train --scene my_scene --method hgr --init runs/pretrained --out runs/mine",
        "geo-xmodal pretrain --scene north --scene south --method simclr --set dimensions=1024",
    ),
    "train": (
        "geo-xmodal train --scene my_scene --method svm",
        "geo-xmodal train --scene my_scene --seeds 3 --control --out runs/mine",
        "geo-xmodal train --scene my_scene --set unlabelled=5000 --epochs 15",
        "geo-xmodal train --scene north --scene south --scene east --hold-out east",
    ),
    "map": (
        "geo-xmodal map --model runs/mine --scene my_scene --out map.tif --probability",
        "geo-xmodal map --model runs/mine --input radar_db.tif --scale db --out map.tif",
        "geo-xmodal map --model runs/mine --input tiles/ --out map.tif --dry-run",
    ),
    "evaluate": ("geo-xmodal evaluate --map map.tif --reference check.gpkg:class --out accuracy",),
    "explain": (
        "geo-xmodal explain --model runs/mine --scene my_scene --out explained",
        "geo-xmodal explain --model runs/mine --scene my_scene --out x --routines gradcam --class Water",
    ),
    "compare": (
        "geo-xmodal compare --scene my_scene --methods hgr,cnn,svm --seeds 5 --out runs/side_by_side",
        "geo-xmodal compare --scene north --scene south --leave-one-scene-out --out runs/elsewhere",
    ),
    "transfer": (
        "geo-xmodal transfer --chips GeoNRW --sensors rgb,dem --frozen --draws 3 --out runs/probe",
        "geo-xmodal transfer --chips NYUDepthv2 --sensors rgb,hha --head cmx --backbone mit_b2 --labels 1",
    ),
    "serve": ("geo-xmodal serve --open",),
    "export": (
        "geo-xmodal export --to qgis --map map.tif --scene my_scene --run runs/mine --out for_qgis",
        "geo-xmodal export --to gpkg --map map.tif --mmu 0.5 --out areas.gpkg",
        "geo-xmodal export --to onnx --model runs/mine --out model.onnx",
    ),
}
"""Commands that a newcomer may copy."""


def _epilog(name: str) -> str:
    # a blank line is what keeps two examples on two lines
    return "\n\n".join(["Examples:", *(f"  {one}" for one in _EXAMPLES[name])])


for _name, _command in (
    ("scenes", catalog.scenes),
    ("methods", catalog.methods),
    ("models", catalog.models),
    ("info", catalog.info),
    ("describe", describing.describe),
    ("simulate", preparing.simulate),
    ("align", preparing.align),
    ("import", importing.import_),
    ("correlate", correlating.correlate),
    ("pretrain", pretraining.pretrain),
    ("train", training.train),
    ("map", mapping.map_),
    ("evaluate", evaluating.evaluate),
    ("explain", explaining.explain),
    ("compare", comparing.compare),
    ("transfer", transferring.transfer),
    ("serve", serving.serve),
    ("export", exporting.export),
):
    app.command(_name, epilog=_epilog(_name))(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"{PROGRAM} {gx.__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Land-cover maps from one sensor, trained with the help of another."""


def run_alone(arguments: Sequence[str]) -> int:
    """Run the program in a process that it has for itself (`process.begin`); returns the exit status."""
    _quieten_libraries()
    guard_imports()
    try:
        process.raise_signals()
        status = run(arguments)
        process.ignore_signals()
    except KeyboardInterrupt:  # it came when the command was over
        process.ignore_signals()
        _say("stopped")
        status = process.stopped_status()
    lost = process.lost_output()
    if lost is None or status != 0:
        return status
    if lost.errno == errno.EPIPE:
        return CLOSED_PIPE
    return _fail(f"standard output: {_file_system(lost)}", 2)


def run(arguments: Sequence[str]) -> int:
    """Run the program on `arguments`; returns the exit status."""
    with events.as_asked(arguments):
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        status = app(args=list(arguments) or ["--help"], prog_name=PROGRAM, standalone_mode=False)
    except GeoXmodalError as error:
        told = isinstance(error, ProcessError) and error.told
        return error.exit_status if told else _fail(error.marked, error.exit_status)
    except typer.TyperException as error:
        return 2 if process.follows() else _fail(_usage(error, arguments), 2)
    except KeyboardInterrupt:
        status = _INTERRUPTED
    except Exception as error:
        if _out_of_files(error):
            return _fail(f"{os.strerror(errno.EMFILE)}: {ADVICE[errno.EMFILE]}", 2)
        if _out_of_memory(error):
            return _fail(_too_little_memory(), 2)
        if isinstance(error, OSError) and error.errno in ADVICE:
            return _fail(_file_system(error), 2)
        if library := _geographic_library(error):
            return _fail(f"{library} does not take this input: {type(error).__name__}: {error}", 2)
        return _fault(error)
    if status == _INTERRUPTED:
        if not process.follows():
            _say(_stopped(arguments))
        return process.stopped_status()
    return status if isinstance(status, int) else 0


def _say(text: str, kind: events.NoteKind = "") -> None:
    if events.wanted():
        events.note(one_line(text), kind)
    else:
        print(one_line(f"{kind}: {text}" if kind else text), file=sys.stderr, flush=True)


def _fail(marked: str, status: int) -> int:
    if events.wanted():
        events.error(" ".join(marked.split()), status)
    else:
        _say(f"error: {worded(marked, as_flag)}")
    return status


def _usage(error: typer.TyperException, arguments: Sequence[str]) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else PROGRAM
    message = error.format_message().rstrip(".").replace("Value error, ", "")
    given = _given(getattr(getattr(error, "param", None), "opts", ()), arguments)
    found = "" if given is None or given in message else f", found {given!r}"
    return f"{message}{found}; see {command} --help"


def _given(names: Sequence[str], arguments: Sequence[str]) -> str | None:
    """The last value that an option was given: the parser's message does not name it."""
    found = None
    for argument, following in itertools.zip_longest(arguments, arguments[1:]):
        name, equals, value = argument.partition("=")
        if name in names:
            found = value if equals else following
    return found


def _out_of_memory(error: BaseException) -> bool:
    """Whether an exception, or what caused it, says that no memory was to be had.

    PyTorch and OpenVINO say it in a `RuntimeError`, the system's loader of libraries in an `ImportError` or,
    through ctypes, in an `OSError`.
    """
    return any(
        isinstance(each, MemoryError)
        or (isinstance(each, OSError) and each.errno == errno.ENOMEM)
        or (isinstance(each, RuntimeError | ImportError | OSError) and _says_no_memory(str(each)))
        for each in _causes(error)
    )


def _says_no_memory(text: str) -> bool:
    if _NO_ADDRESSES.search(text) and any(room.address_space for room in rooms()):
        return True
    return _NO_MEMORY.search(text) is not None


def _out_of_files(error: BaseException) -> bool:
    """Whether an exception, or what caused it, says that no more files may be opened: also of a library."""
    return any(
        (isinstance(each, OSError) and each.errno == errno.EMFILE)
        or (isinstance(each, ImportError) and os.strerror(errno.EMFILE) in str(each))
        for each in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _too_little_memory() -> str:
    return (
        f"not enough memory: the system gave no more, {least()}; close other programs, raise the limit, or "
        "ask for less (a smaller --window, fewer samples)"
    )


def _file_system(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror}: {ADVICE.get(error.errno or 0, 'check where it goes')}"


def _geographic_library(error: Exception) -> str | None:
    """The library that an exception is its own kind of: what it says is of a file, a CRS or a shape."""
    homes = (kind.__module__.partition(".")[0] for kind in type(error).__mro__)
    return next((home for home in homes if home in _GEOGRAPHIC), None)


def _stopped(arguments: Sequence[str]) -> str:
    if not arguments or arguments[0] not in _RESUMING:
        return "stopped: nothing was written"
    again = [*arguments, *(word for word in _RESUMING[arguments[0]] if word not in arguments)]
    return f"stopped; to go on: {shlex.join([PROGRAM, *again])}"


def _fault(error: Exception) -> int:
    with tempfile.NamedTemporaryFile(
        "w", prefix=f"{PROGRAM}-fault-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        traceback.print_exception(error, file=log)
    return _fail(
        f"this is a fault in {PROGRAM}, not in your input: {type(error).__name__}: {error}; "
        f"please report it with {log.name}",
        1,
    )


def _quieten_libraries() -> None:
    """Keep libraries' log lines and warnings off standard error; our own warnings are one line each."""
    logging.getLogger().addHandler(logging.NullHandler())
    warnings.filterwarnings("ignore")
    # by category too: a library's notice of deprecation may be laid at the door of who called it
    warnings.filterwarnings("default", category=UserWarning, module=r"geo_xmodal(\.|$)")
    warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _say(worded(str(message), as_flag), "warning")
