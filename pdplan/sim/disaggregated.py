"""Prefill pool, KV link and decode pool at constant rates: for plain use from Python."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdplan.checks import require_positive
from pdplan.errors import InputError, did_you_mean
from pdplan.sim.two_pools import serve_in_order
from pdplan.trust import Trust

_FIELDS: Final = ("arrival_s", "prompt_tokens", "output_tokens")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DisaggregatedRun:
    """What happened to each request, in the order given; times in s on the clock of the arrivals.

    ``prefill_instance`` and ``decode_instance`` number the instances from 0. The first token comes from
    decode, so TTFT holds prefill, transfer, every wait and the first step. `print` gives a summary.
    """

    arrival_s: Floats
    prompt_tokens: Floats
    output_tokens: Floats
    prefill_start_s: Floats
    prefill_end_s: Floats
    transfer_start_s: Floats
    kv_ready_s: Floats
    decode_start_s: Floats
    end_s: Floats
    prefill_instance: NDArray[np.int64]
    decode_instance: NDArray[np.int64]
    tpot_s: float
    prefill_utilization: float
    decode_utilization: float
    trust: Trust = Trust.SIMULATED

    @property
    def ttft_s(self) -> Floats:
        """Arrival to first token, which the first decode step gives [s]."""
        return self.decode_start_s + self.tpot_s - self.arrival_s

    @property
    def latency_s(self) -> Floats:
        """Arrival to last token [s]."""
        return self.end_s - self.arrival_s

    @property
    def prefill_wait_s(self) -> Floats:
        """Arrival to start of prefill [s]."""
        return self.prefill_start_s - self.arrival_s

    @property
    def transfer_s(self) -> Floats:
        """End of prefill to KV at the decode pool, wait for the link included [s]."""
        return self.kv_ready_s - self.prefill_end_s

    @property
    def decode_wait_s(self) -> Floats:
        """KV at the decode pool to start of decode [s]."""
        return self.decode_start_s - self.kv_ready_s

    @property
    def makespan_s(self) -> float:
        """First arrival to last token, 0 without requests [s]."""
        return float(self.end_s.max() - self.arrival_s.min()) if len(self.end_s) else 0.0

    @property
    def output_tokens_per_s(self) -> float:
        """Output tokens over the makespan, 0 without requests [tok/s]."""
        return float(self.output_tokens.sum()) / self.makespan_s if len(self.end_s) else 0.0

    def __str__(self) -> str:
        """Read like an engineer's note."""
        if not len(self.end_s):
            return "no requests: nothing to simulate"
        rows = (
            ("TTFT", self.ttft_s),
            ("  prefill wait", self.prefill_wait_s),
            ("  prefill", self.prefill_end_s - self.prefill_start_s),
            ("  transfer", self.transfer_s),
            ("  decode wait", self.decode_wait_s),
            ("latency", self.latency_s),
        )
        head = f"{len(self.end_s)} requests in {self.makespan_s:.4g} s"
        lines = [
            f"{head}, {self.output_tokens_per_s:.4g} output tok/s",
            f"{'':16}{'mean':>10}{'p50':>10}{'p99':>10}   s",
        ]
        for name, values in rows:
            p50, p99 = np.quantile(values, (0.5, 0.99))
            lines.append(f"{name:16}{values.mean():10.4g}{p50:10.4g}{p99:10.4g}")
        lines.append(f"TPOT {self.tpot_s * 1e3:.4g} ms, constant")
        lines.append(
            f"busy: prefill {self.prefill_utilization:.0%}, decode {self.decode_utilization:.0%}; "
            f"{self.trust}, not a steady state"
        )
        return "\n".join(lines)


def simulate_disaggregated(
    requests: Mapping[str, ArrayLike] | Sequence[Mapping[str, float]] | ArrayLike,
    prefill_instances: int,
    decode_instances: int,
    prefill_tokens_per_s: float,
    decode_tokens_per_s: float,
    *,
    decode_slots: int = 1,
    kv_bytes_per_token: float = 0.0,
    link_bytes_per_s: float = math.inf,
    link_latency_s: float = 0.0,
    decode_order: Literal["kv_ready", "arrival"] = "kv_ready",
) -> DisaggregatedRun:
    """Simulate prefill instances, the link out of each, and decode instances, all at constant rates.

    A prompt of n tokens takes ``n / prefill_tokens_per_s`` on the earliest free prefill instance, then
    ``link_latency_s + n kv_bytes_per_token / link_bytes_per_s`` on that instance's link, first come first
    served (the latency does not keep the link busy). An output of m tokens takes ``m / decode_tokens_per_s``
    in the earliest free decode slot.

    Parameters
    ----------
    requests : list of mappings, mapping of arrays, or array of shape (n, 3)
        ``arrival_s`` [s], ``prompt_tokens`` [tok] (>= 0) and ``output_tokens`` [tok] (>= 1), in any order.
    prefill_instances, decode_instances : int
        Pool sizes [-].
    prefill_tokens_per_s : float
        Rate of one prefill instance [tok/s].
    decode_tokens_per_s : float
        Rate of one sequence in decode [tok/s], whatever the batch.
    decode_slots : int
        Sequences that one decode instance holds at a time [-].
    kv_bytes_per_token, link_bytes_per_s, link_latency_s : float
        What a prompt token weighs [B], and the link of one prefill instance [B/s], [s].
    decode_order : {"kv_ready", "arrival"}
        Who takes a decode slot next: whose KV is there first (ties by arrival), or who arrived first.

    Returns
    -------
    DisaggregatedRun

    Raises
    ------
    InputError
        A request, pool or rate that cannot be.

    Validity: constant rates leave out that steps grow with the batch and the context, that prompts share
    steps, and memory; for those, plan or simulate a scenario.

    Examples
    --------
    >>> run = simulate_disaggregated(
    ...     [{"arrival_s": 0.0, "prompt_tokens": 2000, "output_tokens": 50}], 1, 1, 20_000, 100,
    ...     kv_bytes_per_token=131_072, link_bytes_per_s=25e9)
    >>> round(float(run.transfer_s[0]), 5), round(float(run.ttft_s[0]), 4), round(run.makespan_s, 4)
    (0.01049, 0.1205, 0.6105)
    """
    arrival, prompt, output = _columns(requests)
    for name, value in (
        ("prefill_instances", prefill_instances),
        ("decode_instances", decode_instances),
        ("decode_slots", decode_slots),
    ):
        if value != int(value) or value < 1:
            raise InputError(f"{name} is {value}: it must be a whole number of at least 1")
    require_positive("prefill_tokens_per_s", prefill_tokens_per_s, "tok/s")
    require_positive("decode_tokens_per_s", decode_tokens_per_s, "tok/s")
    require_positive("kv_bytes_per_token", kv_bytes_per_token, "B", zero_ok=True)
    require_positive("link_latency_s", link_latency_s, "s", zero_ok=True)
    if not link_bytes_per_s > 0:
        raise InputError(f"link_bytes_per_s is {link_bytes_per_s:g}: it must be greater than 0")
    if decode_order not in ("kv_ready", "arrival"):
        raise InputError(f"decode_order is {decode_order!r}: it must be 'kv_ready' or 'arrival'")

    by_arrival = [int(i) for i in np.argsort(arrival, kind="stable")]
    with np.errstate(over="ignore"):  # too long a time is refused below, in words
        prefill = prompt / prefill_tokens_per_s
        decode = output / decode_tokens_per_s
        wire = prompt * kv_bytes_per_token / link_bytes_per_s
    start, done, server = serve_in_order(
        by_arrival, arrival.tolist(), prefill.tolist(), int(prefill_instances)
    )
    sent = _send(by_arrival, done, server, wire.tolist(), int(prefill_instances))
    ready = np.array(sent) + wire + link_latency_s
    order = by_arrival if decode_order == "arrival" else sorted(by_arrival, key=ready.__getitem__)
    slots = int(decode_instances) * int(decode_slots)
    decode_start, end, slot = serve_in_order(order, ready.tolist(), decode.tolist(), slots)
    span = max(end) - float(arrival.min()) if len(end) else 0.0
    return DisaggregatedRun(
        arrival,
        prompt,
        output,
        np.array(start),
        np.array(done),
        np.array(sent),
        ready,
        np.array(decode_start),
        np.array(end),
        np.array(server, dtype=np.int64),
        # Slots are dealt over the instances in turn, so that few sequences spread over all of them.
        np.array(slot, dtype=np.int64) % int(decode_instances),
        1.0 / decode_tokens_per_s,
        float(prefill.sum()) / (prefill_instances * span) if span else 0.0,
        float(decode.sum()) / (slots * span) if span else 0.0,
    )


def _send(
    order: Sequence[int], done: Sequence[float], server: Sequence[int], wire: Sequence[float], links: int
) -> list[float]:
    """Return when each transfer starts: when its prefill and the link's previous transfer are over."""
    free, sent = [0.0] * links, [0.0] * len(done)
    for i in order:  # an instance ends prefills in the order it starts them
        sent[i] = max(done[i], free[server[i]])
        free[server[i]] = sent[i] + wire[i]
    return sent


def _columns(requests: Any) -> tuple[Floats, Floats, Floats]:
    """Return arrivals, prompts and outputs as arrays, checked."""
    if isinstance(requests, Mapping):
        columns = [requests.get(key) for key in _FIELDS]
        missing = [key for key, column in zip(_FIELDS, columns, strict=True) if column is None]
        if missing:
            hint = did_you_mean(missing[0], [str(k) for k in requests])
            raise InputError(f"requests have no {missing[0]}{hint or ': they need ' + ', '.join(_FIELDS)}")
    elif isinstance(requests, Sequence) and all(isinstance(r, Mapping) for r in requests):
        for i, request in enumerate(requests):
            for key in _FIELDS:
                if key not in request:
                    hint = did_you_mean(key, [str(k) for k in request])
                    raise InputError(f"request {i} has no {key}{hint or ': it needs ' + ', '.join(_FIELDS)}")
        columns = [[request[key] for request in requests] for key in _FIELDS]
    else:
        table = np.asarray(requests)
        if table.ndim != 2 or table.shape[1] != len(_FIELDS):
            raise InputError(
                f"requests have the shape {table.shape}: give one row of {', '.join(_FIELDS)} each"
            )
        columns = list(table.T)
    arrays = []
    for key, column in zip(_FIELDS, columns, strict=True):
        try:
            array = np.asarray(column, dtype=float)
        except (TypeError, ValueError):
            raise InputError(f"{key} of the requests are not numbers") from None
        least = 1.0 if key == "output_tokens" else 0.0
        bad = ~np.isfinite(array) | (array < least)
        if array.ndim != 1 or bad.any():
            where = (
                f" of request {int(np.argmax(bad))} is {array[bad][0]:g}" if bad.any() else "s are not a list"
            )
            raise InputError(f"{key}{where}: it must be a finite number of at least {least:g}")
        arrays.append(array)
    if len({len(a) for a in arrays}) > 1:
        raise InputError(
            f"requests have {', '.join(str(len(a)) for a in arrays)} values: as many of each, please"
        )
    return arrays[0], arrays[1], arrays[2]
