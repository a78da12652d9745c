"""Packages whose public names load when first used: a start costs only what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def exports(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Parameters
    ----------
    package : str
        Name of the package.
    homes : mapping of str to str
        Public name -> module that has it.

    Examples
    --------
    >>> find, names = exports("pdplan", {"Trust": "pdplan.trust"})
    >>> find("Trust").EXACT.value, names()
    ('exact', ['Trust'])
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return find, lambda: sorted(homes)
