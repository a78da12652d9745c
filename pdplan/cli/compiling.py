"""The engine is compiled once on a machine, which takes seconds: people are told before."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pdplan.sim.compiled import is_compiled


def announce_compiling(*kernels: str, meanwhile: Callable[[], str] | None = None) -> None:
    """Say on standard error that kernels are being compiled, if they are.

    Parameters
    ----------
    *kernels : str
        Those that will run; default that of disaggregated fleets.
    meanwhile : callable, optional
        What people at a terminal can read until then.
    """
    if all(is_compiled(kernel) for kernel in kernels or ("kernel_pd",)):
        return
    if meanwhile is not None and sys.stderr.isatty():
        print(meanwhile(), file=sys.stderr)
    print("pdplan: compiling the engine, once on this machine (10 to 20 s) ...", file=sys.stderr)
