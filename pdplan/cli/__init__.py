"""The command line: parse, call one planner function, print."""

import os

# Our linear systems are small. BLAS threads that outnumber the cores one may use (a container's quota, a busy
# machine) make a 0.2 ms solve take 100 ms. Whoever sets the variable keeps their choice.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from pdplan.cli.app import main

__all__ = ["main"]
