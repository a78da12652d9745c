"""One serving instance, step by step, as vLLM schedules it: KV blocks, chunked prefill, preemption."""

from __future__ import annotations

from collections import deque

from pdplan.sim.cluster import ServingInstance


class TracedRequest:
    """Where one request stands."""

    __slots__ = ("blocks", "computed", "index", "known", "left", "prompt", "pulled_from", "tokens_s")

    def __init__(self, index: int, prompt: int, output: int) -> None:
        self.index = index
        self.prompt = prompt
        self.known = prompt  #: tokens whose values are known: the prompt and what was generated
        self.left = output  #: tokens still to generate
        self.computed = 0  #: tokens whose KV is there
        self.blocks = 0  #: KV blocks held at the instance it belongs to
        #: where its KV waits, and in how many blocks
        self.pulled_from: tuple[SteppedEngine, int] | None = None
        self.tokens_s: list[float] = []


class SteppedEngine:
    """State of one instance."""

    def __init__(self, number: int, instance: ServingInstance, block_tokens: int) -> None:
        self.number = number
        self.spec = instance
        self.block_tokens = block_tokens
        self.free = self.blocks = instance.kv_capacity_tokens // block_tokens
        self.peak = 0
        self.waiting: deque[TracedRequest] = deque()
        self.running: list[TracedRequest] = []
        self.incoming = 0
        self.batch: list[tuple[TracedRequest, int]] = []
        self.wire_free_s = 0.0
        self.preemptions = 0

    def load(self) -> tuple[int, int]:
        """What the router compares: vLLM's ``4 waiting + running``, then the number."""
        return 4 * len(self.waiting) + len(self.running) + self.incoming, self.number

    def hold(self, request: TracedRequest, tokens: int) -> bool:
        """Give a request the blocks of ``tokens`` tokens; return whether there were enough."""
        more = -(-tokens // self.block_tokens) - request.blocks
        if more > self.free:
            return False
        if more > 0:
            self.free -= more
            request.blocks += more
            self.peak = max(self.peak, self.blocks - self.free)
        return True

    def release(self, request: TracedRequest) -> None:
        """Take back the blocks of a request."""
        self.free += request.blocks
        request.blocks = 0

    def schedule(self) -> list[int]:
        """Choose the next step, put it into ``batch``, and return who joined the running set."""
        budget, preempted, joined = self.spec.max_step_tokens, False, []
        self.batch = []
        position = 0
        while position < len(self.running) and budget > 0:
            request = self.running[position]
            tokens = min(request.known - request.computed, budget)
            while not self.hold(request, request.computed + tokens):
                preempted = True
                if self._preempt_last() is request:
                    break
            else:
                self.batch.append((request, tokens))
                budget -= tokens
                position += 1
        while (
            not preempted
            and budget > 0
            and self.waiting
            and len(self.running) + self.incoming < self.spec.max_sequences
            and self.waiting[0].pulled_from is None
        ):
            request = self.waiting[0]
            tokens = min(request.known - request.computed, budget)
            # The whole prompt must fit, not only its first chunk: chunks would admit too many and thrash.
            if -(-request.known // self.block_tokens) > self.free or not self.hold(request, tokens):
                break
            self.running.append(self.waiting.popleft())
            self.batch.append((request, tokens))
            joined.append(request.index)
            budget -= tokens
        return joined

    def step_s(self) -> float:
        """Time of the step in ``batch`` [s]."""
        decodes = context = chunk = chunk_sq = 0
        for request, tokens in self.batch:
            if tokens == 1 and request.tokens_s and request.computed > 0:
                decodes += 1
                context += request.known
            else:
                chunk += tokens
                chunk_sq += (request.computed + tokens) ** 2 - request.computed**2
        latency = self.spec.latency
        if not chunk:
            return float(latency.decode_step_s(float(decodes), float(context)))
        if not decodes:
            return float(latency.prefill_step_s(float(chunk), float(chunk_sq)))
        return float(latency.mixed_step_s(float(decodes), float(context), float(chunk), float(chunk_sq)))

    def _preempt_last(self) -> TracedRequest:
        """Send the last admitted sequence back to the head of the queue, to be computed again."""
        victim = self.running.pop()
        self.release(victim)
        victim.computed = 0
        self.waiting.appendleft(victim)
        self.preemptions += 1
        return victim
