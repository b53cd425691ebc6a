"""`python -m sega_cli` is `sega-vec`."""

from sega_cli.main import main

main(prog_name="sega-vec")
