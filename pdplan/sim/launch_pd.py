"""Lay a disaggregated run out for its kernel, run it, and wrap what it leaves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pdplan.sim.config import PdConfig, Recording
from pdplan.sim.layout import (
    NO_PREFILL,
    NONE_TOKENS,
    ROUTER_CODES,
    block_shift,
    class_ids,
    gaps,
    interval_means,
    of_instances,
    overflow,
    prefill_times,
    rank_times,
    record,
    routing_draws,
    state,
    winner_tree,
)
from pdplan.sim.rank_steps import NO_RANKS, rank_table
from pdplan.sim.raw import DecodeUse, PrefillUse, RawRun, Series
from pdplan.sim.steps import decode_rows, prefill_table
from pdplan.sim.stream import Stream
from pdplan.sim.watch import OnProgress, watched


def launch_pd(
    config: PdConfig,
    requests: Stream,
    seed: int,
    kept: Recording,
    stepwise: bool,
    capacity: int,
    on_progress: OnProgress | None = None,
) -> RawRun | None:
    """Lay out the state, run the kernel, and wrap what it leaves; None: the series was too short."""
    from pdplan.sim import kernel_core as core
    from pdplan.sim import kernel_pd as kernel

    pre, dec = config.prefill, config.decode
    link = config.link.of_ranks(pre.ranks, dec.ranks)
    n, P, D = len(requests), pre.instances * pre.ranks, dec.instances  # ranks are lanes of their own
    prompt, output = requests.prompt_tokens, requests.output_tokens
    longest = float((prompt.astype(np.int64) + output).max())
    budget = 1 if pre.discipline == "one_at_a_time" else pre.batch_tokens // pre.ranks
    table = prefill_table(
        pre.latency, float(max(budget, int(prompt.max()))), float(prompt.max()), pre.step_factor
    )
    by_rank = NO_RANKS if pre.ranks == 1 else rank_table(
        pre.latency, pre.ranks, float(budget), float(prompt.max()), pre.step_factor
    )  # fmt: skip
    rows = decode_rows(dec.latency, dec.max_batch, longest, dec.step_factor)
    grow = dec.memory.reservation == "prompt"
    finite = math.isfinite(dec.memory.blocks)
    again = prefill_table(dec.latency, min(dec.max_batch * longest, 1e7), longest, dec.step_factor) if (
        grow and finite
    ) else NO_PREFILL  # fmt: skip

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
    numbers: dict[str, Any] = {
        "n": n,
        "prefills": P,
        "decodes": D,
        "leaves": leaves,
        "stepwise": stepwise,
        "from_prefill": config.first_token_from == "prefill",
        "users": users,
        "think_s": float(requests.think_s + config.overhead_s),
        "router_p": ROUTER_CODES[pre.router],
        "chunked": pre.discipline == "chunked",
        "budget": budget,
        "stages": stages,
        "ranks": pre.ranks,
        "capacity_p": float(pre.kv_capacity_tokens) / pre.ranks,
        "queue_limit": -1 if pre.queue_limit is None else pre.queue_limit,
        "impatient": impatient,
        "has_cached": requests.cached_tokens is not None,
        "link_s": float(link.startup_s),
        "link_token_s": float(link.seconds_per_token),
        "shared": shared,
        "speed_e": 1.0 if math.isinf(nominal) else link.bytes_per_s / nominal,
        "speed_i": 1.0 if math.isinf(nominal) else dec.ranks * link.ingress_bytes_per_s / nominal,
        "ingress": math.isfinite(link.ingress_bytes_per_s),
        "doors": dec.ranks,
        "push": link.mode == "push",
        "overlap": float(link.overlap),
        "layers": link.layers,
        "router_d": ROUTER_CODES[dec.router],
        "max_batch": dec.max_batch,
        "cells": rows.cells,
        "whole": dec.tokens_per_step == 1,
        "per_step": float(dec.tokens_per_step),
        "block": dec.memory.block_tokens,
        "shift": block_shift(dec.memory.block_tokens),
        "capacity_d": float(dec.memory.blocks),
        "admit_d": float(dec.memory.blocks * (1.0 - dec.memory.watermark)) if finite else math.inf,
        "grow": grow,
        "from_s": float(kept.from_s),
        "recorded": recorded,
        "width_s": float(kept.interval_s or 1.0),
    }
    status = np.zeros(n, dtype=np.int8)
    queue, prefill, transfer, admission, ttft, tpot, itl, end = (np.zeros(n) for _ in range(8))
    nxt, rem, seq = np.full(n, -1, dtype=np.int32), NONE_TOKENS.copy(), NONE_TOKENS.copy()
    if grow:
        rem, seq = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
    pin: Any = np.zeros(n, dtype=np.int16 if P < 1 << 15 else np.int32)
    din = np.zeros(n, dtype=np.int16)
    pint = state(kernel.PREFILL_INTS, P, kernel.PREFILL_HEADS)
    pint[kernel.FREE] = 1
    dint = state(kernel.DECODE_INTS, D, kernel.DECODE_HEADS)
    psum, dsum = np.zeros((P, kernel.PREFILL_SUMS)), np.zeros((D, kernel.DECODE_SUMS))
    flows = n if shared else 1
    batch_s = np.zeros(dec.max_batch + 1)
    histogram = np.zeros(core.ITL_BINS, dtype=np.int64)
    series = np.zeros((capacity if recorded else 2, kernel.SERIES * (P + D)))
    cached = requests.cached_tokens if requests.cached_tokens is not None else NONE_TOKENS
    until = watched(
        kernel.run_pd,
        record(kernel.PARAMETERS, numbers), prefill_times(table), rank_times(by_rank),
        prefill_times(again), rows.node, rows.level, rows.slope,
        arrival, prompt, output, cached, patience,
        routing_draws(pre.router, n, seed, 0), routing_draws(dec.router, n, seed, 1),
        status, queue, prefill, transfer, admission, ttft, tpot, itl, end, nxt, pin, din, rem, seq,
        times, winner, pint, np.zeros((kernel.PREFILL_FLOATS, P)), np.zeros(P * stages),
        np.zeros((P * stages, 2)), np.zeros(P * stages, dtype=np.int64),
        np.zeros(P), np.zeros(P), psum,
        dint, np.zeros((kernel.DECODE_FLOATS, D)), np.zeros(D * dec.max_batch, dtype=np.int64),
        np.zeros(D * dec.memory.block_tokens, dtype=np.int64),
        np.zeros(D * core.STACK, dtype=np.int64), np.zeros(D * core.STACK), dsum,
        np.zeros(3), np.zeros(flows, dtype=np.int32), np.zeros(flows), np.zeros(flows),
        batch_s, histogram, series,
        on_progress=on_progress,
    )  # fmt: skip
    if until == kernel.SERIES_FULL:
        return None
    if until < 0:
        raise overflow()
    block = dec.memory.block_tokens
    dsum[:, 6:8] *= block
    edges, counts = gaps(histogram)
    parts = None
    if recorded:
        width, means = interval_means(series, kept, until, P + D)
        means[:, P:, 3] *= block
        lanes = means[:, :P].reshape(means.shape[0], pre.instances, pre.ranks, -1)
        parts = Series(width, lanes.sum(axis=2), means[:, P:].copy())
    psum = of_instances(psum, pre.ranks)
    pin = (pin // pre.ranks).astype(np.int16)
    return RawRun(
        status, arrival, prompt, output, class_ids(requests), queue, prefill, transfer, admission, ttft, tpot,
        itl, end, pin, din, PrefillUse(*psum.T.copy()), DecodeUse(*dsum.T.copy()), batch_s, edges, counts,
        parts, kept.from_s, float(until),
    )  # fmt: skip
