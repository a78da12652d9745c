"""What a run leaves behind, before statistics: arrays by request, sums by instance, series by interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdplan.sim.stream import Array, Ints

#: Values of `RawRun.status`.
COMPLETED, REJECTED, TIMED_OUT = 0, 1, 2


@dataclass(frozen=True, eq=False, slots=True)
class PrefillUse:
    """Sums over time for each prefill instance, from `RawRun.from_s` to the end.

    ``busy_s`` [s] (with pipeline stages: of all stages together, over their number), ``steps``, ``tokens``
    computed [tok], ``kv_token_s``: integral of KV held [tok s], ``kv_peak_tokens`` [tok], ``link_busy_s``:
    work of the egress [s], ``rejected`` and ``timed_out`` requests.
    """

    busy_s: Array
    steps: Array
    tokens: Array
    kv_token_s: Array
    kv_peak_tokens: Array
    link_busy_s: Array
    rejected: Array
    timed_out: Array


@dataclass(frozen=True, eq=False, slots=True)
class DecodeUse:
    """Sums over time for each decode (or colocated) instance, from `RawRun.from_s` to the end.

    ``busy_s`` [s], ``runs`` jumped over, ``steps``, ``batch_s``: integral of the batch [seq s],
    ``context_token_s``: integral of the sum of contexts [tok s], ``tokens`` made [tok], ``kv_token_s``:
    integral of KV held in blocks [tok s], ``kv_peak_tokens`` [tok], ``batch_peak``, ``evictions``,
    ``recomputed_tokens`` [tok].
    """

    busy_s: Array
    runs: Array
    steps: Array
    batch_s: Array
    context_token_s: Array
    tokens: Array
    kv_token_s: Array
    kv_peak_tokens: Array
    batch_peak: Array
    evictions: Array
    recomputed_tokens: Array


@dataclass(frozen=True, eq=False, slots=True)
class Series:
    """Means over intervals of ``interval_s`` from time 0, by interval and instance.

    ``prefill``: busy share, requests in a step, tokens/s, KV tokens held. ``decode``: busy share, batch,
    tokens/s, KV tokens held; of a colocated instance also the prompt tokens/s, as a fifth column. KV grows
    along a straight line within a run of equal steps.
    """

    interval_s: float
    prefill: NDArray[np.float64]
    decode: NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class RawRun:
    """One simulated run.

    Arrays have one entry for each request, in the order given; durations are 0 where a request has none
    (lost ones, a TPOT of one output token, a transfer that did not take place). TTFT is overhead + queue +
    prefill (+ transfer + admission + first step where the first token comes from decode).

    ``transfer_s`` runs from the request for the link to the arrival of the KV. ``admission_s`` is the wait
    for a place in the decode batch, before a pull or after a push, and for the step under way.
    ``itl_worst_s`` is the longest gap between two emissions of a request; with a first token from prefill
    the gap of the transfer is among them.

    ``batch_s[b]``: time that decode instances spent at batch b, all together [s]. ``itl_edge_s`` and
    ``itl_count``: histogram of all gaps; the last count is that of its open bin.
    """

    status: NDArray[np.int8]
    arrival_s: Array
    prompt_tokens: Ints
    output_tokens: Ints
    class_id: NDArray[np.int16]
    queue_s: Array
    prefill_s: Array
    transfer_s: Array
    admission_s: Array
    ttft_s: Array
    tpot_s: Array
    itl_worst_s: Array
    end_s: Array
    instance: NDArray[np.int16]
    decode_instance: NDArray[np.int16]
    prefill: PrefillUse | None
    decode: DecodeUse
    batch_s: Array
    itl_edge_s: Array
    itl_count: NDArray[np.int64]
    series: Series | None
    from_s: float
    until_s: float

    @property
    def completed(self) -> NDArray[np.bool_]:
        """Which requests were served to the end."""
        return np.asarray(self.status == COMPLETED)
