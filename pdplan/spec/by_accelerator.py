"""What a scenario states by accelerator: kept under catalog names, whatever alias it was written under."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BeforeValidator

from pdplan.errors import UnknownNameError
from pdplan.spec.catalog import catalog_path


def under_catalog_names(value: Any) -> Any:
    """Put each line under the catalog's name of its accelerator.

    A name that the catalog does not hold stays as it is, to be refused where all names are.

    Raises
    ------
    ValueError
        Two lines are of one accelerator.

    Examples
    --------
    >>> under_catalog_names({"H100": 2.5, "no-such-gpu": 1.0})
    {'h100-sxm-80gb': 2.5, 'no-such-gpu': 1.0}
    """
    if not isinstance(value, Mapping):
        return value
    found: dict[Any, Any] = {}
    for written, line in value.items():
        name = _catalog_name(written)
        if name in found:
            raise ValueError(f"{written!r} and another line are both {name}: keep one")
        found[name] = line
    return found


def _catalog_name(written: Any) -> Any:
    try:
        return catalog_path("accelerators", written).stem
    except UnknownNameError:
        return written


ByCatalogName = BeforeValidator(under_catalog_names)
