"""`python -m geo_xmodal.train` is `geo-xmodal train`."""

from __future__ import annotations

import sys

from geo_xmodal.commands.app import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
