"""A request trace: who arrived when, with how many tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdplan.workload.hashes import BlockHashes
from pdplan.workload.law import Array


class Skipped(NamedTuple):
    """Rows that were left out for one reason, and the line of the first."""

    reason: str
    rows: int
    first_line: int


@dataclass(frozen=True, eq=False, slots=True)
class Labels:
    """The kind of each request, as the trace names it.

    Parameters
    ----------
    name : str
        The column, or columns.
    values : tuple of str
        The distinct kinds.
    codes : array of int32, shape (n,)
        Place of each request's kind in ``values``.
    """

    name: str
    values: tuple[str, ...]
    codes: NDArray[np.int32]


@dataclass(frozen=True, eq=False, slots=True)
class Trace:
    """Requests in order of arrival.

    Parameters
    ----------
    arrival_s : array, shape (n,)
        Arrival after the first request [s], non-decreasing; all 0 in a trace of lengths only.
    prompt_tokens, output_tokens : array, shape (n,)
        Lengths [tok], at least 1.
    hash_ids : BlockHashes, optional
        Identity of each block of each prompt, chained from its start: equal leading blocks can be reused.
    block_tokens : int, optional
        Tokens of one such block.
    format : str
        Name of the format.
    source : str
        The file.
    labels : Labels, optional
        Kind of each request.
    sessions : array of int32, shape (n,), optional
        Number of the conversation of each request; -1 for none.
    start_epoch_s : float, optional
        Moment of the first request after 1970-01-01 UTC [s], where the trace tells.
    notes : tuple of str
        What was done to the rows: sorted, failed requests left out and the like, in words.
    skipped : tuple of Skipped
        Rows that could not be read and were left out.
    """

    arrival_s: Array
    prompt_tokens: Array
    output_tokens: Array
    hash_ids: BlockHashes | None
    block_tokens: int | None
    format: str
    source: str
    labels: Labels | None = None
    sessions: NDArray[np.int32] | None = None
    start_epoch_s: float | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        """Return the number of requests."""
        return int(self.arrival_s.size)

    @property
    def has_times(self) -> bool:
        """Whether requests arrive at two moments at least; otherwise the trace has no rate."""
        return len(self) > 1 and bool(self.arrival_s[-1] > self.arrival_s[0])
