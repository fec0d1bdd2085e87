"""`python -m web.cli`, the same as `clorp`."""

from web.cli import main

main(prog_name="clorp")
