"""Whether the engine has been compiled on this machine before; asked without importing numba."""

from __future__ import annotations

import os
from pathlib import Path

_HERE = Path(__file__).parent


def is_compiled(kernel: str = "kernel_pd") -> bool:
    """Return whether numba's cache seems to hold a kernel (a guess, good enough for an announcement).

    numba keeps its cache beside the source, or under ``NUMBA_CACHE_DIR``, or in the user's cache folder where
    the package is not writable.
    """
    folders = [_HERE / "__pycache__"]
    if "NUMBA_CACHE_DIR" in os.environ:
        folders = [Path(os.environ["NUMBA_CACHE_DIR"])]
    elif not os.access(_HERE, os.W_OK):
        folders.append(Path.home() / ".cache" / "numba")
    source = max((_HERE / name).stat().st_mtime for name in (f"{kernel}.py", "kernel_core.py"))
    return any(
        index.stat().st_mtime >= source for f in folders if f.is_dir() for index in f.rglob(f"{kernel}.*.nbi")
    )
