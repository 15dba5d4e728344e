"""`python -m geo_xmodal.evaluate` is `geo-xmodal evaluate`."""

from __future__ import annotations

import sys

from geo_xmodal.commands.app import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
