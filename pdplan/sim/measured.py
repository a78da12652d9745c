"""Which numbers of a run belong to a quantity: arrays of one value for each measured request."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InputError, did_you_mean
from pdplan.sim.raw import RawRun

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Quantity = Literal["ttft", "tpot", "itl", "itl_worst", "e2e", "queue", "prefill", "transfer", "admission"]

#: Quantities of one request each; ``itl`` is one of gaps.
BY_REQUEST: tuple[str, ...] = tuple(q for q in get_args(Quantity) if q != "itl")


def require_quantity(quantity: str) -> None:
    """Refuse an unknown quantity.

    Examples
    --------
    >>> require_quantity("tpott")
    Traceback (most recent call last):
    pdplan.errors.InputError: quantity is 'tpott': use ttft, tpot, itl, ...; did you mean tpot?
    """
    known = get_args(Quantity)
    if quantity not in known:
        raise InputError(f"quantity is {quantity!r}: use {', '.join(known)}{did_you_mean(quantity, known)}")


def defined(raw: RawRun, quantity: str) -> Mask:
    """Return which requests have the quantity: completed ones; TPOT and ITL need two tokens."""
    if quantity in ("tpot", "itl", "itl_worst"):
        return raw.completed & (raw.output_tokens > 1)
    return raw.completed


def quantity_values(raw: RawRun, quantity: str, which: Mask | NDArray[np.int64]) -> Array:
    """Return the quantity of the chosen requests, in their order [s]."""
    if quantity == "e2e":
        return np.asarray(raw.end_s[which] - raw.arrival_s[which])
    names = {
        "ttft": "ttft_s",
        "tpot": "tpot_s",
        "itl_worst": "itl_worst_s",
        "queue": "queue_s",
        "prefill": "prefill_s",
        "transfer": "transfer_s",
        "admission": "admission_s",
    }
    return np.asarray(getattr(raw, names[quantity])[which])


def gap_sums(
    raw: RawRun, which: Mask | NDArray[np.int64], tokens_per_step: float, lead: int
) -> tuple[Array, Array]:
    """Return (sum of the gaps between emissions [s], their number) of each chosen request.

    ``lead``: 1 where prefill emits the first token.
    """
    spread = raw.end_s[which] - raw.arrival_s[which] - raw.ttft_s[which]
    steps = np.ceil((raw.output_tokens[which] - lead) / tokens_per_step - 1e-9)
    return np.maximum(spread, 0.0), np.maximum(steps - 1.0 + lead, 0.0)


def gap_quantile_s(raw: RawRun, p: float) -> float | None:
    """Return the p-quantile of all gaps, from a histogram with bins of 0.4% [s]; None without gaps."""
    total = int(raw.itl_count.sum())
    if total == 0:
        return None
    reached = np.cumsum(raw.itl_count)
    at = int(np.searchsorted(reached, p * total, side="left"))
    before = int(reached[at - 1]) if at else 0
    share = (p * total - before) / float(raw.itl_count[at])
    return float(raw.itl_edge_s[at] + share * (raw.itl_edge_s[at + 1] - raw.itl_edge_s[at]))


def weighted_quantile(weights: Array, p: float) -> int:
    """Return the smallest index at which the cumulated weight reaches ``p`` of the total.

    Examples
    --------
    >>> weighted_quantile(np.array([1.0, 2.0, 7.0]), 0.3)
    1
    """
    reached = np.cumsum(weights)
    return int(np.searchsorted(reached, p * reached[-1] * (1 - 1e-12), side="left"))
