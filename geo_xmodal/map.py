"""`python -m geo_xmodal.map` is `geo-xmodal map`."""

from __future__ import annotations

import sys

from geo_xmodal.commands.app import main

if __name__ == "__main__":
    main(["map", *sys.argv[1:]])
