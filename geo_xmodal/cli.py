"""The `geo-xmodal` command."""

from __future__ import annotations

from geo_xmodal.commands.app import main, run_command

__all__ = ["main", "run_command"]

if __name__ == "__main__":
    main()
