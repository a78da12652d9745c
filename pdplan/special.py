"""scipy.special, imported when a function of it is first called.

Importing it takes a third of the time that a whole plan may take, and most plans need none of it.

>>> from pdplan import special
>>> round(float(special.gammaincc(2.0, 1.0)), 6)
0.735759
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    from scipy import special

    return getattr(special, name)
