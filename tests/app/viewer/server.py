"""The app's server with the page of `page.py` in place of its own; prints its address once it serves."""

import os
import sys
from pathlib import Path

from geo_xmodal_app.server import serve
from geo_xmodal_app.settings import Settings

BASEMAP = "https://tile.example.org/{z}/{x}/{y}.png"


def main(folder: Path, work: Path) -> None:
    """Serve the rasters of a folder."""
    os.environ["VIEWER_TEST_FOLDER"] = str(folder)
    settings = Settings(work=work, data=(folder,), port=0, basemap=BASEMAP)
    serve(settings, lambda address: print(address, flush=True), Path(__file__).with_name("page.py"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
