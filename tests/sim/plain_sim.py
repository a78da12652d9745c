"""Plain Python simulators of the same physics, written apart from the engine: one step at a time.

They are the second witness of the engine: no jumps, no shared code, no arrays.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Req:
    i: int
    arrival: float
    prompt: int
    output: int
    context: int = 0
    left: int = 0
    start: float = 0.0
    prefill_end: float = 0.0
    asked: float = 0.0
    landed: float = 0.0
    first: float = -1.0
    last: float = -1.0
    worst: float = 0.0
    end: float = 0.0
    evictions: int = 0
    queue: float = 0.0
    admission: float = 0.0
    p: int = 0
    d: int = 0


@dataclass
class Prefill:
    waiting: deque[Req] = field(default_factory=deque)
    step: list[Req] = field(default_factory=list)
    busy: bool = False
    kv: int = 0
    link: deque[Req] = field(default_factory=deque)
    sending: bool = False
    head_left: int = 0


@dataclass
class Decode:
    pending: deque[Req] = field(default_factory=deque)
    evicted: list[Req] = field(default_factory=list)
    ready: list[Req] = field(default_factory=list)
    batch: list[Req] = field(default_factory=list)
    slots: int = 0
    transit_blocks: int = 0
    running: bool = False
    full_blocks: int = 0


def simulate_pd(requests: list[tuple[float, int, int]], c: dict[str, Any]) -> list[Req]:
    """Prefill pool, FIFO link, decode pool; round robin. ``c`` holds the numbers by plain names."""
    P, D = c["prefills"], c["decodes"]
    pres, decs = [Prefill() for _ in range(P)], [Decode() for _ in range(D)]
    reqs = [Req(i, *r) for i, r in enumerate(requests)]
    events: list[tuple[float, int, int, str, Any]] = []
    tick = itertools.count()
    rank = {"arrival": 0, "prefill": 1, "link": 2, "decode": 3}
    lead = 1 if c.get("from_prefill") else 0
    block, grow, push = c.get("block", 16), c.get("grow", True), c.get("push", False)
    cap_blocks = c.get("capacity_d", math.inf)
    turn = itertools.count()

    def at(t: float, kind: str, what: Any) -> None:
        heapq.heappush(events, (t, rank[kind], next(tick), kind, what))

    def blocks(r: Req) -> int:
        return -(-(r.context + 1) // block) if grow else -(-(r.prompt + r.output) // block)

    def used(d: Decode) -> int:
        return d.transit_blocks + sum(blocks(r) for r in d.ready) + sum(blocks(r) for r in d.batch)

    def send(p: Prefill, t: float) -> None:
        if not p.sending and p.link:
            p.sending = True
            at(t + c["link_s"] + p.link[0].prompt * c["link_token_s"], "link", p)

    def admit(d: Decode, t: float) -> None:
        while d.pending and not d.evicted:
            r = d.pending[0]
            if d.slots >= c["max_batch"] or used(d) + blocks(r) > cap_blocks:
                return
            d.pending.popleft()
            d.slots += 1
            if push:
                d.ready.append(r)
                wake(d, t)
            else:
                d.transit_blocks += blocks(r)
                r.asked = t
                pres[r.p].link.append(r)
                send(pres[r.p], t)

    def wake(d: Decode, t: float) -> None:
        if not d.running:
            d.running = True
            at(t, "decode", d)

    def begin_prefill(p: Prefill, t: float) -> None:
        if p.busy or not p.waiting:
            return
        room, total, squares, done = c["budget"], 0, 0.0, []
        while p.waiting and room > 0:
            r = p.waiting[0]
            fresh = p.head_left == 0
            rest = r.prompt if fresh else p.head_left
            if fresh:
                if p.kv + r.prompt > c.get("capacity_p", math.inf):
                    break
                if not c.get("chunked") and total > 0 and rest > room:
                    break
                p.kv += r.prompt
                r.start = t
                r.queue = t - r.arrival
            take = min(rest, room) if c.get("chunked") else rest
            before = r.prompt - rest
            squares += (before + take) ** 2 - before**2
            total += take
            room -= take
            if take == rest:
                p.head_left = 0
                done.append(p.waiting.popleft())
            else:
                p.head_left = rest - take
                break
        if total:
            p.busy, p.step = True, done
            at(t + c["prefill"](total, squares), "prefill", p)

    for r in reqs:
        at(r.arrival, "arrival", r)
    while events:
        t, _, _, kind, what = heapq.heappop(events)
        if kind == "arrival":
            what.p = what.i % P
            pres[what.p].waiting.append(what)
            begin_prefill(pres[what.p], t)
        elif kind == "prefill":
            p = what
            p.busy = False
            for r in p.step:
                r.prefill_end = t
                if lead:
                    r.first = r.last = t
                    if r.output == 1:
                        r.end = t
                        p.kv -= r.prompt
                        continue
                r.context = r.prompt + lead
                r.left = r.output - lead
                r.d = next(turn) % D
                d = decs[r.d]
                if push:
                    r.asked = t
                    p.link.append(r)
                    send(p, t)
                else:
                    d.pending.append(r)
                    if d.pending[0] is r:
                        admit(d, t)
            begin_prefill(p, t)
        elif kind == "link":
            p = what
            r = p.link.popleft()
            p.sending = False
            send(p, t)
            r.landed = t
            p.kv -= r.prompt
            d = decs[r.d]
            if push:
                d.pending.append(r)
                if d.pending[0] is r:
                    admit(d, t)
            else:
                d.transit_blocks -= blocks(r)
                d.ready.append(r)
                wake(d, t)
            begin_prefill(p, t)
        else:
            d = what
            for r in list(d.batch):
                r.context += 1
                r.left -= 1
                if r.first < 0:
                    r.first = t
                else:
                    r.worst = max(r.worst, t - r.last)
                r.last = t
                if r.left == 0:
                    r.end = t
                    d.batch.remove(r)
                    d.slots -= 1
            calm = True
            while used(d) > cap_blocks and d.batch:
                r = d.batch.pop()
                d.evicted.append(r)
                d.slots -= 1
                r.evictions += 1
                calm = False
            again = again_sq = 0
            if calm or not (d.batch or d.ready):
                while d.evicted:
                    r = d.evicted[-1]
                    if d.slots >= c["max_batch"] or used(d) + blocks(r) > cap_blocks:
                        break
                    d.evicted.pop()
                    d.slots += 1
                    d.ready.append(r)
                    again += r.context
                    again_sq += r.context**2
                d.running = True
                admit(d, t)
            for r in d.ready:
                if r.evictions == 0 or r.admission == 0.0:
                    r.admission = max(r.admission, t - r.prefill_end - (r.landed - r.asked))
                d.batch.append(r)
            d.ready = []
            d.running = bool(d.batch)
            if d.batch:
                step = c["decode"](len(d.batch), sum(r.context for r in d.batch))
                if again:
                    step += c["again"](again, again_sq)
                at(t + step, "decode", d)
    return reqs


def simulate_colocated(requests: list[tuple[float, int, int]], c: dict[str, Any]) -> list[Req]:
    """Instances that prefill and decode; round robin; each simulated alone, step by step."""
    reqs = [Req(i, *r) for i, r in enumerate(requests)]
    for d in range(c["instances"]):
        _colocated_instance([r for r in reqs if r.i % c["instances"] == d], c)
    return reqs


def _colocated_instance(mine: list[Req], c: dict[str, Any]) -> None:
    block, grow, cap = c.get("block", 16), c.get("grow", True), c.get("capacity", math.inf)
    todo, queue, batch = deque(mine), deque[Req](), list[Req]()
    head: Req | None = None
    head_left, slots, t, calm = 0, 0, 0.0, True
    held: dict[int, int] = {}

    def target(r: Req) -> int:
        return r.context if r.evictions else r.prompt

    def need(r: Req, context: int) -> int:
        return -(-(context + 1) // block) if grow else -(-(r.prompt + r.output) // block)

    while todo or queue or batch:
        if not queue and not batch:
            t = max(t, todo[0].arrival)
        while todo and todo[0].arrival <= t:
            queue.append(todo.popleft())
        chunked = c["chunked"]
        room = c["budget"] - (len(batch) if chunked else 0)
        total, squares, done = 0, 0.0, []
        while room > 0 and len(done) < len(queue) and (calm or not batch):
            r = queue[len(done)]
            if head is None:
                b = need(r, target(r) + 1)
                rest = target(r)
                if slots >= c["max_batch"] or sum(held.values()) + b > cap:
                    break
                if not chunked and total > 0 and rest > room:
                    break
                head, head_left, slots = r, rest, slots + 1
                held[r.i] = b
                r.landed = c["order"]
                c["order"] += 1
                if not r.evictions:
                    r.start = t
                    r.queue = t - r.arrival
            take = min(head_left, room) if chunked else head_left
            before = target(r) - head_left
            squares += (before + take) ** 2 - before**2
            total += take
            room -= take
            head_left -= take
            if head_left:
                break
            done.append(r)
            head = None
        stepping = batch if chunked or not total else []
        if not total and not batch:
            continue
        if total and not chunked:
            t += c["prefill"](total, squares)
        elif total:
            t += c["mixed"](len(batch), sum(r.context for r in batch), total, squares)
        else:
            t += c["decode"](len(batch), sum(r.context for r in batch))
        while todo and todo[0].arrival < t:
            queue.append(todo.popleft())
        for r in list(stepping):
            r.context += 1
            r.left -= 1
            r.worst = max(r.worst, t - r.last)
            r.last = t
            held[r.i] = need(r, r.context)
            if r.left == 0:
                r.end = t
                batch.remove(r)
                del held[r.i]
                slots -= 1
        for _ in done:
            queue.popleft()
        calm = True
        while sum(held.values()) > cap:
            if head is not None:
                del held[head.i]
                head, slots = None, slots - 1
            elif batch:
                r = max(batch, key=lambda x: x.landed)
                batch.remove(r)
                del held[r.i]
                r.evictions += 1
                slots -= 1
                queue.appendleft(r)
            calm = False
        for r in done:
            if r.evictions:
                r.worst = max(r.worst, t - r.last)
                r.context += 1
                r.left -= 1
            else:
                r.first = r.prefill_end = t
                r.context, r.left = r.prompt + 1, r.output - 1
            r.last = t
            if r.left == 0:
                r.end = t
                del held[r.i]
                slots -= 1
            else:
                batch.append(r)
