"""Choose one system where a file holds several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from pdplan.errors import InputError, did_you_mean
from pdplan.interop.benchmarks.reader import Select

_SHOWN: Final = ("model", "accelerator", "engine", "source")
KEYS: Final = ("source", "model", "accelerator", "engine")
Item = TypeVar("Item")


def check_keys(select: Select) -> None:
    """Raise `InputError` for a key that no file is chosen by."""
    for key in select:
        if key not in KEYS:
            raise InputError(f"select {key}: not a key{did_you_mean(key, KEYS)}; keys: {', '.join(KEYS)}")


def choose(
    items: Sequence[Item], system: Callable[[Item], tuple[str, ...]], select: Select, where: str
) -> list[Item]:
    """Return the items of the one system that ``select`` leaves.

    A value matches a name that it equals, ignoring case, or, where it equals none, a name that it is part of.

    Parameters
    ----------
    items : sequence
        Rows or runs.
    system : callable
        The system of an item: its source, model, accelerator and engine; empty where unknown.
    select : mapping
        Wanted values under some of the keys source, model, accelerator, engine.
    where : str
        The file, for errors.

    Raises
    ------
    InputError
        Nothing left, or several systems left; both list what there is.
    """
    systems = sorted({system(item) for item in items})
    left = systems if len(systems) > 1 else []
    for key, wanted in select.items():
        column, low = KEYS.index(key), wanted.lower()
        equal = [s for s in left if s[column].lower() == low]
        left = equal or [s for s in left if low in s[column].lower()]
    if len(systems) <= 1:
        return list(items)
    if len(left) != 1:
        asked = ", ".join(f"{key}={value}" for key, value in select.items())
        problem = (
            f"{asked} matches none of its {len(systems)} systems" if not left else
            f"{asked} leaves {len(left)} systems" if asked else f"holds {len(systems)} systems"
        )  # fmt: skip
        raise InputError(f"{where}: {problem}: choose one with select: {_listed(left or systems)}")
    return [item for item in items if system(item) == left[0]]


def _listed(systems: Sequence[tuple[str, ...]]) -> str:
    """Write the systems with the keys in which they differ."""
    order = sorted(range(len(KEYS)), key=lambda i: _SHOWN.index(KEYS[i]))
    enough = next(
        n
        for n in (2, 3, 4)
        if n == 4 or len({tuple(s[i] for i in order[:n]) for s in systems}) == len(systems)
    )
    varied = order[:enough]
    lines = [", ".join(f"{KEYS[i]}={s[i] or '(unnamed)'}" for i in varied) for s in systems]
    unique = list(dict.fromkeys(lines))
    return "; ".join(unique[:12]) + (f"; and {len(unique) - 12} more" if len(unique) > 12 else "")
