"""`python -m pdplan`."""

from pdplan.cli import main

main()
