"""The inputs of a plan that may be off: the problem with each of them scaled, everything else as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from pdplan.latency.model import LatencyModel
from pdplan.planner.break_even_inputs import at_link, scaled_outputs
from pdplan.planner.need import scaled
from pdplan.planner.problem import Problem
from pdplan.planner.stations import request_overhead_s
from pdplan.serving.demand import ClassDemand
from pdplan.trust import Trust


@dataclass(frozen=True, slots=True)
class Lever:
    """One input of a plan.

    ``at`` gives the problem with the input at this factor of its value. ``served``: whether the latencies of
    a given fleet depend on it; objectives only change what is bought. ``harder``: the direction, ``up`` or
    ``down``, in which objectives can only become harder to meet; None for lengths, which also shape the
    percentiles.
    """

    name: str
    words: str
    at: Callable[[Problem, float], Problem]
    harder: Literal["up", "down"] | None = None
    served: bool = True


@dataclass(frozen=True, eq=False)
class ScaledSteps:
    """A latency model whose prefill and decode steps take so many times as long."""

    model: LatencyModel
    prefill: float = 1.0
    decode: float = 1.0

    @property
    def trust(self) -> Trust:
        """What stands behind the step times."""
        return self.model.trust

    @property
    def source(self) -> str:
        """Where the numbers come from."""
        return f"{self.model.source}, prefill x {self.prefill:g}, decode x {self.decode:g}"

    @property
    def prefill_range(self) -> tuple[float, float]:
        """Prompt tokens over which the model holds."""
        return self.model.prefill_range

    @property
    def decode_range(self) -> tuple[float, float]:
        """Batch sizes over which the model holds."""
        return self.model.decode_range

    def request_overhead_s(self, prompt_tokens: Any) -> Any:
        """Host time of a request, as it was [s]."""
        return request_overhead_s(self.model, prompt_tokens)

    def prefill_step_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        """Time of a prefill step [s]."""
        return self.prefill * self.model.prefill_step_s(new_tokens, attention_tokens_sq)

    def decode_step_s(self, batch: Any, context_tokens: Any) -> Any:
        """Time of a decode step [s]."""
        return self.decode * self.model.decode_step_s(batch, context_tokens)

    def mixed_step_s(
        self, batch: Any, context_tokens: Any, chunk_tokens: Any, chunk_attention_tokens_sq: Any
    ) -> Any:
        """Time of a mixed step: the decode step and what the chunk adds to it, each scaled [s]."""
        clean = self.model.decode_step_s(batch, context_tokens)
        mixed = self.model.mixed_step_s(batch, context_tokens, chunk_tokens, chunk_attention_tokens_sq)
        return self.decode * clean + self.prefill * (mixed - clean)


def _with_steps(problem: Problem, *, prefill: float = 1.0, decode: float = 1.0) -> Problem:
    """Return the problem with slower or faster steps in both pools."""
    problem.options("prefill")
    problem.options("decode")
    other = replace(problem)
    other.__dict__["_options"] = {
        role: ([replace(o, latency=ScaledSteps(o.latency, prefill, decode)) for o in options], rejected)
        for role, (options, rejected) in problem._options.items()
    }
    other.__dict__["decode_work"] = problem.decode_work
    return other


def _keep(problem: Problem, other: Problem) -> Problem:
    other.__dict__["_options"] = problem._options
    other.__dict__["decode_work"] = problem.decode_work
    return other


def _with_lengths(problem: Problem, change: Callable[[ClassDemand], ClassDemand]) -> Problem:
    traffic = tuple(replace(t, demand=change(t.demand)) for t in problem.traffic)
    other = replace(problem, traffic=traffic)
    other.__dict__["_options"] = problem._options
    return other


def _longer_prompt(demand: ClassDemand, factor: float) -> ClassDemand:
    prompt = np.maximum(factor * demand.prompt_tokens, 1.0)
    cached = demand.cached_tokens
    kept = None if cached is None else np.minimum(factor * cached, prompt - 1.0)
    return replace(demand, prompt_tokens=prompt, cached_tokens=kept)


def _longer_output(demand: ClassDemand, factor: float) -> ClassDemand:
    return replace(demand, output_tokens=scaled_outputs(demand, factor))


def _at_targets(problem: Problem, metric: str, factor: float) -> Problem:
    def scaled_limits(limits: Any) -> Any:
        if isinstance(limits, dict):
            return {k: v * factor for k, v in limits.items()}
        return None if limits is None else limits * factor

    traffic = tuple(
        replace(t, slo=t.slo.model_copy(update={metric: scaled_limits(getattr(t.slo, metric))}))
        for t in problem.traffic
    )
    return _keep(problem, replace(problem, traffic=traffic))


#: Every input, in the order of documents. A step factor is one over the decode step time.
LEVERS: Final[tuple[Lever, ...]] = (
    Lever("rate", "arrival rate", scaled, "up"),
    Lever("prompt_tokens", "prompt length", lambda p, f: _with_lengths(p, lambda d: _longer_prompt(d, f))),
    Lever("output_tokens", "output length", lambda p, f: _with_lengths(p, lambda d: _longer_output(d, f))),
    Lever("prefill_step", "prefill step time", lambda p, f: _with_steps(p, prefill=f), "up"),
    Lever("decode_step", "decode step time", lambda p, f: _with_steps(p, decode=f), "up"),
    Lever("link", "link bandwidth", lambda p, f: at_link(p, f * p.link.bytes_per_s), "down"),
    Lever("ttft_target", "TTFT targets", lambda p, f: _at_targets(p, "ttft", f), "down", served=False),
    Lever("tpot_target", "TPOT targets", lambda p, f: _at_targets(p, "tpot", f), "down", served=False),
)
