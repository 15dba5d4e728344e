"""The `geo-xmodal` command."""

from __future__ import annotations

from geo_xmodal.commands.app import main

if __name__ == "__main__":
    main()
