"""Run a configuration over a stream of requests: arrays in, `RawRun` out. numba loads on the first run."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pdplan.errors import InputError, UnsupportedError
from pdplan.sim.config import ROUTERS, ColocatedConfig, PdConfig, Recording
from pdplan.sim.raw import DecodeUse, PrefillUse, RawRun, Series
from pdplan.sim.steps import PrefillTable, decode_rows, linear_mixed, mixed_table, prefill_table
from pdplan.sim.stream import Array, Stream

_NONE_I4 = np.zeros(1, dtype=np.int32)
_NONE_F8 = np.zeros(1)


def run_pd(
    config: PdConfig,
    requests: Stream,
    *,
    seed: int = 0,
    recording: Recording | None = None,
    stepwise: bool = False,
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
        result = _run_pd(config, ordered, seed, kept, stepwise, capacity)
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
) -> RawRun:
    """Simulate colocated instances until the last request has ended.

    Parameters, errors and result as in `run_pd`. ``RawRun.decode`` speaks of the instances, ``RawRun.prefill`` of
    their steps with prompt tokens; transfer and admission are 0.

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
        result = _run_colocated(config, ordered, seed, kept, stepwise, capacity)
        if result is not None:
            return _finish(result, requests, back, overhead)
        capacity *= 4


def in_order(requests: Stream, overhead: Any) -> tuple[Stream, Any]:
    """Return the requests in the order in which they reach the router, and the way back (None: unchanged)."""
    from dataclasses import replace

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
            f"a prompt has {longest} tokens and a prefill instance holds {config.prefill.kv_capacity_tokens:g} "
            "tokens of KV: raise the capacity or drop the prompt"
        )
    check_memory(config.decode.memory, requests, "decode")
    patient = math.isinf(config.prefill.patience_s) and requests.patience_s is None
    check_closed(requests, patient, config.overhead_s_per_token)


def check_memory(memory: Any, requests: Stream, pool: str) -> None:
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
    from dataclasses import fields, replace

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
        "status", "arrival_s", "prompt_tokens", "output_tokens", "class_id", "queue_s", "prefill_s", "transfer_s",
        "admission_s", "ttft_s", "tpot_s", "itl_worst_s", "end_s", "instance", "decode_instance",
    }
)  # fmt: skip


def routing_draws(router: str, n: int, seed: int, role: int) -> Any:
    """Random bits for a router, one word for each request; one word in all where it draws nothing."""
    if router not in ("random", "power_of_two"):
        return np.zeros(1, dtype=np.uint64)
    random = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 0x51D, role])))
    return random.integers(0, 1 << 64, size=n, dtype=np.uint64)


def winner_tree(leaves_needed: int, first: float) -> tuple[int, Any, Any]:
    """Return (leaves, times, winner) of a tree whose leaf 0 holds ``first`` and whose others are idle."""
    leaves = 1 << max(1, (leaves_needed - 1).bit_length())
    times = np.full(leaves, math.inf)
    times[0] = first
    winner = np.zeros(2 * leaves, dtype=np.int64)
    winner[leaves:] = np.arange(leaves)
    for k in range(leaves - 1, 0, -1):
        left, right = winner[2 * k], winner[2 * k + 1]
        winner[k] = left if times[left] <= times[right] else right
    return leaves, times, winner


def prefill_times(table: PrefillTable) -> Any:
    """Hand a prefill table to the kernels."""
    from pdplan.sim.kernel_core import PrefillTimes

    a, b, c = table.coefficients or (0.0, 0.0, 0.0)
    return PrefillTimes(table.coefficients is None, a, b, c, table.node_n, table.node_u, table.grid)


def _run_pd(
    config: PdConfig, requests: Stream, seed: int, kept: Recording, stepwise: bool, capacity: int
) -> RawRun | None:
    """Lay out the state, run the kernel, and wrap what it leaves; None: the series was too short."""
    from pdplan.sim import kernel_core as core
    from pdplan.sim import kernel_pd as kernel

    pre, dec, link = config.prefill, config.decode, config.link
    n, P, D = len(requests), pre.instances, dec.instances
    prompt, output = requests.prompt_tokens, requests.output_tokens
    longest = float((prompt.astype(np.int64) + output).max())
    budget = 1 if pre.discipline == "one_at_a_time" else pre.batch_tokens
    table = prefill_table(
        pre.latency, float(max(budget, int(prompt.max()))), float(prompt.max()), pre.step_factor
    )
    rows = decode_rows(dec.latency, dec.max_batch, longest, dec.step_factor)
    grow = dec.memory.reservation == "prompt"
    finite = math.isfinite(dec.memory.blocks)
    again = prefill_table(dec.latency, min(dec.max_batch * longest, 1e7), longest, dec.step_factor) if (
        grow and finite
    ) else _NO_PREFILL  # fmt: skip

    arrival = requests.arrival_s
    users = min(requests.users, n)
    shared, recorded = link.sharing == "shared", kept.interval_s is not None
    if users:
        arrival = np.full(n, config.overhead_s)
    stages = pre.pipeline_stages
    leaves, times, winner = winner_tree(1 + 2 * P + D + (P if stages > 1 else 0), float(arrival[0]))
    nominal = min(link.bytes_per_s, link.ingress_bytes_per_s)
    impatient = requests.patience_s is not None or math.isfinite(pre.patience_s)
    patience = requests.patience_s if requests.patience_s is not None else np.array([pre.patience_s])
    numbers: dict[str, Any] = dict(
        n=n,
        prefills=P,
        decodes=D,
        leaves=leaves,
        stepwise=stepwise,
        from_prefill=config.first_token_from == "prefill",
        users=users,
        think_s=float(requests.think_s + config.overhead_s),
        router_p=ROUTERS_CODE[pre.router],
        chunked=pre.discipline == "chunked",
        budget=budget,
        stages=stages,
        capacity_p=float(pre.kv_capacity_tokens),
        queue_limit=-1 if pre.queue_limit is None else pre.queue_limit,
        impatient=impatient,
        has_cached=requests.cached_tokens is not None,
        link_s=float(link.startup_s),
        link_token_s=float(link.seconds_per_token),
        shared=shared,
        speed_e=1.0 if math.isinf(nominal) else link.bytes_per_s / nominal,
        speed_i=1.0 if math.isinf(nominal) else link.ingress_bytes_per_s / nominal,
        ingress=math.isfinite(link.ingress_bytes_per_s),
        push=link.mode == "push",
        overlap=float(link.overlap),
        layers=link.layers,
        router_d=ROUTERS_CODE[dec.router],
        max_batch=dec.max_batch,
        cells=rows.cells,
        whole=dec.tokens_per_step == 1,
        per_step=float(dec.tokens_per_step),
        block=dec.memory.block_tokens,
        capacity_d=float(dec.memory.blocks),
        admit_d=float(dec.memory.blocks * (1.0 - dec.memory.watermark)) if finite else math.inf,
        grow=grow,
        from_s=float(kept.from_s),
        recorded=recorded,
        width_s=float(kept.interval_s or 1.0),
    )
    status = np.zeros(n, dtype=np.int8)
    queue, prefill, transfer, admission, ttft, tpot, itl, end = (np.zeros(n) for _ in range(8))
    nxt, rem, seq = np.full(n, -1, dtype=np.int32), _NONE_I4.copy(), _NONE_I4.copy()
    if grow:
        rem, seq = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
    pin, din = np.zeros(n, dtype=np.int16), np.zeros(n, dtype=np.int16)
    pint = _state(kernel.PREFILL_INTS, P, kernel.PREFILL_HEADS)
    pint[kernel.FREE] = 1
    dint = _state(kernel.DECODE_INTS, D, kernel.DECODE_HEADS)
    psum, dsum = np.zeros((P, kernel.PREFILL_SUMS)), np.zeros((D, kernel.DECODE_SUMS))
    flows = n if shared else 1
    batch_s = np.zeros(dec.max_batch + 1)
    histogram = np.zeros(core.ITL_BINS, dtype=np.int64)
    series = np.zeros((capacity if recorded else 2, kernel.SERIES * (P + D)))
    cached = requests.cached_tokens if requests.cached_tokens is not None else _NONE_I4
    until = kernel.run_pd(
        record(kernel.PARAMETERS, numbers), prefill_times(table), prefill_times(again), rows.node, rows.level, rows.slope,
        arrival, prompt, output, cached, patience,
        routing_draws(pre.router, n, seed, 0), routing_draws(dec.router, n, seed, 1),
        status, queue, prefill, transfer, admission, ttft, tpot, itl, end, nxt, pin, din, rem, seq,
        times, winner, pint, np.zeros((kernel.PREFILL_FLOATS, P)), np.zeros(P * stages),
        np.zeros((P * stages, 2)), np.zeros(P * stages, dtype=np.int64), psum,
        dint, np.zeros((kernel.DECODE_FLOATS, D)), np.zeros(D * dec.max_batch, dtype=np.int64),
        np.zeros(D * dec.memory.block_tokens, dtype=np.int64),
        np.zeros(D * core.STACK, dtype=np.int64), np.zeros(D * core.STACK), dsum,
        np.zeros(3), np.zeros(flows, dtype=np.int32), np.zeros(flows), np.zeros(flows),
        batch_s, histogram, series,
    )  # fmt: skip
    if until == kernel.SERIES_FULL:
        return None
    if until < 0:
        raise RuntimeError("the memory of slowest steps overflowed")
    block = dec.memory.block_tokens
    dsum[:, 6:8] *= block
    edges, counts = gaps(histogram)
    return RawRun(
        status, arrival, prompt, output, class_ids(requests), queue, prefill, transfer, admission, ttft, tpot,
        itl, end, pin, din, PrefillUse(*psum.T.copy()), DecodeUse(*dsum.T.copy()), batch_s, edges, counts,
        _series(series, kept, until, P, block) if recorded else None, kept.from_s, float(until),
    )  # fmt: skip


def _run_colocated(
    config: ColocatedConfig, requests: Stream, seed: int, kept: Recording, stepwise: bool, capacity: int
) -> RawRun | None:
    """Lay out the state, run the kernel, and wrap what it leaves; None: the series was too short."""
    from pdplan.sim import kernel_colocated as kernel
    from pdplan.sim import kernel_core as core

    n, D = len(requests), config.instances
    memory = config.memory
    prompt, output = requests.prompt_tokens, requests.output_tokens
    longest = float((prompt.astype(np.int64) + output).max())
    chunked, recorded = config.discipline == "chunked", kept.interval_s is not None
    grow, finite = memory.reservation == "prompt", math.isfinite(memory.blocks)
    rows = decode_rows(config.latency, config.max_batch, longest, config.step_factor)
    table, mixed = _NO_PREFILL, _NO_MIXED
    if chunked:
        mixed = mixed_table(
            config.latency, config.max_batch, config.batch_tokens, longest, config.step_factor
        )
    else:
        most = float(max(config.batch_tokens, int(longest)))
        table = prefill_table(config.latency, most, longest, config.step_factor)
    arrival = requests.arrival_s
    users = min(requests.users, n)
    if users:
        arrival = np.full(n, config.overhead_s)
    leaves, times, winner = winner_tree(1 + D, float(arrival[0]))
    numbers: dict[str, Any] = dict(
        n=n,
        instances=D,
        leaves=leaves,
        stepwise=stepwise,
        users=users,
        think_s=float(requests.think_s + config.overhead_s),
        router=ROUTERS_CODE[config.router],
        chunked=chunked,
        budget=config.batch_tokens,
        queue_limit=-1 if config.queue_limit is None else config.queue_limit,
        impatient=requests.patience_s is not None or math.isfinite(config.patience_s),
        has_cached=requests.cached_tokens is not None,
        max_batch=config.max_batch,
        cells=rows.cells,
        whole=config.tokens_per_step == 1,
        per_step=float(config.tokens_per_step),
        block=memory.block_tokens,
        capacity=float(memory.blocks),
        admit=float(memory.blocks * (1.0 - memory.watermark)) if finite else math.inf,
        grow=grow,
        from_s=float(kept.from_s),
        recorded=recorded,
        width_s=float(kept.interval_s or 1.0),
    )
    status = np.zeros(n, dtype=np.int8)
    queue, prefill, ttft, tpot, itl, end = (np.zeros(n) for _ in range(6))
    nxt, rem, seq = np.full(n, -1, dtype=np.int32), _NONE_I4.copy(), _NONE_I4.copy()
    if grow:
        rem, seq = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
    din = np.zeros(n, dtype=np.int16)
    dsum = np.zeros((D, kernel.SUMS))
    batch_s, histogram = np.zeros(config.max_batch + 1), np.zeros(core.ITL_BINS, dtype=np.int64)
    series = np.zeros((capacity if recorded else 2, kernel.SERIES * D))
    patience = requests.patience_s if requests.patience_s is not None else np.array([config.patience_s])
    cached = requests.cached_tokens if requests.cached_tokens is not None else _NONE_I4
    until = kernel.run_colocated(
        record(kernel.PARAMETERS, numbers), prefill_times(table),
        kernel.MixedTimes(*(getattr(mixed, name) for name in kernel.MixedTimes._fields)),
        rows.node, rows.level, rows.slope,
        arrival, prompt, output, cached, patience, routing_draws(config.router, n, seed, 0),
        status, queue, prefill, ttft, tpot, itl, end, nxt, din, rem, seq, times, winner,
        _state(kernel.INTS, D, kernel.HEADS), np.zeros((kernel.FLOATS, D)),
        np.zeros(D * config.max_batch, dtype=np.int64), np.zeros(D * memory.block_tokens, dtype=np.int64),
        np.zeros(D * core.STACK, dtype=np.int64), np.zeros(D * core.STACK), dsum, batch_s, histogram, series,
    )  # fmt: skip
    if until == kernel.SERIES_FULL:
        return None
    if until < 0:
        raise RuntimeError("the memory of slowest steps overflowed")
    dsum[:, 6:8] *= memory.block_tokens
    use = dsum.T.copy()
    none = np.zeros(D)
    edges, counts = gaps(histogram)
    parts = None
    if recorded:
        rows_kept = int(until / numbers_width(kept)) + 1
        means = series[:rows_kept].reshape(rows_kept, D, kernel.SERIES) / numbers_width(kept)
        means[:, :, 3] *= memory.block_tokens
        parts = Series(numbers_width(kept), np.zeros((rows_kept, 0, 4)), means)
    return RawRun(
        status, arrival, prompt, output, class_ids(requests), queue, prefill, np.zeros(n), np.zeros(n), ttft, tpot,
        itl, end, din, din, PrefillUse(use[11], use[12], use[13], none, none, none, use[14], use[15]),
        DecodeUse(*use[:11]), batch_s, edges, counts, parts, kept.from_s, float(until),
    )  # fmt: skip


def numbers_width(kept: Recording) -> float:
    """Width of the bins of the time series [s]."""
    return float(kept.interval_s or 1.0)


_NO_PREFILL = PrefillTable((0.0, 0.0, 0.0), np.zeros(2), np.zeros(2), np.zeros((2, 2)))
_NO_MIXED = linear_mixed(np.zeros(1), np.zeros(1), 0.0, 0.0)
ROUTERS_CODE = {name: code for code, name in enumerate(ROUTERS)}


def record(dtype: Any, numbers: dict[str, Any]) -> Any:
    """Pack the numbers of a run into a kernel's record."""
    packed = np.zeros(1, dtype=dtype)
    for name in dtype.names:
        packed[name] = numbers.pop(name)
    if numbers:
        raise RuntimeError(f"the kernel does not know {sorted(numbers)}")
    return packed


def _state(rows: int, columns: int, heads: tuple[int, ...]) -> Any:
    state = np.zeros((rows, columns), dtype=np.int64)
    state[list(heads)] = -1
    return state


def class_ids(requests: Stream) -> Any:
    """Classes of the requests; 0 where none were given."""
    return np.zeros(len(requests), dtype=np.int16) if requests.class_id is None else requests.class_id


def gaps(histogram: Any) -> tuple[Array, Any]:
    """Cut the unused ends off the histogram of gaps: (edges [s], counts), one edge more than counts."""
    from pdplan.sim import kernel_core as core

    used = np.flatnonzero(histogram)
    low, high = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    bits = (np.arange(low, high + 1, dtype=np.int64) + core.ITL_FIRST) << core.ITL_SHIFT
    return bits.view(np.float64), histogram[low:high].copy()


def _series(series: Any, kept: Recording, until: float, prefills: int, block: int) -> Series:
    width = float(kept.interval_s or 1.0)
    rows = int(until / width) + 1
    means = series[:rows] / width
    shaped = means.reshape(rows, -1, 4)
    prefill, decode = shaped[:, :prefills].copy(), shaped[:, prefills:].copy()
    decode[:, :, 3] *= block
    return Series(width, prefill, decode)
