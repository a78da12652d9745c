"""Serve a trace step by step on a cluster of prefill, decode and combined instances.

A plain event loop, one event for each engine step, for traces of thousands of requests whose every token is
wanted. Each instance runs vLLM's scheduler: running sequences first, then waiting ones while the token
budget, the sequence limit and the KV blocks last; the last one admitted is preempted, and recomputed, when
blocks run out. A prefill instance emits the first token; the decode instance pulls the KV when it has room
for it, and until then it stays, and takes room, where it is.

`pdplan.sim.run` is the fast engine of the same physics for pools of equal instances; this one takes clusters
of any mix and keeps the time of every token. Where both apply they agree to a nanosecond, until one preempts.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pdplan.sim.cluster import ClusterRun, Interval, KvWire, ServingInstance, require_servable
from pdplan.sim.stepped_engine import SteppedEngine, TracedRequest

_ARRIVAL, _STEP_END, _KV_THERE = 0, 1, 2


class _Cluster:
    """The event loop."""

    def __init__(
        self,
        requests: list[TracedRequest],
        arrival_s: Sequence[float],
        instances: Sequence[ServingInstance],
        wire: KvWire | None,
        block_tokens: int,
    ) -> None:
        self.requests = requests
        self.wire = wire
        self.engines = [SteppedEngine(i, instance, block_tokens) for i, instance in enumerate(instances)]
        self.entrances = [e for e in self.engines if e.spec.role != "decode"]
        self.decoders = [e for e in self.engines if e.spec.role == "decode"]
        n = len(requests)
        self.scheduled_s = np.full(n, math.nan)
        self.kv_ready_s = np.full(n, math.nan)
        self.entry = np.zeros(n, dtype=np.int64)
        self.exit = np.zeros(n, dtype=np.int64)
        self.moved = np.zeros(n, dtype=np.bool_)
        self.prompt_tokens = self.generated_tokens = 0
        order = sorted(range(n), key=lambda i: arrival_s[i])
        # (time, sequence number, kind, payload): the sequence number keeps ties in order of their making.
        self.events: list[tuple[float, int, int, Any]] = [
            (arrival_s[i], k, _ARRIVAL, requests[i]) for k, i in enumerate(order)
        ]
        self.made = n
        self.touched: set[int] = set()

    def run(self, interval_s: float | None, on_interval: Callable[[Interval], None] | None) -> float:
        """Serve everything; return when the last token was there."""
        now, number = 0.0, 1
        seen = (0, 0)
        while self.events:
            now, _, kind, payload = heapq.heappop(self.events)
            while interval_s is not None and on_interval is not None and number * interval_s < now:
                on_interval(self._interval(number, interval_s, seen))
                seen = (self.prompt_tokens, self.generated_tokens)
                number += 1
            if kind == _ARRIVAL:
                engine = min(self.entrances, key=SteppedEngine.load)
                engine.waiting.append(payload)
            elif kind == _STEP_END:
                engine = payload
                self._finish_step(engine, now)
            else:
                engine, request = payload
                self._take_in(engine, request, now)
            self.touched.add(engine.number)
            # What happens at one time is seen by one step: start it when nothing more happens now.
            if not self.events or self.events[0][0] > now:
                for i in sorted(self.touched):
                    self._start_step(self.engines[i], now)
                self.touched.clear()
        if interval_s is not None and on_interval is not None and self.requests:
            on_interval(self._interval(number, interval_s, seen))
        return now

    def _push(self, time_s: float, kind: int, payload: Any) -> None:
        self.made += 1
        heapq.heappush(self.events, (time_s, self.made, kind, payload))

    def _start_step(self, engine: SteppedEngine, now: float) -> None:
        """Start the next step of an idle engine, if there is anything to do."""
        if engine.batch:
            return
        for index in engine.schedule():
            if math.isnan(self.scheduled_s[index]):
                self.scheduled_s[index] = now
        if engine.batch:
            self._push(now + engine.step_s(), _STEP_END, engine)
        if engine.spec.role == "decode":
            self._pull(engine, now)

    def _finish_step(self, engine: SteppedEngine, now: float) -> None:
        """Count the tokens of a step, let finished sequences go, hand over what prefill has done."""
        batch, engine.batch = engine.batch, []
        gone = False
        for request, tokens in batch:
            was_prompt = request.computed < request.prompt and not request.tokens_s
            request.computed += tokens
            if was_prompt:
                self.prompt_tokens += tokens
            if request.computed < request.known:
                continue
            request.tokens_s.append(now)
            request.known += 1
            request.left -= 1
            self.generated_tokens += 1
            if len(request.tokens_s) == 1:
                self.entry[request.index] = engine.number
            if request.left == 0:
                self.exit[request.index] = engine.number
                engine.release(request)
                gone = True
            elif engine.spec.role == "prefill":
                self._hand_over(request, engine, now)
                gone = True
        if gone:
            engine.running = [r for r in engine.running if r.left > 0 and r.pulled_from is None]
        if engine.spec.role == "decode":
            self._pull(engine, now)

    def _hand_over(self, request: TracedRequest, engine: SteppedEngine, now: float) -> None:
        """Offer a prefilled request to the least loaded decode instance; its KV stays where it is."""
        request.pulled_from = engine, request.blocks
        request.blocks = 0
        self.moved[request.index] = True
        decoder = min(self.decoders, key=SteppedEngine.load)
        decoder.waiting.append(request)
        self._pull(decoder, now)

    def _pull(self, decoder: SteppedEngine, now: float) -> None:
        """Start the transfer of the requests at the head of the queue for which there is room."""
        assert self.wire is not None
        while decoder.waiting and len(decoder.running) + decoder.incoming < decoder.spec.max_sequences:
            request = decoder.waiting[0]
            if request.pulled_from is None or not decoder.hold(request, request.known):
                return
            decoder.waiting.popleft()
            decoder.incoming += 1
            source, _ = request.pulled_from
            start = max(now, source.wire_free_s)
            source.wire_free_s = start + self.wire.transfer_s(request.prompt)
            self._push(source.wire_free_s, _KV_THERE, (decoder, request))

    def _take_in(self, decoder: SteppedEngine, request: TracedRequest, now: float) -> None:
        """The KV is there: free it at its source, and join the next step."""
        assert request.pulled_from is not None
        source, blocks = request.pulled_from
        request.pulled_from = None
        source.free += blocks
        decoder.incoming -= 1
        decoder.running.append(request)
        self.kv_ready_s[request.index] = now
        self.touched.add(source.number)

    def _interval(self, number: int, interval_s: float, seen: tuple[int, int]) -> Interval:
        """Describe the interval that just ended."""
        return Interval(
            number,
            number * interval_s,
            (self.prompt_tokens - seen[0]) / interval_s,
            (self.generated_tokens - seen[1]) / interval_s,
            tuple(len(e.running) + e.incoming for e in self.engines),
            tuple((e.blocks - e.free) * e.block_tokens for e in self.engines),
        )


def simulate_cluster(
    arrival_s: Sequence[float],
    prompt_tokens: Sequence[int],
    output_tokens: Sequence[int],
    instances: Sequence[ServingInstance],
    wire: KvWire | None = None,
    *,
    block_tokens: int = 16,
    interval_s: float | None = None,
    on_interval: Callable[[Interval], None] | None = None,
) -> ClusterRun:
    """Serve a trace on a cluster and return the time of every token.

    Parameters
    ----------
    arrival_s : sequence of float
        Arrivals in any order [s], >= 0.
    prompt_tokens, output_tokens : sequence of int
        Lengths [tok], at least 1.
    instances : sequence of ServingInstance
        Requests enter at the prefill and combined ones; prefill and decode ones come together.
    wire : KvWire, optional
        What carries KV; needed with prefill instances.
    block_tokens : int
        Tokens of one KV block [tok].
    interval_s : float, optional
        Length of the intervals that ``on_interval`` is told of [s].
    on_interval : callable, optional
        Called with an `Interval` at the end of each, the last one included.

    Returns
    -------
    ClusterRun

    Raises
    ------
    InputError
        Lengths or arrivals that cannot be, a cluster without an entrance or an exit, a request whose KV no
        instance can hold.

    Notes
    -----
    The router sends a request, and later its KV, to the instance with the smallest ``4 waiting + running``.
    Prefix caching, pipeline and expert parallelism are not modelled. A run of a trace is a transient: it
    says what happened to these requests, not what a steady state looks like.

    Examples
    --------
    >>> from pdplan.latency import DecodeFit, Fitted, PrefillFit
    >>> steps = Fitted(PrefillFit(0.01, 1e-4), (DecodeFit(0.02, 0.0),), (1, 4096), (1, 64), "made up")
    >>> prefill = ServingInstance("prefill", steps, 10_000)
    >>> decode = ServingInstance("decode", steps, 10_000)
    >>> run = simulate_cluster([0.0], [900], [3], [prefill, decode], KvWire(1e9, 0.0, 1e5))
    >>> [round(float(t), 3) for t in run.token_s[0]], round(float(run.kv_ready_s[0]), 3)
    ([0.1, 0.21, 0.23], 0.19)
    """
    require_servable(arrival_s, prompt_tokens, output_tokens, instances, wire, block_tokens, interval_s)
    pairs = zip(prompt_tokens, output_tokens, strict=True)
    requests = [TracedRequest(i, int(p), int(o)) for i, (p, o) in enumerate(pairs)]
    arrivals = [float(a) for a in arrival_s]
    cluster = _Cluster(requests, arrivals, instances, wire, block_tokens)
    cluster.run(interval_s, on_interval)
    return ClusterRun(
        np.array(arrivals),
        np.array(prompt_tokens, dtype=np.int64),
        np.array(output_tokens, dtype=np.int64),
        cluster.scheduled_s,
        cluster.moved,
        cluster.kv_ready_s,
        cluster.entry,
        cluster.exit,
        tuple(np.array(r.tokens_s) for r in requests),
        sum(e.preemptions for e in cluster.engines),
        tuple(e.peak * block_tokens for e in cluster.engines),
    )
