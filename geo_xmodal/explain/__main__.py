"""`python -m geo_xmodal.explain` is `geo-xmodal explain`."""

from __future__ import annotations

from geo_xmodal.cli import run_command

if __name__ == "__main__":
    run_command("explain")
