"""The command line: parse, call one planner function, print."""

import os
import sys

# Our linear systems are small. BLAS threads that outnumber the cores one may use (a container's quota, a busy
# machine) make a 0.2 ms solve take 100 ms. Whoever sets the variable keeps their choice.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__all__ = ["main"]


def main(argv: list[str] | None = None) -> None:
    """Run the command line; Ctrl-C while it is still being read is as quiet as later."""
    try:
        from pdplan.cli.app import main as run
    except KeyboardInterrupt:
        print("pdplan: interrupted", file=sys.stderr)
        sys.exit(130)
    run(argv)
