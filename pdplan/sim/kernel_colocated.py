"""The compiled event loop of instances that prefill and decode, one global order of events.

Leaves of the event tree: 0 arrival | 1..D end of a run. A run is a number of equal steps: decodes alone until
the next of them ends or a prompt comes; or the head prompt filling the whole budget several times. The step
in which a prompt ends is a run of its own. Nothing interrupts a run that carries a chunk, so its effect on
the queue is booked when it is planned. ``end`` holds the last token of a sequence until its next is known.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pdplan.sim.kernel_core import (
    INF,
    MASK,
    SOURCE_KEY,
    STACK,
    block_growth,
    blocks_for,
    cell_of,
    count_gaps,
    heap_pop,
    heap_push,
    heap_remove,
    itl_bin,
    jit,
    jit_kernel,
    prefill_time,
    quotient,
    record_span,
    remainder,
    route,
    slowest_since,
    spread,
    steps_that_fit,
    steps_until,
    tree_set,
)

REJECTED, TIMED_OUT = 1, 2
#: What the kernel returns instead of a moment.
STACK_FULL, SERIES_FULL, STOPPED = -1.0, -2.0, -3.0
#: Columns of the sums: the eleven of a decode instance (`pdplan.sim.raw.DecodeUse`), then of steps with
#: prompt tokens: time [s], steps, tokens; then rejected, timed out.
SUMS = 16
#: Columns of the time series: busy, batch, tokens, KV held [blocks], prompt tokens.
SERIES = 5

QH, QT, WAITING, ADMITTED, REST, ENDING, CHUNK, PURE = 0, 1, 2, 3, 4, 5, 6, 7
SLOTS, TOKENS, BATCH, STEP, PLAN, STACKED, FRESH, FRESH_COUNT = 8, 9, 10, 11, 12, 13, 14, 15
INTS = 16
USED, CONTEXT, BEGIN, BASE, RISE, STALL, PROMPTS = 0, 1, 2, 3, 4, 5, 6
FLOATS = 7
HEADS = (QH, QT, FRESH)

#: Numbers of a run; `pdplan.sim.config` says what they mean.
PARAMETERS = np.dtype(
    [(name, np.int64) for name in (
        "n", "instances", "leaves", "stepwise", "users", "router", "chunked", "budget", "queue_limit",
        "impatient",
        "has_cached", "max_batch", "cells", "whole", "block", "shift", "grow", "recorded",
    )]
    + [(name, np.float64) for name in ("think_s", "per_step", "capacity", "admit", "from_s", "width_s")]
)  # fmt: skip


class MixedTimes(NamedTuple):
    """Times of steps with a chunk: the fields of `pdplan.sim.steps.MixedTable`."""

    linear: bool
    level: Any
    slope: Any
    b: float
    c: float
    node_q: Any
    both: Any
    floor: Any
    node_m: Any
    contexts: Any
    attention_q: Any
    attention_u: Any
    attention: Any


@jit
def share_in(nodes: Any, i: Any, value: Any) -> Any:
    """Place of a value within segment ``i`` of ascending nodes."""
    return (value - nodes[i]) / (nodes[i + 1] - nodes[i])


@jit
def mixed_time(table: Any, batch: Any, context: Any, chunk: Any, squares: Any) -> Any:
    """Time of a step of ``batch`` decodes and ``chunk`` prompt tokens [s]."""
    if table.linear:
        return table.level[batch] + table.slope[batch] * context + table.b * chunk + table.c * squares
    i = cell_of(table.node_q, chunk)
    x = share_in(table.node_q, i, chunk)
    total = table.both[batch, i] + x * (table.both[batch, i + 1] - table.both[batch, i])
    floor = table.floor[batch, i] + x * (table.floor[batch, i + 1] - table.floor[batch, i])
    mean = context / max(batch, 1)
    i = cell_of(table.node_m, mean)
    x = share_in(table.node_m, i, mean)
    total += table.contexts[batch, i] + x * (table.contexts[batch, i + 1] - table.contexts[batch, i])
    i = cell_of(table.attention_q, chunk)
    j = cell_of(table.attention_u, squares / chunk)
    x = share_in(table.attention_q, i, chunk)
    y = share_in(table.attention_u, j, squares / chunk)
    part = table.attention
    low = part[i, j] + y * (part[i, j + 1] - part[i, j])
    high = part[i + 1, j] + y * (part[i + 1, j + 1] - part[i + 1, j])
    return max(floor, total + low + x * (high - low))


@jit
def later_steps(tokens: Any, whole: Any, per_step: Any) -> Any:
    """Decode steps after the first token of ``tokens``."""
    if whole:
        return int(tokens) - 1
    return np.int64(math.ceil((tokens - 1) / per_step - 1e-9))


@jit
def release(
    arr: Any, n: Any, ia: Any, released: Any, moment: Any, leaves: Any, times: Any, winner: Any
) -> Any:
    """Closed loop: the user whose request ended sends the next one at ``moment``."""
    if released < n:
        arr[released] = moment
        if ia == released:
            tree_set(times, winner, leaves, np.int64(0), moment)
        released += 1
    return released


@jit
def to_prefill(i: Any, par: Any, plen: Any, out: Any, cached: Any, rem: Any) -> Any:
    """Return (context, tokens to compute) of a queued request: its prompt, or all it had when evicted."""
    if par.grow and rem[i] >= 0:
        made = (later_steps(out[i], par.whole, par.per_step) - rem[i]) * par.per_step
        whole = np.int64(math.ceil(plen[i] + 1 + made - 1e-9))
        return whole, whole
    return int(plen[i]), int(plen[i] - (cached[i] if par.has_cached else 0))


@jit
def to_hold(i: Any, context: Any, par: Any, plen: Any, out: Any) -> Any:
    """Return the blocks that a request is given at admission."""
    if par.grow:
        return blocks_for(float(context) + 1.0, par.block, par.shift, par.whole, par.per_step)
    return float(quotient(plen[i] + out[i] + par.block - 1, par.block, par.shift))


@jit
def leave(
    d: Any, t: Any, par: Any, arr: Any, plen: Any, cached: Any, patience: Any, rem: Any, status: Any,
    queue: Any,
    end: Any, nxt: Any, dint: Any, dfloat: Any, dsum: Any,
) -> Any:  # fmt: skip
    """Requests that have waited longer than their patience leave the head of the queue; returns how many."""
    if dint[ADMITTED, d] != 0 or dint[ENDING, d] != 0:
        return 0
    gone = 0
    i = dint[QH, d]
    while i >= 0 and (not par.grow or rem[i] < 0) and arr[i] + patience[min(i, patience.size - 1)] < t:
        status[i] = TIMED_OUT
        queue[i] = patience[min(i, patience.size - 1)]
        end[i] = arr[i] + queue[i]
        dint[TOKENS, d] -= plen[i] - (cached[i] if par.has_cached else 0)
        dfloat[PROMPTS, d] -= plen[i]
        dint[WAITING, d] -= 1
        dsum[d, 15] += 1
        gone += 1
        i = nxt[i]
    dint[QH, d] = i
    return gone


@jit
def evict(
    d: Any, t: Any, s: Any, b: Any, par: Any, plen: Any, out: Any, rem: Any, seq: Any, heap: Any,
    residues: Any,
    stack_step: Any, stack_s: Any, itl: Any, end: Any, nxt: Any, dint: Any, dfloat: Any, dsum: Any,
) -> Any:  # fmt: skip
    """Put the sequence admitted last back at the head of the queue; returns its context."""
    o = d * par.max_batch
    at: Any = np.int64(0)
    for x in range(1, b):
        if seq[heap[o + x] & MASK] > seq[heap[o + at] & MASK]:
            at = x
    key = heap[o + at]
    i = key & MASK
    heap_remove(heap, o, b, at)
    left = (key >> 32) - s
    stay = rem[i] - left
    context = plen[i] + 1 + (later_steps(out[i], par.whole, par.per_step) - left) * par.per_step
    if stay > 1:
        slowest = slowest_since(stack_step, stack_s, d * STACK, dint[STACKED, d], s - stay + 2)
        itl[i] = max(itl[i], slowest)
    rem[i] = left
    end[i] = t
    if par.whole:
        residues[d * par.block + remainder(np.int64(context) + 1 - s, par.block, par.shift)] -= 1
    held = blocks_for(context, par.block, par.shift, par.whole, par.per_step)
    dfloat[USED, d] -= held
    dsum[d, 6] += held * max(t, par.from_s)
    dint[SLOTS, d] -= 1
    dint[TOKENS, d] += np.int64(math.ceil(context - 1e-9))
    if dint[QH, d] < 0:
        dint[QT, d] = i
    nxt[i] = dint[QH, d]
    dint[QH, d] = i
    dsum[d, 9] += 1
    return context


@jit
def fitting_steps(par: Any, d: Any, b: Any, s: Any, k: Any, used: Any, residues: Any) -> Any:
    """Steps of a run, at most ``k``, after which the KV of the batch no longer fits."""
    free = par.capacity - used
    if free >= (quotient(k, par.block, par.shift) + 1) * b * par.per_step:
        return k
    if par.whole:
        return min(k, steps_that_fit(residues, d * par.block, par.block, par.shift, s, free, b))
    return min(k, int(free * par.block / (b * par.per_step)) + 1)


@jit
def push_slowest(
    d: Any, b: Any, step: Any, slowest: Any, oldest: Any, dint: Any, stack_step: Any, stack_s: Any
) -> Any:
    """Put (last step, slowest step) of a run on the decreasing stack; False if it is full."""
    so = d * STACK
    m = dint[STACKED, d]
    while m > 0 and stack_s[so + m - 1] <= slowest:
        m -= 1
    if m == STACK:
        m = 0
        for x in range(STACK):
            if stack_step[so + x] >= oldest:
                stack_step[so + m] = stack_step[so + x]
                stack_s[so + m] = stack_s[so + x]
                m += 1
        if m == STACK:
            return False
    stack_step[so + m] = step
    stack_s[so + m] = slowest
    dint[STACKED, d] = m + 1
    return True


@jit
def oldest_step(d: Any, b: Any, s: Any, par: Any, out: Any, rem: Any, heap: Any) -> Any:
    """First step whose slowness someone in the batch may still ask for."""
    oldest = s
    for x in range(d * par.max_batch, d * par.max_batch + b):
        i = heap[x] & MASK
        stay = rem[i] if par.grow else later_steps(out[i], par.whole, par.per_step)
        oldest = min(oldest, (heap[x] >> 32) - stay + 2)
    return oldest


def _build(source_key: int) -> Any:
    """Make the kernel; the digest of its helpers' file is a constant of it, and so part of its cache key."""

    @jit_kernel
    def run_colocated(
        parameters: Any, table: Any, mixed: Any, dnode: Any, dlevel: Any, dslope: Any,
        arr: Any, plen: Any, out: Any, cached: Any, patience: Any, draws: Any,
        status: Any, queue: Any, prefill: Any, ttft: Any, tpot: Any, itl: Any, end: Any,
        nxt: Any, din: Any, rem: Any, seq: Any,
        times: Any, winner: Any, dint: Any, dfloat: Any, heap: Any, residues: Any, stack_step: Any,
        stack_s: Any,
        dsum: Any, batch_s: Any, histogram: Any, series: Any, watch: Any,
    ) -> Any:  # fmt: skip
        """Run to the end of the last request; returns that moment, or a negative code."""
        if source_key == 0:
            return STACK_FULL
        par = parameters[0]
        n, D, leaves = par.n, par.instances, par.leaves
        grow, whole, per_step, block, bmax = par.grow, par.whole, par.per_step, par.block, par.max_batch
        from_s, chunked, shift = par.from_s, par.chunked, par.shift
        qh, qt, slots, tokens = dint[QH], dint[QT], dint[SLOTS], dint[TOKENS]
        batch, plan, used, prompts = dint[BATCH], dint[PLAN], dfloat[USED], dfloat[PROMPTS]
        begin, base, rise = dfloat[BEGIN], dfloat[BASE], dfloat[RISE]
        released = par.users if par.users > 0 else n
        done = np.int64(0)
        ia = np.int64(0)
        turn = np.int64(0)
        order = np.int64(0)
        i: Any = np.int64(0)
        t = 0.0
        while done < n:
            e = winner[1]
            t = times[e]
            if e == 0:  # ---- arrival
                i = ia
                ia += 1
                if ia & 1023 == 0:
                    watch[0] = done
                    if watch[1] != 0:
                        return STOPPED
                tree_set(times, winner, leaves, np.int64(0), arr[ia] if ia < released else INF)
                if par.impatient:
                    for d in range(D):
                        done += leave(
                            d, t, par, arr, plen, cached, patience, rem, status, queue, end, nxt, dint,
                            dfloat,
                            dsum,
                        )  # fmt: skip
                d = route(par.router, tokens, prompts, D, turn, draws[min(i, draws.size - 1)])
                turn += 1
                idle = plan[d] == 0
                if par.queue_limit >= 0 and dint[WAITING, d] >= par.queue_limit and not idle:
                    status[i] = REJECTED
                    end[i] = t
                    dsum[d, 14] += 1
                    done += 1
                    if par.users > 0:
                        released = release(arr, n, ia, released, t + par.think_s, leaves, times, winner)
                    continue
                din[i] = d
                if grow:
                    rem[i] = -1
                tokens[d] += plen[i] - (cached[i] if par.has_cached else 0)
                prompts[d] += plen[i]
                dint[WAITING, d] += 1
                nxt[i] = -1
                if qh[d] >= 0:
                    nxt[qt[d]] = i
                    qt[d] = i
                    continue
                qh[d] = i
                qt[d] = i
                if idle:
                    plan[d] = 0
                    tree_set(times, winner, leaves, 1 + d, t)
                elif dint[CHUNK, d] == 0 and plan[d] > 1 and slots[d] < bmax:
                    half = 0.5 * rise[d]
                    j = steps_until(base[d], half, t - begin[d])
                    if j < plan[d]:
                        plan[d] = j
                        tree_set(times, winner, leaves, 1 + d, begin[d] + j * base[d] + half * j * (j - 1))
                continue
            d = e - 1  # ---- a run ends
            b = batch[d]
            k = plan[d]
            o = d * bmax
            s = dint[STEP, d]
            ctx = dfloat[CONTEXT, d]
            ended: Any = np.int64(-1)
            ending: Any = np.int64(0)
            if k > 0:
                t0 = begin[d]
                span = t - t0
                chunk = dint[CHUNK, d]
                pure = dint[PURE, d]
                grown = 0.0
                if grow and b > 0 and not pure:
                    if whole:
                        grown = float(block_growth(residues, d * block, block, shift, s, k, b))
                    else:
                        grown = k * b * per_step / block
                    dsum[d, 6] -= grown * max(0.5 * (t0 + t), from_s)
                made = 0.0 if pure else b * k * per_step
                if par.recorded:
                    c0 = SERIES * d
                    rate = chunk * k / span if span > 0 else 0.0
                    fine = record_span(
                        series, c0, par.width_s, t0, t, float(b), made, used[d], used[d] + grown
                    )
                    if not (fine and spread(series, c0 + 4, par.width_s, t0, t, rate, rate)):
                        return SERIES_FULL
                used[d] += grown
                if t0 >= from_s:
                    dsum[d, 0] += span
                    dsum[d, 1] += 1
                    dsum[d, 2] += k
                    dsum[d, 3] += b * span
                    dsum[d, 4] += ctx * span
                    if not pure:
                        pairs = 0.5 * k * (k - 1)
                        dsum[d, 4] += b * per_step * pairs * (base[d] + rise[d] * (2 * k - 1) / 3.0)
                    dsum[d, 5] += made
                    batch_s[b] += span
                    if chunk > 0:
                        dsum[d, 11] += span
                        dsum[d, 12] += k
                        dsum[d, 13] += chunk * k
                if pure:
                    if b > 0:
                        dfloat[STALL, d] += span
                else:
                    if b > 0:
                        bs = base[d]
                        up = rise[d]
                        first = bs + dfloat[STALL, d]
                        if t0 >= from_s:
                            if dfloat[STALL, d] > 0.0:
                                histogram[itl_bin(first)] += b - dint[FRESH_COUNT, d]
                                count_gaps(histogram, bs, up, k, b, b)
                            else:
                                count_gaps(histogram, bs, up, k, b, dint[FRESH_COUNT, d])
                        last = bs + up * (k - 1)  # no later step of the run is slower
                        oldest = 0
                        if dint[STACKED, d] >= STACK - 1:
                            oldest = oldest_step(d, b, s, par, out, rem, heap)
                        fine = True
                        if dfloat[STALL, d] > 0.0:
                            fine = push_slowest(d, b, s + 1, first, oldest, dint, stack_step, stack_s)
                        if dfloat[STALL, d] == 0.0 or k > 1:
                            fine = fine and push_slowest(d, b, s + k, last, oldest, dint, stack_step, stack_s)
                        if not fine:
                            return STACK_FULL
                        dfloat[STALL, d] = 0.0
                    dint[FRESH_COUNT, d] = 0
                    s += k
                    dint[STEP, d] = s
                    ctx += b * k * per_step
                    while b > 0 and (heap[o] >> 32) == s:  # sequences that end here
                        i = heap[o] & MASK
                        heap_pop(heap, o, b)
                        b -= 1
                        L = plen[i]
                        g = out[i]
                        stay = later_steps(g, whole, per_step)
                        c = L + 1 + stay * per_step
                        ctx -= c
                        if grow:
                            stay = rem[i]
                            held = blocks_for(c, block, shift, whole, per_step)
                            if whole:
                                residues[d * block + remainder(np.int64(c) + 1 - s, block, shift)] -= 1
                        else:
                            held = float(quotient(L + g + block - 1, block, shift))
                        used[d] -= held
                        dsum[d, 6] += held * max(t, from_s)
                        slots[d] -= 1
                        prompts[d] -= L
                        end[i] = t
                        tpot[i] = max(0.0, t - (arr[i] + ttft[i])) / (g - 1)
                        if stay > 1:
                            itl[i] = max(
                                itl[i],
                                slowest_since(stack_step, stack_s, d * STACK, dint[STACKED, d], s - stay + 2),
                            )
                        done += 1
                        if par.users > 0:
                            released = release(arr, n, ia, released, t + par.think_s, leaves, times, winner)
                ending = dint[ENDING, d]
                if ending > 0:  # prompts that end here leave the queue, and join below
                    ended = qh[d]
                    i = ended
                    for _ in range(ending):
                        i = nxt[i]
                    qh[d] = i
                    dint[ENDING, d] = 0
            # -- memory first: evict until what is left can go on
            calm = True
            while used[d] > par.capacity:
                if dint[ADMITTED, d] != 0:  # the prompt under way begins anew
                    i = qh[d]
                    full, rest = to_prefill(i, par, plen, out, cached, rem)
                    held = to_hold(i, full, par, plen, out)
                    used[d] -= held
                    dsum[d, 6] += held * max(t, from_s)
                    slots[d] -= 1
                    dint[ADMITTED, d] = 0
                    dsum[d, 9] += 1
                elif b > 0:
                    ctx -= evict(
                        d, t, s, b, par, plen, out, rem, seq, heap, residues, stack_step, stack_s, itl, end,
                        nxt, dint,
                        dfloat, dsum,
                    )  # fmt: skip
                    b -= 1
                else:
                    break
                calm = False
            i = ended
            for _ in range(ending):
                j = nxt[i]
                full, rest = to_prefill(i, par, plen, out, cached, rem)
                tokens[d] -= rest
                later = later_steps(out[i], whole, per_step)
                c = float(plen[i] + 1)
                if grow and rem[i] >= 0:  # it had been evicted
                    gap = t - end[i]
                    itl[i] = max(itl[i], gap)
                    if t >= from_s:
                        histogram[itl_bin(gap)] += 1
                    c += (later - rem[i] + 1) * per_step
                    later = rem[i] - 1
                else:
                    ttft[i] = t - arr[i]
                    prefill[i] = t - prefill[i]
                end[i] = t
                if later > 0:
                    heap_push(heap, o, b, ((s + later) << 32) | i)
                    b += 1
                    ctx += c
                    if grow:
                        rem[i] = later
                        if whole:
                            residues[d * block + remainder(np.int64(c) + 1 - s, block, shift)] += 1
                    nxt[i] = dint[FRESH, d]
                    dint[FRESH, d] = i
                    dint[FRESH_COUNT, d] += 1
                else:
                    held = to_hold(i, full, par, plen, out)
                    used[d] -= held
                    dsum[d, 6] += held * max(t, from_s)
                    slots[d] -= 1
                    prompts[d] -= plen[i]
                    if out[i] > 1:
                        tpot[i] = max(0.0, t - (arr[i] + ttft[i])) / (out[i] - 1)
                    done += 1
                    if par.users > 0:
                        released = release(arr, n, ia, released, t + par.think_s, leaves, times, winner)
                i = j
            # -- plan the next run
            k = (heap[o] >> 32) - s if b > 0 else 0
            chunk = 0
            pure = 0
            squares = 0.0
            growth = 0.0  # of the squares, from step to step
            ending = 0
            room = par.budget - (b if chunked else 0)
            rest = dint[REST, d]
            if par.impatient:
                done += leave(
                    d, t, par, arr, plen, cached, patience, rem, status, queue, end, nxt, dint, dfloat, dsum
                )
            i = qh[d]
            if not calm and b > 0:
                i = -1
            while i >= 0 and room > 0:
                full, new = to_prefill(i, par, plen, out, cached, rem)
                if dint[ADMITTED, d] == 0:
                    held = to_hold(i, full, par, plen, out)
                    limit = par.admit if slots[d] > 0 else par.capacity
                    if (
                        slots[d] >= bmax
                        or used[d] + held > limit
                        or (not chunked and chunk > 0 and new > room)
                    ):
                        break
                    slots[d] += 1
                    used[d] += held
                    dsum[d, 6] -= held * max(t, from_s)
                    dint[ADMITTED, d] = 1
                    dint[WAITING, d] -= 1
                    rest = new
                    if grow:
                        order += 1
                        seq[i] = order
                    if not grow or rem[i] < 0:
                        queue[i] = t - arr[i]
                        prefill[i] = t
                    else:
                        dsum[d, 10] += new
                take = rest
                if chunked and rest > room:
                    take = room
                    squares += (2.0 * (full - rest) + take) * take
                    if chunk == 0:
                        turns = rest // room
                        k = turns if b == 0 or turns < k else k
                        if par.stepwise or not mixed.linear:
                            k = 1
                        if grow and k > 1 and b > 0:
                            k = fitting_steps(par, d, b, s, k, used[d], residues)
                        growth = 2.0 * float(room) * room
                        rest -= (k - 1) * room
                    else:
                        k = 1
                    chunk += take
                    rest -= take
                    if rest == 0:
                        ending += 1
                        dint[ADMITTED, d] = 0
                    break
                k = 1
                squares += (2.0 * (full - rest) + take) * take
                chunk += take
                room -= take
                rest = 0
                ending += 1
                dint[ADMITTED, d] = 0
                i = nxt[i]
            dint[REST, d] = rest
            dint[ENDING, d] = ending
            dint[CHUNK, d] = chunk
            batch[d] = b
            dfloat[CONTEXT, d] = ctx
            begin[d] = t
            dsum[d, 7] = max(dsum[d, 7], used[d])
            dsum[d, 8] = max(dsum[d, 8], b)
            if k == 0:
                plan[d] = 0
                tree_set(times, winner, leaves, e, INF)
                dint[STACKED, d] = 0
                continue
            if chunk > 0 and not chunked:
                pure = 1
                bs = prefill_time(table, float(chunk), squares)
                up = 0.0
            elif chunk > 0:
                bs = mixed_time(mixed, b, ctx, float(chunk), squares)
                up = (mixed.slope[b] * b * per_step + mixed.c * growth) if mixed.linear and k > 1 else 0.0
            else:
                at = b * par.cells
                if par.cells > 1:
                    x = 0
                    while x < par.cells - 1 and dnode[x + 1] * b <= ctx:
                        x += 1
                    at += x
                    if x < par.cells - 1:
                        k = min(k, int((dnode[x + 1] * b - ctx) / (b * per_step)) + 1)
                bs = dlevel[at] + dslope[at] * ctx
                up = dslope[at] * b * per_step
                if par.stepwise:
                    k = 1
                if grow and k > 1:
                    k = fitting_steps(par, d, b, s, k, used[d], residues)
            if not pure:
                i = dint[FRESH, d]
                while i >= 0:
                    gap = t + bs - end[i]
                    itl[i] = max(itl[i], gap)
                    if t >= from_s:
                        histogram[itl_bin(gap)] += 1
                    i = nxt[i]
                dint[FRESH, d] = -1
            dint[PURE, d] = pure
            base[d] = bs
            rise[d] = up
            plan[d] = k
            tree_set(times, winner, leaves, e, t + k * bs + 0.5 * up * k * (k - 1))
        return t

    return run_colocated


#: Compiled on its first call.
run_colocated = _build(SOURCE_KEY)
