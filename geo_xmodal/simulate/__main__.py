"""`python -m geo_xmodal.simulate`: the same as `geo-xmodal simulate`."""

from geo_xmodal.cli import run_command

run_command("simulate")
