"""The `geo-xmodal` command: where it is, how it is run, watched and stopped. Knows nothing of QGIS."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

PROGRAM = "geo-xmodal"
VARIABLE = "GEO_XMODAL_COMMAND"
_SETTINGS = "Settings > Options > Processing > Providers > geo_xmodal"

WINDOWS = os.name == "nt"
_SCRIPTS = "Scripts" if WINDOWS else "bin"
_FILE = PROGRAM + (".exe" if WINDOWS else "")

_GRACE_SECONDS = 5.0
"""A stopped command may take this long to keep what can be resumed."""

_POLL_SECONDS = 0.1
_VERSION_SECONDS = 120.0
"""The first start of an environment compiles its modules, and a virus scanner reads them."""

_NOT_INHERITED = ("PYTHON", "GDAL", "PROJ_", "OSGEO", "QT_", "QGIS", "GISBASE", "GRASS")
"""QGIS sets these for itself; in another environment they break Python, GDAL and PROJ."""


class CommandError(Exception):
    """The command is missing, failed or was refused; the message says what to do."""


class Cancelled(Exception):  # noqa: N818 - no error
    """The user stopped the command; no process of it is left."""


def find_command(setting=""):
    """The command line that starts geo-xmodal.

    Looked for in this order: the setting, the environment variable GEO_XMODAL_COMMAND, a `.venv` beside the
    checkout that the plugin is part of, the PATH, and the folder where pipx and uv put programs. The first
    two may name the program, an environment's folder or its Python.

    Raises:
        CommandError: There is none.
    """
    for value, where in (
        (setting, "the setting of the geo_xmodal provider"),
        (os.environ.get(VARIABLE, ""), "the environment variable " + VARIABLE),
    ):
        if value:
            return [_program(Path(value).expanduser(), where)]
    # never the folder of a project: opening a stranger's project must not run what lies there
    for checkout in list(Path(__file__).resolve().parents)[3:4]:
        beside = checkout / ".venv" / _SCRIPTS / _FILE
        if beside.is_file() and (checkout / "geo_xmodal").is_dir():
            return [str(beside)]
    found = shutil.which(PROGRAM)
    if found:
        return [found]
    users = Path.home() / ".local" / "bin" / _FILE
    if users.is_file():
        return [str(users)]
    raise CommandError(
        "the command geo-xmodal was not found. Install it into a Python environment of its own (python -m "
        f"venv ENV, then ENV/{_SCRIPTS}/pip install geo_xmodal), and name that environment in {_SETTINGS} or "
        f"in the environment variable {VARIABLE}"
    )


def _program(path, where):
    candidates = [path / _SCRIPTS / _FILE, path / _FILE] if path.is_dir() else [path]
    if not path.is_dir() and path.name.lower().startswith("python"):
        candidates = [path.parent / _FILE, path.parent / _SCRIPTS / _FILE]
    for candidate in candidates:
        if candidate.is_file() and os.access(str(candidate), os.X_OK):
            return str(candidate)
    raise CommandError(
        f"{where} says {path}, but there is no program {candidates[0]}: give the program geo-xmodal, or the "
        "folder of the Python environment that it is installed in"
    )


def command_version(command):
    """The version of geo-xmodal that a command line starts.

    Raises:
        CommandError: It cannot be started, or is another program.
    """
    try:
        done = subprocess.run(
            [*command, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_VERSION_SECONDS,
            env=clean_environment(os.environ),
            check=False,
            **_apart(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"{command[0]} cannot be started: {error}") from None
    words = done.stdout.decode("utf-8", "replace").strip()
    match = re.match(r"geo-xmodal (\S+)$", words)
    if done.returncode or not match:
        last = words.splitlines()[-1] if words else "nothing"
        raise CommandError(
            f"{command[0]} is not a geo-xmodal that works (--version says: {last[:200]}): install geo_xmodal "
            f"again, or choose another environment in {_SETTINGS}"
        )
    return match.group(1)


def clean_environment(environment):
    """What the command inherits: everything but what QGIS sets for its own Python, GDAL and PROJ."""
    kept = {name: value for name, value in environment.items() if not name.upper().startswith(_NOT_INHERITED)}
    kept["PYTHONUTF8"] = "1"  # file names in messages, also on Windows
    return kept


def run_command(command, arguments, progress, say, cancelled, worded):
    """Run geo-xmodal to its end; what it says is JSON, an event a line.

    Args:
        command: What starts it.
        arguments: The subcommand and its options.
        progress: Called with done, total, a message and the seconds left (None where nobody knows).
        say: Called with every other text and its kind: note, assumed, warning, or empty.
        cancelled: Says whether the user wants it to stop; asked several times a second.
        worded: Words an option and its value in an error.

    Returns:
        Its result.

    Raises:
        CommandError: It failed; the message is its error line.
        Cancelled: It was stopped.
    """
    try:
        process = subprocess.Popen(
            [*command, *arguments, "--json", "--progress", "json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(os.environ),
            **_apart(),
        )
    except OSError as error:
        raise CommandError(f"{command[0]} cannot be started: {error}") from None
    lines = queue.Queue()
    output = []
    readers = [
        threading.Thread(target=_read_lines, args=(process.stderr, lines), daemon=True),
        threading.Thread(target=lambda: output.append(process.stdout.read()), daemon=True),
    ]
    for reader in readers:
        reader.start()
    failure = ""
    try:
        while True:
            if cancelled():
                raise Cancelled
            try:
                line = lines.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if line is None:
                break
            event = _event(line)
            if event["event"] == "progress":
                progress(event["done"], event["total"], event["message"], event["seconds_left"])
            elif event["event"] == "note" and event["message"]:
                say(event["message"], event["kind"])
            elif event["event"] == "error":
                failure = "".join(
                    part if isinstance(part, str) else worded(part["option"], part["value"])
                    for part in event["parts"]
                )
        while process.poll() is None:
            if cancelled():
                raise Cancelled
            time.sleep(_POLL_SECONDS)
    finally:
        _end(process)
        for reader, stream in zip(readers, (process.stderr, process.stdout)):
            reader.join(_GRACE_SECONDS)
            if not reader.is_alive():  # what left the group may still hold the other end
                stream.close()
    if process.returncode:
        raise CommandError(failure or f"geo-xmodal ended with status {process.returncode}")
    try:
        return json.loads(b"".join(output).decode("utf-8"))
    except ValueError:
        raise CommandError("geo-xmodal gave no result that can be read: install it again") from None


def _event(line):
    """A line as an event; what is none is a note: libraries write, too."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if isinstance(event, dict) and "event" in event:
        return event
    return {"event": "note", "kind": "", "message": line}


def _read_lines(stream, lines):
    for line in stream:
        lines.put(line.decode("utf-8", "replace").rstrip())
    lines.put(None)


def _apart():
    """A process group of its own, so that it can be stopped with all that it started."""
    if WINDOWS:
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _end(process):
    """Whatever is left of the command, its workers too, ends: asked first, so that it can be resumed."""
    if WINDOWS:
        if process.poll() is None:
            tree = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(
                tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, **_apart()
            )
            process.wait()
        return
    if process.poll() is None:
        _signal(process, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process, number):
    # macOS refuses the permission for a group that has just ended
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
