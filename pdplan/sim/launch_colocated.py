"""Lay a colocated run out for its kernel, run it, and wrap what it leaves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pdplan.sim.config import ColocatedConfig, Recording
from pdplan.sim.layout import (
    NO_PREFILL,
    NONE_TOKENS,
    ROUTER_CODES,
    block_shift,
    class_ids,
    gaps,
    interval_means,
    overflow,
    prefill_times,
    record,
    routing_draws,
    state,
    winner_tree,
)
from pdplan.sim.raw import DecodeUse, PrefillUse, RawRun, Series
from pdplan.sim.steps import decode_rows, linear_mixed, mixed_table, prefill_table
from pdplan.sim.stream import Stream
from pdplan.sim.watch import OnProgress, watched


def launch_colocated(
    config: ColocatedConfig,
    requests: Stream,
    seed: int,
    kept: Recording,
    stepwise: bool,
    capacity: int,
    on_progress: OnProgress | None = None,
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
    table, mixed = NO_PREFILL, linear_mixed(np.zeros(1), np.zeros(1), 0.0, 0.0)
    if chunked:
        mixed = mixed_table(
            config.latency, config.max_batch, config.batch_tokens, longest, config.step_factor
        )
    else:
        most = float(max(config.batch_tokens, int(longest)))
        table = prefill_table(config.latency, most, longest, 1.0)
    arrival = requests.arrival_s
    users = min(requests.users, n)
    if users:
        arrival = np.full(n, config.overhead_s)
    leaves, times, winner = winner_tree(1 + D, float(arrival[0]))
    numbers: dict[str, Any] = {
        "n": n,
        "instances": D,
        "leaves": leaves,
        "stepwise": stepwise,
        "users": users,
        "think_s": float(requests.think_s + config.overhead_s),
        "router": ROUTER_CODES[config.router],
        "chunked": chunked,
        "budget": config.batch_tokens,
        "queue_limit": -1 if config.queue_limit is None else config.queue_limit,
        "impatient": requests.patience_s is not None or math.isfinite(config.patience_s),
        "has_cached": requests.cached_tokens is not None,
        "max_batch": config.max_batch,
        "cells": rows.cells,
        "whole": config.tokens_per_step == 1,
        "per_step": float(config.tokens_per_step),
        "block": memory.block_tokens,
        "shift": block_shift(memory.block_tokens),
        "capacity": float(memory.blocks),
        "admit": float(memory.blocks * (1.0 - memory.watermark)) if finite else math.inf,
        "grow": grow,
        "from_s": float(kept.from_s),
        "recorded": recorded,
        "width_s": float(kept.interval_s or 1.0),
    }
    status = np.zeros(n, dtype=np.int8)
    queue, prefill, ttft, tpot, itl, end = (np.zeros(n) for _ in range(6))
    nxt, rem, seq = np.full(n, -1, dtype=np.int32), NONE_TOKENS.copy(), NONE_TOKENS.copy()
    if grow:
        rem, seq = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
    din = np.zeros(n, dtype=np.int16)
    dsum = np.zeros((D, kernel.SUMS))
    batch_s, histogram = np.zeros(config.max_batch + 1), np.zeros(core.ITL_BINS, dtype=np.int64)
    series = np.zeros((capacity if recorded else 2, kernel.SERIES * D))
    patience = requests.patience_s if requests.patience_s is not None else np.array([config.patience_s])
    cached = requests.cached_tokens if requests.cached_tokens is not None else NONE_TOKENS
    until = watched(
        kernel.run_colocated,
        record(kernel.PARAMETERS, numbers), prefill_times(table),
        kernel.MixedTimes(*(getattr(mixed, name) for name in kernel.MixedTimes._fields)),
        rows.node, rows.level, rows.slope,
        arrival, prompt, output, cached, patience, routing_draws(config.router, n, seed, 0),
        status, queue, prefill, ttft, tpot, itl, end, nxt, din, rem, seq, times, winner,
        state(kernel.INTS, D, kernel.HEADS), np.zeros((kernel.FLOATS, D)),
        np.zeros(D * config.max_batch, dtype=np.int64), np.zeros(D * memory.block_tokens, dtype=np.int64),
        np.zeros(D * core.STACK, dtype=np.int64), np.zeros(D * core.STACK), dsum, batch_s, histogram, series,
        on_progress=on_progress,
    )  # fmt: skip
    if until == kernel.SERIES_FULL:
        return None
    if until < 0:
        raise overflow()
    dsum[:, 6:8] *= memory.block_tokens
    use = dsum.T.copy()
    none = np.zeros(D)
    edges, counts = gaps(histogram)
    parts = None
    if recorded:
        width, means = interval_means(series, kept, until, D)
        means[:, :, 3] *= memory.block_tokens
        parts = Series(width, np.zeros((means.shape[0], 0, 4)), means)
    return RawRun(
        status, arrival, prompt, output, class_ids(requests), queue, prefill, np.zeros(n), np.zeros(n), ttft,
        tpot,
        itl, end, din, din, PrefillUse(use[11], use[12], use[13], none, none, none, use[14], use[15]),
        DecodeUse(*use[:11]), batch_s, edges, counts, parts, kept.from_s, float(until),
    )  # fmt: skip
