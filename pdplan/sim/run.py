"""Run a configuration over a stream of requests: arrays in, `RawRun` out. numba loads on the first run."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np

from pdplan.errors import InputError, UnsupportedError
from pdplan.sim.config import ColocatedConfig, KvMemory, PdConfig, Recording
from pdplan.sim.launch_colocated import launch_colocated
from pdplan.sim.launch_pd import launch_pd
from pdplan.sim.raw import RawRun
from pdplan.sim.stream import Stream
from pdplan.sim.watch import OnProgress


def run_pd(
    config: PdConfig,
    requests: Stream,
    *,
    seed: int = 0,
    recording: Recording | None = None,
    stepwise: bool = False,
    on_progress: OnProgress | None = None,
) -> RawRun:
    """Simulate a disaggregated fleet until the last request has ended.

    Parameters
    ----------
    config : PdConfig
    requests : Stream
    seed : int
        Of the routers' draws; each pool has its own Philox stream.
    recording : Recording, optional
        Warm-up and time series.
    stepwise : bool
        Take every decode step and every chunk by itself: the same physics, slowly, as a check.
    on_progress : callable, optional
        Told the requests served so far, ten times a second. Ctrl-C stops a run at once either way.

    Returns
    -------
    RawRun

    Raises
    ------
    InputError
        A request that an instance's KV memory cannot hold.
    UnsupportedError
        A closed loop whose requests lose patience.

    Examples
    --------
    >>> from pdplan.latency import DecodeFit, Fitted, PrefillFit
    >>> from pdplan.sim.config import DecodePool, PrefillPool
    >>> model = Fitted(PrefillFit(0.01, 1e-4), (DecodeFit(0.02, 0.001),), (1, 1e5), (1, 256), "example")
    >>> config = PdConfig(PrefillPool(1, model), DecodePool(1, model))
    >>> run = run_pd(config, Stream.of([0.0], [1000], [5]))
    >>> round(float(run.ttft_s[0]), 6), round(float(run.tpot_s[0]), 6), round(float(run.end_s[0]), 6)
    (0.131, 0.021, 0.215)
    """
    kept = recording or Recording()
    _check_pd(config, requests)
    overhead = config.overhead_s + config.overhead_s_per_token * requests.prompt_tokens
    ordered, back = in_order(requests, overhead)
    capacity = 4096
    while True:
        result = launch_pd(config, ordered, seed, kept, stepwise, capacity, on_progress)
        if result is not None:
            return _finish(result, requests, back, overhead)
        capacity *= 4


def run_colocated(
    config: ColocatedConfig,
    requests: Stream,
    *,
    seed: int = 0,
    recording: Recording | None = None,
    stepwise: bool = False,
    on_progress: OnProgress | None = None,
) -> RawRun:
    """Simulate colocated instances until the last request has ended.

    Parameters, errors and result as in `run_pd`. ``RawRun.decode`` speaks of the instances,
    ``RawRun.prefill`` of their steps with prompt tokens; transfer and admission are 0.

    Examples
    --------
    >>> from pdplan.latency import DecodeFit, Fitted, PrefillFit
    >>> model = Fitted(PrefillFit(0.01, 1e-4), (DecodeFit(0.02, 0.001),), (1, 1e5), (1, 256), "example")
    >>> config = ColocatedConfig(1, model, batch_tokens=512)
    >>> run = run_colocated(config, Stream.of([0.0], [1000], [5]))
    >>> round(float(run.ttft_s[0]), 6), round(float(run.tpot_s[0]), 6)
    (0.12, 0.021)
    """
    kept = recording or Recording()
    check_memory(config.memory, requests, "colocated")
    patient = math.isinf(config.patience_s) and requests.patience_s is None
    check_closed(requests, patient, config.overhead_s_per_token)
    overhead = config.overhead_s + config.overhead_s_per_token * requests.prompt_tokens
    ordered, back = in_order(requests, overhead)
    capacity = 4096
    while True:
        result = launch_colocated(config, ordered, seed, kept, stepwise, capacity, on_progress)
        if result is not None:
            return _finish(result, requests, back, overhead)
        capacity *= 4


def in_order(requests: Stream, overhead: Any) -> tuple[Stream, Any]:
    """Return the requests in the order in which they reach the router, and the way back (None: unchanged)."""
    if requests.users:
        return requests, None
    reach = requests.arrival_s + overhead
    if reach.size < 2 or bool((reach[1:] >= reach[:-1]).all()):
        return replace(requests, arrival_s=reach), None
    order = np.argsort(reach, kind="stable")
    return replace(requests.take(order), arrival_s=reach[order]), order


def _check_pd(config: PdConfig, requests: Stream) -> None:
    longest = int(requests.prompt_tokens.max())
    if longest > config.prefill.kv_capacity_tokens:
        raise InputError(
            f"a prompt has {longest} tokens and a prefill instance holds "
            f"{config.prefill.kv_capacity_tokens:g} tokens of KV: raise the capacity or drop the prompt"
        )
    check_memory(config.decode.memory, requests, "decode")
    patient = math.isinf(config.prefill.patience_s) and requests.patience_s is None
    check_closed(requests, patient, config.overhead_s_per_token)


def check_memory(memory: KvMemory, requests: Stream, pool: str) -> None:
    """Refuse a request whose whole context an empty instance cannot hold."""
    whole = int((requests.prompt_tokens + requests.output_tokens).max()) + 1
    if -(-whole // memory.block_tokens) > memory.blocks:
        raise InputError(
            f"a request grows to {whole - 1} tokens and a {pool} instance holds {memory.capacity_tokens:g} "
            "tokens of KV: raise the capacity or drop the request"
        )


def check_closed(requests: Stream, patient: bool, overhead_s_per_token: float) -> None:
    """Refuse by name what a closed loop cannot be combined with."""
    if requests.users and not patient:
        raise UnsupportedError(
            "a closed loop whose requests lose patience is not modelled: leave patience_s out"
        )
    if requests.users and overhead_s_per_token:
        raise UnsupportedError("overhead_s_per_token in a closed loop is not modelled: use overhead_s")


def _finish(run: RawRun, requests: Stream, back: Any, overhead: Any) -> RawRun:
    """Put the results in the order given and add the time before the router."""
    changed: dict[str, Any] = {}
    if back is not None:
        for field in fields(run):
            value = getattr(run, field.name)
            if isinstance(value, np.ndarray) and value.size == back.size and field.name in _BY_REQUEST:
                straight = np.empty_like(value)
                straight[back] = value
                changed[field.name] = straight
        run = replace(run, **changed)
        changed = {}
    if np.any(overhead):
        run.ttft_s[run.completed] += (overhead + 0.0 * run.ttft_s)[run.completed]
    if requests.users:
        run.arrival_s[:] -= overhead
    else:
        changed["arrival_s"] = requests.arrival_s
    return replace(run, prompt_tokens=requests.prompt_tokens, output_tokens=requests.output_tokens, **changed)


_BY_REQUEST = frozenset(
    {
        "status", "arrival_s", "prompt_tokens", "output_tokens", "class_id", "queue_s", "prefill_s",
        "transfer_s",
        "admission_s", "ttft_s", "tpot_s", "itl_worst_s", "end_s", "instance", "decode_instance",
    }
)  # fmt: skip
