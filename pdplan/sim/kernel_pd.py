"""The compiled event loop of a disaggregated fleet: prefill -> KV link -> decode, one global order of events.

Leaves of the event tree: 0 arrival | 1..P a prefill step ends | P+1..2P the head of an egress has arrived
(one leaf for all where bandwidth is shared) | 2P+1..2P+D end of a decode run | then, with pipelines, P
leaves "the first stage is free". A request stands in one queue at a time, so one ``nxt`` array links every
queue. A decode run is a number of steps between which nothing changes: their times are arithmetic in the
step number.

Attention ranks of a prefill instance are lanes: ``ranks`` neighbouring prefill instances with queues of their
own whose steps begin and end together, as long as that of the slowest. The first of them holds the clock.

Output arrays double as scratch until a request ends: ``prefill`` holds the start of prefill, ``transfer`` the
moment at which KV asked for the link, ``admission`` the end of prefill, ``end`` the last token before an
eviction.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pdplan.sim.kernel_core import (
    INF,
    LEAST_WORK,
    MASK,
    SOURCE_KEY,
    STACK,
    block_growth,
    blocks_for,
    count_gaps,
    heap_pop,
    heap_push,
    heap_remove,
    itl_bin,
    jit,
    jit_kernel,
    prefill_time,
    prompt_time,
    quotient,
    rank_time,
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
#: Columns of the sums of each instance. Prefill: busy [s], steps, tokens, KV held [tok s], largest KV [tok],
#: link busy [s], rejected, timed out. Decode: busy [s], runs, steps, batch [seq s], context [tok s], tokens,
#: KV held [block s], largest KV [blocks], largest batch, evictions, tokens computed again.
PREFILL_SUMS, DECODE_SUMS = 8, 11
#: Columns of the time series of each instance. Prefill: busy, requests in step, tokens, KV held [tok].
#: Decode: busy, batch, tokens, KV held [blocks].
SERIES = 4

# Rows of the state of prefill instances: the list of requests in a step (SH..SL) goes on into those waiting
# (WH..WT); a prompt that is cut by chunks stays the head of those waiting.
SH, SL, WH, WT, PRESENT, WAITING, FREE, INFLIGHT, FIRST, CUT, REST = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
LH, LT, LBUSY, LWAIT, LNEXT = 11, 12, 13, 14, 15
PREFILL_INTS = 16
KVP, CREDIT, LIDLE, WORK, QUEUED, KV_SINCE, UNTIL = 0, 1, 2, 3, 4, 5, 6
PREFILL_FLOATS = 7
# Rows of the state of decode instances: pending (Q), ready (R) and evicted requests; SLOTS counts all
# admitted.
QH, QT, RH, RT, EVICTED, SLOTS, ASSIGNED, BATCH, STEP, PLAN, STACKED, FRESH, IBUSY, IQH, IQT = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
)  # fmt: skip
DECODE_INTS = 15
USED, CONTEXT, BEGIN, BASE, RISE, PROMPTS, HELD = 0, 1, 2, 3, 4, 5, 6
DECODE_FLOATS = 7
#: Rows that start empty (-1).
PREFILL_HEADS = (SH, SL, WH, WT, LH, LT, LNEXT)
DECODE_HEADS = (QH, QT, RH, RT, EVICTED, IQH, IQT)


#: Numbers of a run; `pdplan.sim.config` says what they mean. One record, which helpers are handed by
#: reference.
PARAMETERS = np.dtype(
    [(name, np.int64) for name in (
        "n", "prefills", "decodes", "leaves", "stepwise", "from_prefill", "users", "router_p", "chunked",
        "budget",
        "stages", "ranks", "queue_limit", "impatient", "has_cached", "shared", "ingress", "doors", "push",
        "layers", "router_d",
        "max_batch", "cells", "whole", "block", "shift", "grow", "recorded",
    )]
    + [(name, np.float64) for name in (
        "think_s", "capacity_p", "link_s", "link_token_s", "speed_e", "speed_i", "overlap", "per_step",
        "capacity_d", "admit_d", "from_s", "width_s",
    )]
)  # fmt: skip


@jit
def decode_steps(tokens: Any, whole: Any, per_step: Any) -> Any:
    """Steps that yield ``tokens`` tokens."""
    if whole:
        return int(tokens)
    return np.int64(math.ceil(tokens / per_step - 1e-9))


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
def leave(
    p: Any, t: Any, par: Any, table: Any, arr: Any, plen: Any, cached: Any, patience: Any, status: Any,
    queue: Any, end: Any, nxt: Any, pint: Any, pfloat: Any, psum: Any,
) -> Any:  # fmt: skip
    """Requests that have waited longer than their patience leave the head of the queue; returns how many."""
    if pint[CUT, p] != 0:
        return 0
    gone = 0
    i = pint[WH, p]
    while i >= 0 and arr[i] + patience[min(i, patience.size - 1)] < t:
        status[i] = TIMED_OUT
        queue[i] = patience[min(i, patience.size - 1)]
        end[i] = arr[i] + queue[i]
        if par.router_p == LEAST_WORK:
            new = plen[i] - (cached[i] if par.has_cached else 0)
            pfloat[QUEUED, p] -= prompt_time(table, plen[i], new) / par.stages
        i = nxt[i]
        gone += 1
    if gone > 0:
        psum[p, 7] += gone
        pint[WAITING, p] -= gone
        pint[PRESENT, p] -= gone
        pint[WH, p] = i
        if pint[PRESENT, p] > pint[WAITING, p]:
            nxt[pint[SL, p]] = i
            if i < 0:
                pint[WT, p] = pint[SL, p]
        else:
            pint[SH, p] = i
    return gone


@jit
def pass_stages(stage_free: Any, o: Any, stages: Any, enter: Any, span: Any) -> Any:
    """Send a step through equal stages one after another; returns when it leaves the last."""
    each = span / stages
    moment = enter
    for x in range(stages):
        moment = max(moment, stage_free[o + x]) + each
        stage_free[o + x] = moment
    return moment


@jit
def fill_step(
    p: Any, t: Any, alone: Any, par: Any, table: Any, arr: Any, plen: Any, cached: Any, queue: Any,
    prefill: Any, nxt: Any, pint: Any, pfloat: Any, psum: Any,
) -> Any:  # fmt: skip
    """Take waiting prompts into a step of ``p``, up to its budget and its KV memory.

    Returns (tokens, attention squares, prompts that the step ends, prompts touched, how often it is repeated,
    tokens computed before it). Steps are repeated for one prompt that takes the whole budget several times,
    where nobody else has a part in them (``alone``).
    """
    i = pint[WH, p]
    held_kv = pfloat[KVP, p]
    room = par.budget
    tokens = 0
    squares = 0.0
    count = 0
    touched = 0
    repeat = 0
    before = 0.0
    while i >= 0 and room > 0:
        L = plen[i]
        rest = pint[REST, p]
        if not par.chunked or pint[CUT, p] == 0:
            rest = L - (cached[i] if par.has_cached else 0)
            if pfloat[KVP, p] + L > par.capacity_p or (not par.chunked and touched > 0 and rest > room):
                break
            pfloat[KVP, p] += L
            queue[i] = t - arr[i]
            prefill[i] = t
            pint[WAITING, p] -= 1
            pint[SL, p] = i
            if par.router_p == LEAST_WORK:
                pfloat[QUEUED, p] -= prompt_time(table, L, rest) / par.stages
        touched += 1
        take = rest
        if par.chunked and rest > room:
            take = room
            if touched == 1 and alone and par.stages == 1 and not par.stepwise:
                repeat = rest // room
                before = float(L - rest)
                take = repeat * room
        squares += (2.0 * (L - rest) + take) * take
        tokens += take
        room = 0 if repeat > 0 else room - take
        rest -= take
        if rest > 0:
            pint[CUT, p] = 1
            pint[REST, p] = rest
            break
        pint[CUT, p] = 0
        count += 1
        i = nxt[i]
    if touched > 0:
        pint[WH, p] = i
        psum[p, 3] -= (pfloat[KVP, p] - held_kv) * max(t, par.from_s)
        psum[p, 4] = max(psum[p, 4], pfloat[KVP, p])
    return tokens, squares, count, touched, repeat, before


@jit
def record_kv(p: Any, t: Any, held: Any, width: Any, pfloat: Any, series: Any) -> Any:
    """Add what a prefill instance has held since the last change to the series."""
    fine = spread(series, SERIES * p + 3, width, pfloat[KV_SINCE, p], t, held, held)
    pfloat[KV_SINCE, p] = t
    return fine


@jit
def wake(d: Any, t: Any, par: Any, dint: Any, dfloat: Any, times: Any, winner: Any) -> None:
    """Something is ready to join: an idle instance starts, a run ends at its first step end from now on."""
    leaf = 1 + 2 * par.prefills + d
    if dint[BATCH, d] == 0:
        dint[PLAN, d] = 0
        tree_set(times, winner, par.leaves, leaf, t)
    elif dint[PLAN, d] > 1:
        half = 0.5 * dfloat[RISE, d]
        base = dfloat[BASE, d]
        j = steps_until(base, half, t - dfloat[BEGIN, d])
        if j < dint[PLAN, d]:
            dint[PLAN, d] = j
            tree_set(times, winner, par.leaves, leaf, dfloat[BEGIN, d] + j * base + half * j * (j - 1))


@jit
def start_transfer(
    p: Any, t: Any, par: Any, plen: Any, din: Any, pint: Any, pfloat: Any, dint: Any, psum: Any, times: Any,
    winner: Any,
) -> None:  # fmt: skip
    """Let the head of an egress go, if the egress and, where it counts, its ingress are free."""
    i = pint[LH, p]
    if pint[LBUSY, p] != 0 or i < 0:
        return
    if par.ingress:
        d = np.int64(din[i])
        if dint[IBUSY, d] >= par.doors:
            if pint[LWAIT, p] == 0:
                pint[LWAIT, p] = 1
                pint[LNEXT, p] = -1
                if dint[IQH, d] < 0:
                    dint[IQH, d] = p
                else:
                    pint[LNEXT, dint[IQT, d]] = p
                dint[IQT, d] = p
            return
        dint[IBUSY, d] += 1
    pint[LBUSY, p] = 1
    span = par.link_s + plen[i] * par.link_token_s
    if t >= par.from_s:
        psum[p, 5] += span
    if par.overlap > 0.0:
        hidden = min(pfloat[CREDIT, p], span - span / par.layers)
        pfloat[CREDIT, p] -= hidden
        span -= hidden
    tree_set(times, winner, par.leaves, par.prefills + 1 + p, t + span)


@jit
def share_advance(t: Any, share: Any, left: Any, speed: Any) -> None:
    """Shared bandwidth: all transfers proceed to ``t``; share = [how many, moment, next to end]."""
    span = t - share[1]
    for k in range(int(share[0])):
        left[k] -= speed[k] * span
    share[1] = t


@jit
def share_plan(
    par: Any, share: Any, flows: Any, left: Any, speed: Any, pin: Any, din: Any, pint: Any, dint: Any,
    times: Any, winner: Any,
) -> None:  # fmt: skip
    """Shared bandwidth: equal shares at both ends, the smaller counts; find the transfer that ends first."""
    soonest = INF
    for k in range(int(share[0])):
        i = flows[k]
        speed[k] = min(1.0, par.speed_e / pint[LBUSY, pin[i]])
        if par.ingress:
            speed[k] = min(speed[k], par.speed_i / dint[IBUSY, din[i]])
        ends = share[1] + max(left[k], 0.0) / speed[k]
        if ends < soonest:
            soonest = ends
            share[2] = k
    tree_set(times, winner, par.leaves, par.prefills + 1, soonest)


@jit
def share_add(
    i: Any, t: Any, hidden: Any, par: Any, plen: Any, share: Any, flows: Any, left: Any, speed: Any, pin: Any,
    din: Any, pint: Any, dint: Any, psum: Any, times: Any, winner: Any,
) -> None:  # fmt: skip
    """Shared bandwidth: a transfer begins, of which ``hidden`` seconds may have streamed already."""
    share_advance(t, share, left, speed)
    k = int(share[0])
    span = par.link_s + plen[i] * par.link_token_s
    if t >= par.from_s:
        psum[pin[i], 5] += span
    flows[k] = i
    left[k] = max(span / par.layers, span - hidden) if hidden > 0.0 else span
    share[0] += 1
    pint[LBUSY, pin[i]] += 1
    dint[IBUSY, din[i]] += 1
    share_plan(par, share, flows, left, speed, pin, din, pint, dint, times, winner)


@jit
def fits_now(d: Any, t: Any, need: Any, limit: Any, par: Any, dint: Any, dfloat: Any, residues: Any) -> Any:
    """Whether ``need`` blocks fit at a moment inside a run, whose batch has grown since the run began."""
    used = dfloat[USED, d] + need
    b = dint[BATCH, d]
    if used > limit:
        return False
    if (
        b == 0
        or not par.grow
        or used + (quotient(dint[PLAN, d], par.block, par.shift) + 1) * b * par.per_step <= limit
    ):
        return True
    since = t - dfloat[BEGIN, d]
    j = steps_until(dfloat[BASE, d], 0.5 * dfloat[RISE, d], since) - 1 if since > 0 else 0
    if par.whole:
        return (
            used + block_growth(residues, d * par.block, par.block, par.shift, dint[STEP, d], j, b) <= limit
        )
    return used + j * b * par.per_step / par.block <= limit


@jit
def fitting_steps(par: Any, d: Any, b: Any, s: Any, k: Any, used: Any, residues: Any) -> Any:
    """Steps of a run, at most ``k``, after which the KV of the batch no longer fits."""
    free = par.capacity_d - used
    if free >= (quotient(k, par.block, par.shift) + 1) * b * par.per_step:
        return k
    if par.whole:
        return min(k, steps_that_fit(residues, d * par.block, par.block, par.shift, s, free, b))
    return min(k, int(free * par.block / (b * par.per_step)) + 1)


@jit
def admit(
    d: Any, t: Any, par: Any, plen: Any, out: Any, nxt: Any, pin: Any, din: Any, transfer: Any, pint: Any,
    pfloat: Any, dint: Any, dfloat: Any, residues: Any, share: Any, flows: Any, left: Any, speed: Any,
    psum: Any, dsum: Any, times: Any, winner: Any,
) -> None:  # fmt: skip
    """Admit pending requests while places and KV memory last: onto the link (pull) or to ready (push)."""
    if dint[EVICTED, d] >= 0:
        return
    lead = 1 if par.from_prefill else 0
    i = dint[QH, d]
    before = i
    while i >= 0:
        if par.grow:
            need = blocks_for(float(plen[i] + lead), par.block, par.shift, par.whole, par.per_step)
        else:
            need = float(quotient(plen[i] + out[i] + par.block - 1, par.block, par.shift))
        limit = par.admit_d if dint[SLOTS, d] > 0 else par.capacity_d
        if dint[SLOTS, d] >= par.max_batch or not fits_now(d, t, need, limit, par, dint, dfloat, residues):
            break
        j = nxt[i]
        nxt[i] = -1
        dint[SLOTS, d] += 1
        dfloat[USED, d] += need
        dsum[d, 6] -= need * max(t, par.from_s)
        if par.push:
            if dint[RH, d] < 0:
                dint[RH, d] = i
                wake(d, t, par, dint, dfloat, times, winner)
            else:
                nxt[dint[RT, d]] = i
            dint[RT, d] = i
        else:
            transfer[i] = t
            p = np.int64(pin[i])
            if par.shared:
                share_add(
                    i, t, 0.0, par, plen, share, flows, left, speed, pin, din, pint, dint, psum, times, winner
                )
            else:
                if pint[LH, p] < 0:
                    pint[LH, p] = i
                else:
                    nxt[pint[LT, p]] = i
                pint[LT, p] = i
                start_transfer(p, t, par, plen, din, pint, pfloat, dint, psum, times, winner)
        i = j
    dint[QH, d] = i
    if (
        par.grow and i != before and dint[PLAN, d] > 1 and dint[BATCH, d] > 0
    ):  # the run may have to end earlier
        k = fitting_steps(
            par, d, dint[BATCH, d], dint[STEP, d], dint[PLAN, d], dfloat[USED, d], residues
        )  # fmt: skip
        if k < dint[PLAN, d]:
            dint[PLAN, d] = k
            span = k * dfloat[BASE, d] + 0.5 * dfloat[RISE, d] * k * (k - 1)
            tree_set(times, winner, par.leaves, 1 + 2 * par.prefills + d, dfloat[BEGIN, d] + span)


@jit
def evict(
    d: Any, t: Any, s: Any, b: Any, par: Any, plen: Any, out: Any, rem: Any, seq: Any, heap: Any,
    residues: Any,
    stack_step: Any, stack_s: Any, itl: Any, end: Any, nxt: Any, dint: Any, dfloat: Any, dsum: Any,
) -> Any:  # fmt: skip
    """Take the sequence admitted last out of the batch, to be computed again; returns its context."""
    o = d * par.max_batch
    at: Any = np.int64(0)
    for x in range(1, b):
        if seq[heap[o + x] & MASK] > seq[heap[o + at] & MASK]:
            at = x
    key = heap[o + at]
    i = key & MASK
    heap_remove(heap, o, b, at)
    lead = 1 if par.from_prefill else 0
    left = (key >> 32) - s
    stay = rem[i] - left
    total = decode_steps(out[i] - lead, par.whole, par.per_step)
    context = plen[i] + lead + (total - left) * par.per_step
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
    nxt[i] = dint[EVICTED, d]
    dint[EVICTED, d] = i
    dsum[d, 9] += 1
    return context


def _build(source_key: int) -> Any:
    """Make the kernel; the digest of its helpers' file is a constant of it, and so part of its cache key."""

    @jit_kernel
    def run_pd(
        parameters: Any, table: Any, rank_table: Any, again_table: Any, dnode: Any, dlevel: Any, dslope: Any,
        arr: Any, plen: Any, out: Any, cached: Any, patience: Any, draw_p: Any, draw_d: Any,
        status: Any, queue: Any, prefill: Any, transfer: Any, admission: Any, ttft: Any, tpot: Any, itl: Any,
        end: Any, nxt: Any, pin: Any, din: Any, rem: Any, seq: Any,
        times: Any, winner: Any, pint: Any, pfloat: Any, stage_free: Any, ring: Any, ring_count: Any,
        rank_tokens: Any, rank_squares: Any, psum: Any,
        dint: Any, dfloat: Any, heap: Any, residues: Any, stack_step: Any, stack_s: Any, dsum: Any,
        share: Any, flows: Any, left: Any, speed: Any, batch_s: Any, histogram: Any, series: Any, watch: Any,
    ) -> Any:  # fmt: skip
        """Run to the end of the last request; returns that moment, or a negative code."""
        if source_key == 0:
            return STACK_FULL
        par = parameters[0]
        n, P, D, leaves = par.n, par.prefills, par.decodes, par.leaves
        grow, whole, per_step, block, bmax = par.grow, par.whole, par.per_step, par.block, par.max_batch
        from_s, shift = par.from_s, par.shift
        lead = 1 if par.from_prefill else 0
        least_p = par.router_p == LEAST_WORK
        sh, wh, wt, present, waiting = pint[SH], pint[WH], pint[WT], pint[PRESENT], pint[WAITING]
        free, inflight, lh, lt = pint[FREE], pint[INFLIGHT], pint[LH], pint[LT]
        kvp, work = pfloat[KVP], pfloat[WORK]
        qh, qt, rh, rt, slots, assigned = dint[QH], dint[QT], dint[RH], dint[RT], dint[SLOTS], dint[ASSIGNED]
        batch, used, prompts = dint[BATCH], dfloat[USED], dfloat[PROMPTS]
        released = par.users if par.users > 0 else n
        done = np.int64(0)
        ia = np.int64(0)
        turn_p = np.int64(0)
        turn_d = np.int64(0)
        order = np.int64(0)
        p: Any = np.int64(0)
        t = 0.0
        while done < n:
            e = winner[1]
            t = times[e]
            ptry = -1
            if e == 0:  # ---- arrival
                i = ia
                ia += 1
                if ia & 1023 == 0:
                    watch[0] = done
                    if watch[1] != 0:
                        return STOPPED
                tree_set(times, winner, leaves, np.int64(0), arr[ia] if ia < released else INF)
                if par.impatient:  # those who have left must not count in routing
                    for p in range(P):
                        done += leave(
                            p, t, par, table, arr, plen, cached, patience, status, queue, end, nxt, pint,
                            pfloat,
                            psum,
                        )  # fmt: skip
                L = plen[i]
                alone = 0.0
                if least_p:
                    new = L - (cached[i] if par.has_cached else 0)
                    alone = prompt_time(table, L, new) / par.stages
                    for p in range(P):
                        if waiting[p] == 0:
                            pfloat[QUEUED, p] = 0.0
                        work[p] = pfloat[QUEUED, p] + max(0.0, pfloat[UNTIL, p] - t)
                p = route(par.router_p, present, work, P, turn_p, draw_p[min(i, draw_p.size - 1)])
                turn_p += 1
                if par.queue_limit >= 0 and waiting[p] >= par.queue_limit:
                    clock = p - p % par.ranks
                    now = waiting[p] == 0 and free[clock] == 1 and inflight[clock] < par.stages
                    if not (now and kvp[p] + L <= par.capacity_p):
                        status[i] = REJECTED
                        end[i] = t
                        psum[p, 6] += 1
                        done += 1
                        if par.users > 0:
                            released = release(arr, n, ia, released, t + par.think_s, leaves, times, winner)
                        continue
                pfloat[QUEUED, p] += alone
                pin[i] = p
                nxt[i] = -1
                if present[p] == 0:
                    sh[p] = i
                else:
                    nxt[wt[p]] = i
                if wh[p] < 0:
                    wh[p] = i
                wt[p] = i
                present[p] += 1
                waiting[p] += 1
                ptry = p
            elif e <= P:  # ---- a prefill step has left the last stage
                p = e - 1
                o = p * par.stages + pint[FIRST, p]
                first = p
                span = ring[o, 1]
                inflight[p] -= 1
                if par.stages > 1:
                    pint[FIRST, p] = (pint[FIRST, p] + 1) % par.stages
                    ahead = ring[p * par.stages + pint[FIRST, p], 0] if inflight[p] > 0 else INF
                    tree_set(times, winner, leaves, e, ahead)
                else:
                    free[p] = 1
                    tree_set(times, winner, leaves, e, INF)
                for p in range(first, first + par.ranks):
                    if par.overlap > 0.0:
                        idle = lh[p] < 0
                        pfloat[CREDIT, p] = min(par.overlap * span, t - pfloat[LIDLE, p]) if idle else 0.0
                    i = sh[p]
                    for _ in range(ring_count[o + (p - first) * par.stages]):
                        j = nxt[i]
                        prefill[i] = t - prefill[i]
                        present[p] -= 1
                        if par.from_prefill:
                            ttft[i] = t - arr[i]
                            if out[i] == 1:
                                end[i] = t
                                if par.recorded and not record_kv(p, t, kvp[p], par.width_s, pfloat, series):
                                    return SERIES_FULL
                                kvp[p] -= plen[i]
                                psum[p, 3] += plen[i] * max(t, from_s)
                                done += 1
                                if par.users > 0:
                                    released = release(
                                        arr, n, ia, released, t + par.think_s, leaves, times, winner
                                    )
                                i = j
                                continue
                        admission[i] = t
                        d = route(par.router_d, assigned, prompts, D, turn_d, draw_d[min(i, draw_d.size - 1)])
                        turn_d += 1
                        din[i] = d
                        assigned[d] += 1
                        prompts[d] += plen[i]
                        if grow:
                            rem[i] = decode_steps(out[i] - lead, whole, per_step)
                        nxt[i] = -1
                        if not par.push:
                            if qh[d] < 0:
                                qh[d] = i
                            else:
                                nxt[qt[d]] = i
                            qt[d] = i
                            if qh[d] == i:
                                admit(
                                    d, t, par, plen, out, nxt, pin, din, transfer, pint, pfloat, dint, dfloat,
                                    residues, share, flows, left, speed, psum, dsum, times, winner,
                                )  # fmt: skip
                        else:
                            transfer[i] = t
                            if par.shared:
                                share_add(
                                    i, t, par.overlap * span, par, plen, share, flows, left, speed, pin, din,
                                    pint,
                                    dint, psum, times, winner,
                                )  # fmt: skip
                            else:
                                if lh[p] < 0:
                                    lh[p] = i
                                else:
                                    nxt[lt[p]] = i
                                lt[p] = i
                                start_transfer(p, t, par, plen, din, pint, pfloat, dint, psum, times, winner)
                        i = j
                    sh[p] = i
                ptry = first
            elif e <= 2 * P:  # ---- KV has arrived
                if par.shared:
                    share_advance(t, share, left, speed)
                    k = int(share[2])
                    i = flows[k]
                    share[0] -= 1
                    flows[k] = flows[int(share[0])]
                    left[k] = left[int(share[0])]
                    p = np.int64(pin[i])
                    pint[LBUSY, p] -= 1
                    dint[IBUSY, din[i]] -= 1
                    share_plan(par, share, flows, left, speed, pin, din, pint, dint, times, winner)
                else:
                    p = e - 1 - P
                    i = lh[p]
                    lh[p] = nxt[i]
                    pint[LBUSY, p] = 0
                    pfloat[LIDLE, p] = t
                    tree_set(times, winner, leaves, e, INF)
                    if par.ingress:
                        d = np.int64(din[i])
                        dint[IBUSY, d] -= 1
                        other = dint[IQH, d]
                        if other >= 0:
                            dint[IQH, d] = pint[LNEXT, other]
                            pint[LWAIT, other] = 0
                            start_transfer(other, t, par, plen, din, pint, pfloat, dint, psum, times, winner)
                    if lh[p] >= 0:
                        start_transfer(p, t, par, plen, din, pint, pfloat, dint, psum, times, winner)
                transfer[i] = t - transfer[i]
                if par.recorded and not record_kv(p, t, kvp[p], par.width_s, pfloat, series):
                    return SERIES_FULL
                kvp[p] -= plen[i]
                psum[p, 3] += plen[i] * max(t, from_s)
                ptry = p
                d = np.int64(din[i])
                nxt[i] = -1
                if not par.push:
                    if rh[d] < 0:
                        rh[d] = i
                        wake(d, t, par, dint, dfloat, times, winner)
                    else:
                        nxt[rt[d]] = i
                    rt[d] = i
                else:
                    if qh[d] < 0:
                        qh[d] = i
                    else:
                        nxt[qt[d]] = i
                    qt[d] = i
                    if qh[d] == i:
                        admit(
                            d, t, par, plen, out, nxt, pin, din, transfer, pint, pfloat, dint, dfloat,
                            residues,
                            share, flows, left, speed, psum, dsum, times, winner,
                        )  # fmt: skip
            elif e <= 2 * P + D:  # ---- a decode run ends
                d = e - 1 - 2 * P
                b = batch[d]
                k = dint[PLAN, d]
                o = d * bmax
                so = d * STACK
                s = dint[STEP, d]
                ctx = dfloat[CONTEXT, d]
                if b > 0:
                    bs = dfloat[BASE, d]
                    up = dfloat[RISE, d]
                    t0 = dfloat[BEGIN, d]
                    grown = 0.0
                    if grow:
                        if whole:
                            grown = float(block_growth(residues, d * block, block, shift, s, k, b))
                        else:
                            grown = k * b * per_step / block
                        dsum[d, 6] -= grown * max(0.5 * (t0 + t), from_s)
                    if par.recorded:
                        made = b * k * per_step
                        if not record_span(
                            series,
                            SERIES * (P + d),
                            par.width_s,
                            t0,
                            t,
                            float(b),
                            made,
                            dfloat[HELD, d],
                            used[d] + grown,
                        ):
                            return SERIES_FULL
                    used[d] += grown
                    if t0 >= from_s:
                        span = t - t0
                        pairs = 0.5 * k * (k - 1)
                        dsum[d, 0] += span
                        dsum[d, 1] += 1
                        dsum[d, 2] += k
                        dsum[d, 3] += b * span
                        dsum[d, 4] += ctx * span + b * per_step * pairs * (bs + up * (2 * k - 1) / 3.0)
                        dsum[d, 5] += b * k * per_step
                        batch_s[b] += span
                        count_gaps(histogram, bs, up, k, b, dint[FRESH, d])
                    s += k
                    dint[STEP, d] = s
                    ctx += b * k * per_step
                    last = bs + up * (k - 1)  # no step of the run is slower
                    m = dint[STACKED, d]
                    while m > 0 and stack_s[so + m - 1] <= last:
                        m -= 1
                    if m == STACK:  # forget what no one present can ask for
                        oldest = s
                        for x in range(b):
                            i = heap[o + x] & MASK
                            stay = rem[i] if grow else decode_steps(out[i] - lead, whole, per_step)
                            oldest = min(oldest, (heap[o + x] >> 32) - stay + 2)
                        m = 0
                        for x in range(STACK):
                            if stack_step[so + x] >= oldest:
                                stack_step[so + m] = stack_step[so + x]
                                stack_s[so + m] = stack_s[so + x]
                                m += 1
                        if m == STACK:
                            return STACK_FULL
                    stack_step[so + m] = s
                    stack_s[so + m] = last
                    m += 1
                    dint[STACKED, d] = m
                    while b > 0 and (heap[o] >> 32) == s:
                        i = heap[o] & MASK
                        heap_pop(heap, o, b)
                        b -= 1
                        L = plen[i]
                        g = out[i]
                        stay = decode_steps(g - lead, whole, per_step)
                        c = L + lead + stay * per_step
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
                        assigned[d] -= 1
                        prompts[d] -= L
                        end[i] = t
                        if g > 1:
                            tpot[i] = max(0.0, t - (arr[i] + ttft[i])) / (g - 1)
                        if stay > 1:
                            itl[i] = max(itl[i], slowest_since(stack_step, stack_s, so, m, s - stay + 2))
                        done += 1
                        if par.users > 0:
                            released = release(arr, n, ia, released, t + par.think_s, leaves, times, winner)
                # -- memory first: evict until what is left can go on; then admit, join, and plan the next run
                calm = True
                while used[d] > par.capacity_d and b > 0:
                    ctx -= evict(
                        d, t, s, b, par, plen, out, rem, seq, heap, residues, stack_step, stack_s, itl, end,
                        nxt,
                        dint, dfloat, dsum,
                    )  # fmt: skip
                    b -= 1
                    calm = False
                batch[d] = 0  # no run is under way while requests are admitted
                again = 0.0
                again_sq = 0.0
                if calm or (b == 0 and rh[d] < 0):
                    while dint[EVICTED, d] >= 0:
                        i = dint[EVICTED, d]
                        total = decode_steps(out[i] - lead, whole, per_step)
                        c = plen[i] + lead + (total - rem[i]) * per_step
                        held = blocks_for(c, block, shift, whole, per_step)
                        limit = par.admit_d if slots[d] > 0 else par.capacity_d
                        if slots[d] >= bmax or used[d] + held > limit:
                            break
                        dint[EVICTED, d] = nxt[i]
                        slots[d] += 1
                        used[d] += held
                        dsum[d, 6] -= held * max(t, from_s)
                        dsum[d, 10] += c
                        again += c
                        again_sq += c * c
                        nxt[i] = -1
                        if rh[d] < 0:
                            rh[d] = i
                        else:
                            nxt[rt[d]] = i
                        rt[d] = i
                    if qh[d] >= 0:
                        admit(
                            d, t, par, plen, out, nxt, pin, din, transfer, pint, pfloat, dint, dfloat,
                            residues,
                            share, flows, left, speed, psum, dsum, times, winner,
                        )  # fmt: skip
                i = rh[d]
                joined = i
                count = 0
                while i >= 0:
                    total = decode_steps(out[i] - lead, whole, per_step)
                    c = float(plen[i] + lead)
                    if grow:
                        c += (total - rem[i]) * per_step
                        total = rem[i]
                        if whole:
                            residues[d * block + remainder(np.int64(c) + 1 - s, block, shift)] += 1
                        order += 1
                        seq[i] = order
                    heap_push(heap, o, b, ((s + total) << 32) | i)
                    b += 1
                    ctx += c
                    count += 1
                    i = nxt[i]
                rh[d] = -1
                batch[d] = b
                dfloat[CONTEXT, d] = ctx
                dsum[d, 7] = max(dsum[d, 7], used[d])
                dsum[d, 8] = max(dsum[d, 8], b)
                if b == 0:
                    tree_set(times, winner, leaves, e, INF)
                    dint[STACKED, d] = 0
                    dint[PLAN, d] = 0
                    continue
                k = (heap[o] >> 32) - s
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
                if again > 0.0:  # evicted sequences are computed again before the step in which they go on
                    bs += prefill_time(again_table, again, again_sq)
                    k = 1
                if par.stepwise:
                    k = 1
                if grow and k > 1:
                    k = fitting_steps(par, d, b, s, k, used[d], residues)
                i = joined
                token_s = t + bs
                while i >= 0:
                    if grow and rem[i] != decode_steps(out[i] - lead, whole, per_step):
                        gap = token_s - end[i]
                        itl[i] = max(itl[i], gap)
                        if t >= from_s:
                            histogram[itl_bin(gap)] += 1
                    else:
                        admission[i] = t - admission[i] - transfer[i]
                        if par.from_prefill:
                            itl[i] = token_s - (arr[i] + ttft[i])
                            if t >= from_s:
                                histogram[itl_bin(itl[i])] += 1
                        else:
                            ttft[i] = token_s - arr[i]
                    i = nxt[i]
                dint[FRESH, d] = count
                dfloat[BASE, d] = bs
                dfloat[RISE, d] = up
                dfloat[BEGIN, d] = t
                dfloat[HELD, d] = used[d]
                dint[PLAN, d] = k
                tree_set(times, winner, leaves, e, t + k * bs + 0.5 * up * k * (k - 1))
                continue
            else:  # ---- the first stage of a pipeline is free
                p = e - 1 - 2 * P - D
                free[p] = 1
                tree_set(times, winner, leaves, e, INF)
                ptry = p
            # ---- start a prefill step, of all ranks together
            p = ptry - ptry % par.ranks
            if free[p] == 0 or inflight[p] >= par.stages:
                continue
            o = p * par.stages
            slot = o
            if par.stages > 1:
                slot += (pint[FIRST, p] + inflight[p]) % par.stages
            together = 0
            touched = 0
            repeat = 0
            before = 0.0
            squares = 0.0
            for r in range(p, p + par.ranks):
                ring_count[slot + (r - p) * par.stages] = 0
                rank_tokens[r] = 0.0
                if wh[r] < 0:
                    continue
                if par.impatient:
                    done += leave(
                        r, t, par, table, arr, plen, cached, patience, status, queue, end, nxt, pint, pfloat,
                        psum,
                    )  # fmt: skip
                held_kv = kvp[r]
                tokens, squares, count, some, repeat, before = fill_step(
                    r, t, par.ranks == 1, par, table, arr, plen, cached, queue, prefill, nxt, pint, pfloat,
                    psum,
                )  # fmt: skip
                ring_count[slot + (r - p) * par.stages] = count
                rank_tokens[r] = float(tokens)
                rank_squares[r] = squares
                together += tokens
                touched += some
                if par.recorded and some > 0 and not record_kv(r, t, held_kv, par.width_s, pfloat, series):
                    return SERIES_FULL
            if touched == 0:
                continue
            work_s = 0.0
            if par.ranks > 1:
                for r in range(p, p + par.ranks):
                    if rank_tokens[r] > 0:
                        work_s = max(
                            work_s, rank_time(rank_table, rank_tokens[r], rank_squares[r], float(together))
                        )
            elif repeat == 0:
                work_s = prefill_time(table, float(together), squares)
            for _ in range(repeat):
                work_s += prefill_time(table, float(par.budget), (2.0 * before + par.budget) * par.budget)
                before += par.budget
            finish = t + work_s
            if par.stages > 1:
                finish = pass_stages(stage_free, o, par.stages, t, work_s)
            if t >= from_s:
                psum[p, 0] += work_s
                psum[p, 1] += max(repeat, 1)
                psum[p, 2] += together
            if par.recorded and not record_span(
                series, SERIES * p, par.width_s, t, t + work_s, float(touched), float(together), 0.0, 0.0
            ):
                return SERIES_FULL
            ring[slot, 0] = finish
            ring[slot, 1] = finish - t
            inflight[p] += 1
            free[p] = 0
            if inflight[p] == 1:
                tree_set(times, winner, leaves, 1 + p, finish)
            for r in range(p, p + par.ranks):
                pfloat[UNTIL, r] = finish
                if par.stages > 1:
                    pfloat[UNTIL, r] = stage_free[o]
            if par.stages > 1:
                tree_set(times, winner, leaves, 1 + 2 * P + D + p, stage_free[o])
        return t

    return run_pd


#: Compiled on its first call.
run_pd = _build(SOURCE_KEY)
