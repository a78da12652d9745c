"""The columns of one block of rows, and the checks that one value of a row must pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.workload.law import MAX_TOKENS, Array

Codes = NDArray[np.int32]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of text as codes into its distinct values."""

    codes: Codes
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What a block of rows holds.

    Parameters
    ----------
    arrival_s : array or None
        Arrivals [s]; NaN where a row has a delay instead. None for lengths only.
    prompt_tokens, output_tokens : array of int32
        Lengths [tok], which take half the room of floats here.
    hash_ids, hash_counts : array, optional
        Block identities of all rows one after another, and how many each row has.
    texts : mapping
        Columns of text by name.
    delay_s : array, optional
        Wait after the turn before [s]; NaN where there is none.
    failures : int
        Rows left out because the request failed.
    """

    arrival_s: Array | None
    prompt_tokens: Codes
    output_tokens: Codes
    hash_ids: Ids | None = None
    hash_counts: Ids | None = None
    texts: dict[str, Texts] = field(default_factory=dict)
    delay_s: Array | None = None
    failures: int = 0


def number(value: Any, what: str) -> float:
    """Return a finite number of a row.

    Raises
    ------
    ValueError
        It is none, with what it is.

    Examples
    --------
    >>> number("3.5", "arrival time")
    3.5
    >>> number(None, "arrival time")
    Traceback (most recent call last):
    ValueError: arrival time is None, not a finite number
    """
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{what} is {_shown(value)}, not a finite number")
    return found


def tokens(value: Any, what: str) -> float:
    """Return a length of a row [tok].

    Raises
    ------
    ValueError
        Not a whole number from 1 to 1e8.

    Examples
    --------
    >>> tokens("374", "prompt")
    374.0
    >>> tokens(7.5, "prompt")
    Traceback (most recent call last):
    ValueError: prompt length is 7.5, not a whole number from 1 to 1e+08
    """
    try:
        found = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = -1.0
    if not (1.0 <= found <= MAX_TOKENS and found == int(found)):
        raise ValueError(f"{what} length is {_shown(value)}, not a whole number from 1 to {MAX_TOKENS:g}")
    return found


def block_ids(value: Any, what: str) -> list[int]:
    """Return the block identities of a row as 64-bit integers.

    Raises
    ------
    ValueError
        Not a list of whole numbers of at most 64 bits.
    """
    if not isinstance(value, list) or not all(type(h) is int for h in value):
        raise ValueError(f"{what} is not a list of whole numbers")
    if any(not -(2**63) <= h < 2**64 for h in value):
        raise ValueError(f"{what} holds a number of more than 64 bits")
    return [h - 2**64 if h >= 2**63 else h for h in value]


def good_lengths(values: Ids) -> bool:
    """Return whether all lengths of a block are from 1 to 1e8 [tok]."""
    return values.size == 0 or bool(values.min() >= 1 and values.max() <= MAX_TOKENS)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
