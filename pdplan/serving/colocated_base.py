"""What colocated engines share: one fleet of instances that prefill and decode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from pdplan.checks import require_fraction, require_positive, require_stable
from pdplan.errors import InputError, UnstableError, did_you_mean
from pdplan.latency.model import LatencyModel
from pdplan.serving.chain_ttft import FinishDelay, finish_delay
from pdplan.serving.colocated import mean_tpot_s, packed_load, prefill_share, tpot_bracket_s
from pdplan.serving.colocated_mix import Array, SlowedStep, met_batch, mix_lengths
from pdplan.serving.composition import TtftLaw, ttft_law
from pdplan.serving.decode_step import ModelStep
from pdplan.serving.decode_work import DecodeWork
from pdplan.serving.demand import ClassDemand
from pdplan.serving.discrete_law import DiscreteLaw
from pdplan.serving.stationary_batch import StationaryBatch
from pdplan.serving.step_chain import StepChain, solve_step_chain
from pdplan.trust import Trust

#: Largest batch looked at when the engine sets no limit.
_NO_LIMIT = 65536.0


@dataclass(frozen=True, eq=False)
class ColocatedStation:
    """What both engines share; use `ChunkedStation` or `PrefillFirstStation`.

    Parameters
    ----------
    demands : sequence of ClassDemand
        The classes, with the rates offered to the whole fleet.
    model : LatencyModel
        Step times of one instance.
    instances : int
        Engines; requests are dealt to them at random, each gets total/instances.
    max_batch : int, optional
        Most requests that decode at once in one engine. Default: no limit.
    kv_capacity_tokens : float, optional
        KV room of one engine [tok].
    step_factor : float
        In-system over isolated speed of decode steps, t_system = t/f [-].
    budget_tokens : float
        Tokens of an iteration, decodes included (chunked); prompt tokens of a prefill step (prefill first).

    Raises
    ------
    UnstableError
        More work than the engines can do.

    Notes
    -----
    Approximate: the batch seen by prompts is held at its mean, and the prompt queue seen by decodes at its
    law for that batch. Measured errors are in docs/validation/colocated.md.
    """

    demands: Sequence[ClassDemand]
    model: LatencyModel
    instances: int = 1
    max_batch: int | None = None
    kv_capacity_tokens: float | None = None
    step_factor: float = 0.95
    budget_tokens: float = field(default=2048.0, kw_only=True)
    discipline: ClassVar[str]

    def __post_init__(self) -> None:
        """Check, and refuse an engine that cannot carry its load."""
        require_positive("instances", self.instances)
        require_positive("budget_tokens", self.budget_tokens, "tok")
        require_fraction("step_factor", self.step_factor, open_low=True)
        if self.max_batch is not None:
            require_positive("max_batch", self.max_batch)
        require_stable(self.utilization, what=f"the colocated ({self.discipline}) instance")

    # ------------------------------------------------------------------ what comes

    @cached_property
    def mix(self) -> ClassDemand:
        """All classes as one, at the rate of one instance."""
        return replace(mix_lengths(tuple(self.demands)).mix, arrival_rate=self.arrival_rate)

    @property
    def arrival_rate(self) -> float:
        """Requests per second of one instance [1/s]."""
        return sum(d.arrival_rate for d in self.demands) / self.instances

    @property
    def new_tokens(self) -> Array:
        """Uncached prompt tokens of the distinct prompts of the mix, at least 1 [tok]."""
        return mix_lengths(tuple(self.demands)).new_tokens

    @property
    def cached_tokens(self) -> Array:
        """Cached prompt tokens of the distinct prompts [tok]."""
        return mix_lengths(tuple(self.demands)).cached_tokens

    @property
    def prompt_weight(self) -> Array:
        """Probability of each distinct prompt [-]."""
        return mix_lengths(tuple(self.demands)).weight

    @property
    def work(self) -> DecodeWork | None:
        """Decode steps and contexts; None if every request has one output token."""
        return mix_lengths(tuple(self.demands)).work

    @cached_property
    def step(self) -> ModelStep:
        """t(n) of decode alone."""
        context = self.work.mean_context if self.work else self.mix.mean_prompt_tokens
        return ModelStep.of(self.model, context, self.step_factor)

    # ------------------------------------------------------------------ the fixed point

    def extra_s(self, batch: Array) -> Array:
        """Prefill time that each atom of the mix adds, at each batch [s], shape (batches, atoms)."""
        raise NotImplementedError

    def iteration_s(self, prompt_tokens: Array) -> Array:
        """Length of an iteration that carries this many prompt tokens, at the mean batch [s]."""
        raise NotImplementedError

    @cached_property
    def _mean_extra(self) -> Callable[[float], float]:
        """E X as a function of the batch: evaluated on a coarse grid, linear in between."""
        limit = float(self.max_batch or min(self.step.valid_to, _NO_LIMIT))
        limit = min(limit, self._largest_batch)
        grid = np.concatenate([[0.0], np.geomspace(1.0, max(limit, 2.0), 9)])
        values = self.extra_s(grid) @ self.prompt_weight
        return lambda batch: float(np.interp(batch, grid, values))

    @property
    def _largest_batch(self) -> float:
        """Batch at which the engine has no room left for prompts [-]."""
        return _NO_LIMIT

    @cached_property
    def steps_per_s(self) -> float:
        """Decode steps asked per second, lam G [1/s]."""
        if self.work is None:
            return 0.0
        return self.arrival_rate * self.work.decode_share * self.work.mean_steps

    @cached_property
    def typical_batch(self) -> float:
        """The fixed point b = lam G t(b + 1)/(1 - u(b)): the batch that prompts meet [-].

        The smallest solution, found from below; without one the instance is overloaded.
        """
        return self._batch_at(lambda batch: self.arrival_rate * self._mean_extra(batch))

    def _batch_at(self, share_at: Callable[[float], float]) -> float:
        """Solve b = lam G t(b + 1)/(1 - u(b)) from below."""
        if self.steps_per_s == 0:
            return 0.0
        limit = min(float(self.max_batch or _NO_LIMIT), self._largest_batch)
        batch = met_batch(self.steps_per_s, self.step, share_at, limit)
        if batch is None:
            raise UnstableError(
                f"the colocated ({self.discipline}) instance cannot keep up at {self.arrival_rate:.4g} "
                f"req/s: its batch would pass {limit:.4g}; add instances or lower the rate"
            )
        return batch

    @cached_property
    def prefill_share(self) -> float:
        """Share u of the time that prefill takes from decode [-]."""
        share = prefill_share(self.arrival_rate, self._mean_extra(self.typical_batch))
        require_stable(share, what="the colocated instance's prefill")
        return float(share)

    @cached_property
    def utilization(self) -> float:
        """The larger load: prompts over what full iterations carry, or decode between prefills [-]."""
        full = float(self.iteration_s(np.array([self.prompt_budget]))[0])
        tokens = self.arrival_rate * float(self.prompt_weight @ self.new_tokens)
        decode = 0.0 if self.work is None else self.decode.utilization
        return float(max(packed_load(tokens, full, self.prompt_budget), self.prefill_share, decode))

    @property
    def prompt_budget(self) -> float:
        """Prompt tokens that fit into one iteration at the typical batch [tok]."""
        return self.budget_tokens

    # ------------------------------------------------------------------ time per token

    @cached_property
    def decode(self) -> StationaryBatch:
        """Decode with its steps stretched: the law of the batch, and KV in use."""
        if self.work is None:
            raise InputError("every request has one output token: TPOT and ITL are undefined")
        step = SlowedStep(self.step, self.prefill_share)
        return StationaryBatch(self.arrival_rate, self.work, step, self.max_batch, self.kv_capacity_tokens)

    @property
    def mean_batch(self) -> float:
        """Mean number of requests that decode in one instance [-]."""
        return 0.0 if self.work is None else self.decode.mean_batch

    @property
    def mean_tpot_s(self) -> float:
        """Mean time per output token, t/(1 - u) over the law of the batch [s]."""
        return self.decode.mean_tpot_s

    @property
    def cheap_mean_tpot_s(self) -> float:
        """The same with the batch at its fixed point, for searches: b/(lam G) [s]."""
        if self.work is None:
            raise InputError("every request has one output token: TPOT is undefined")
        return float(mean_tpot_s(float(self.step.at(self.typical_batch + 1.0)), self.prefill_share))

    @cached_property
    def chain(self) -> StepChain:
        """Law of the prompt tokens waiting at iteration starts."""
        return self._chain_at(self.iteration_s, self._idle)

    @property
    def _idle(self) -> float:
        """Probability that an engine without prompts has nothing to decode, over iteration starts [-].

        Idle spells last 1/lam, decode steps d: of the time without prompts idle spells take P(batch = 0).
        """
        if self.work is None:
            return 1.0
        share = float(self.decode.batch_pmf[0])
        step_s = float(self.step.at(max(self.typical_batch, 1.0)))
        return share * step_s / (share * step_s + (1.0 - share) / self.arrival_rate)

    @cached_property
    def chain_with_decodes(self) -> StepChain:
        """The same while requests decode: what tokens see (an idle engine makes no tokens)."""
        return self.chain if self.chain.idle < 1e-4 else self._chain_at(self.iteration_s, 0.0)

    def _chain_at(self, iteration_s: Callable[[Array], Array], idle: float) -> StepChain:
        return solve_step_chain(
            self.arrival_rate, self.new_tokens, self.prompt_weight, self.prompt_budget, iteration_s, idle=idle
        )

    @cached_property
    def itl(self) -> DiscreteLaw:
        """Law of the gaps between tokens [s]."""
        raise NotImplementedError

    def itl_quantile_s(self, p: Any) -> Any:
        """p-quantile of the gap between tokens, over gaps [s]."""
        return self.itl.quantile(p)

    @property
    def worst_itl_s(self) -> float:
        """Decode step at the typical batch and the most prefill that can come in between [s]."""
        raise NotImplementedError

    def tpot_quantile_bounds_s(self, p: float) -> tuple[float, float]:
        """Bracket of the p-quantile of TPOT over requests: the mean below, the ITL law above [s]."""
        return tpot_bracket_s(self.mean_tpot_s, float(self.itl_quantile_s(p)), p)

    # ------------------------------------------------------------------ time to first token

    def ttft(self, name: str | None = None, overhead_s: float = 0.0) -> TtftLaw:
        """Law of the time to first token of a class (of all requests without a name).

        ``overhead_s`` is what a request spends outside the engine [s].

        Its mean is in the parts ``residual`` (the rest of the iteration met on arrival) and ``prefill`` (full
        iterations for what is ahead, then the one that ends one's own prompt) of `ttft_parts`.
        """
        return ttft_law({"iterations": self._finish(name)}, {"overhead": overhead_s}, np.ones(1))

    def ttft_parts(self, name: str | None = None) -> dict[str, float]:
        """Mean of ``residual`` and ``prefill`` [s]; they add up to the mean TTFT."""
        law = self._finish(name)
        return {"residual": law.mean_residual_s, "prefill": law.mean_s - law.mean_residual_s}

    def _finish(self, name: str | None) -> FinishDelay:
        demand = self.mix if name is None else self._class(name)
        own = self.chain.own_units(demand.prompt_tokens - demand.cached, demand.weight)
        return finish_delay(self.chain, own)

    def mean_ttft_s(self, name: str | None = None) -> float:
        """Mean time to first token [s]."""
        return self.ttft(name).mean_s

    def _class(self, name: str) -> ClassDemand:
        for demand in self.demands:
            if demand.name == name:
                return demand
        known = [d.name for d in self.demands]
        raise InputError(f"no class is called {name!r}{did_you_mean(name, known)}")

    @property
    def trust(self) -> Trust:
        """Always approximate; percentiles of TPOT come as a bracket."""
        return Trust.APPROXIMATE
