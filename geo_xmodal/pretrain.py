"""`python -m geo_xmodal.pretrain` is `geo-xmodal pretrain`."""

from __future__ import annotations

from geo_xmodal.cli import run_command

if __name__ == "__main__":
    run_command("pretrain")
