"""The `geo-xmodal` command: light to import, so that signals are heeded from early on."""

from __future__ import annotations

import sys

from geo_xmodal.commands import process

TYPE_CHECKING = False  # as in `process`
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program on `arguments` (default: the process's) and exit with its status."""
    process.begin()
    from geo_xmodal.commands.app import run_alone

    sys.exit(run_alone(sys.argv[1:] if arguments is None else arguments))


def run_command(name: str) -> NoReturn:
    """Run one command on the process's arguments: `python -m geo_xmodal.NAME`."""
    main([name, *sys.argv[1:]])


if __name__ == "__main__":
    main()
