"""The colocated baseline as a station: one fleet of engines that prefill and decode.

Two engines: `ChunkedStation` (an iteration carries the decodes and up to C tokens in all) and
`PrefillFirstStation` (waiting prompts go first, decode stands still meanwhile: vLLM v0, Orca).
`colocated_station` picks by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction, require_positive, require_stable
from pdplan.errors import InputError, UnstableError, did_you_mean
from pdplan.latency.model import LatencyModel
from pdplan.serving.chain_ttft import FinishDelay, finish_delay
from pdplan.serving.colocated import mean_tpot_s, packed_load, prefill_share, tpot_bracket_s, worst_itl_s
from pdplan.serving.composition import TtftLaw, ttft_law
from pdplan.serving.decode_step import ModelStep
from pdplan.serving.decode_work import DecodeWork
from pdplan.serving.demand import ClassDemand, pooled
from pdplan.serving.discrete_law import DiscreteLaw
from pdplan.serving.roots import decreasing_root
from pdplan.serving.stationary_batch import StationaryBatch
from pdplan.serving.step_chain import StepChain, solve_step_chain
from pdplan.trust import Trust

Array = NDArray[np.float64]
Discipline = Literal["chunked", "prefill_first"]

#: Largest batch looked at when the engine sets no limit.
_NO_LIMIT = 65536.0


@dataclass(frozen=True, eq=False, slots=True)
class _Lengths:
    """What the lengths of a mix give, whatever the rate: kept, since searches ask for many fleet sizes."""

    mix: ClassDemand
    work: DecodeWork | None
    new_tokens: Array
    cached_tokens: Array
    weight: Array


@lru_cache(maxsize=64)
def _lengths(demands: tuple[ClassDemand, ...]) -> _Lengths:
    mix = pooled(demands)
    pairs = np.stack([np.maximum(mix.prompt_tokens - mix.cached, 1.0), mix.cached])
    distinct, index = np.unique(pairs, axis=1, return_inverse=True)
    work = DecodeWork.from_demand(mix, "prefill") if (mix.output_tokens > 1).any() else None
    return _Lengths(
        mix, work, distinct[0], distinct[1], np.bincount(index.ravel(), mix.weight).astype(np.float64)
    )


@dataclass(frozen=True, slots=True)
class SlowedStep:
    """t(n)/(1 - u): a decode step stretched by the prefill work between and inside iterations."""

    step: ModelStep
    share: float

    @property
    def valid_to(self) -> float:
        """Largest batch of the model's range [-]."""
        return self.step.valid_to

    @property
    def per_context_token_s(self) -> float:
        """What one more token of context adds [s/tok]."""
        return self.step.per_context_token_s / (1 - self.share)

    def at(self, batch: Any) -> Array:
        """Stretched step time [s]."""
        return self.step.at(batch) / (1 - self.share)


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
        return replace(_lengths(tuple(self.demands)).mix, arrival_rate=self.arrival_rate)

    @property
    def arrival_rate(self) -> float:
        """Requests per second of one instance [1/s]."""
        return sum(d.arrival_rate for d in self.demands) / self.instances

    @property
    def new_tokens(self) -> Array:
        """Uncached prompt tokens of the distinct prompts of the mix, at least 1 [tok]."""
        return _lengths(tuple(self.demands)).new_tokens

    @property
    def cached_tokens(self) -> Array:
        """Cached prompt tokens of the distinct prompts [tok]."""
        return _lengths(tuple(self.demands)).cached_tokens

    @property
    def prompt_weight(self) -> Array:
        """Probability of each distinct prompt [-]."""
        return _lengths(tuple(self.demands)).weight

    @property
    def work(self) -> DecodeWork | None:
        """Decode steps and contexts; None if every request has one output token."""
        return _lengths(tuple(self.demands)).work

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
        # t(n) at whole n up to a batch of practical size, straight in between; asked for directly beyond it
        whole = np.arange(1.0, min(limit, 1024.0) + 3)
        times = self.step.at(whole)

        def gap(batch: float) -> float:
            share = share_at(batch)
            if share >= 1:
                return math.inf
            step = (
                np.interp(batch + 1.0, whole, times) if batch + 1 <= whole[-1] else self.step.at(batch + 1.0)
            )
            return self.steps_per_s * float(step) / (1 - share) - batch

        low, high = 0.0, min(1.0, limit)
        while gap(high) > 0:
            if high >= limit:
                raise UnstableError(
                    f"the colocated ({self.discipline}) instance cannot keep up at {self.arrival_rate:.4g} "
                    f"req/s: its batch would pass {limit:.4g}; add instances or lower the rate"
                )
            low, high = high, min(2 * high, limit)
        return decreasing_root(gap, low, high, rtol=1e-9)

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


@dataclass(frozen=True, eq=False)
class ChunkedStation(ColocatedStation):
    """Chunked prefill: an iteration carries the running decodes and prompt tokens up to the budget."""

    discipline = "chunked"

    @property
    def _largest_batch(self) -> float:
        return self.budget_tokens - 1.0

    @property
    def prompt_budget(self) -> float:
        """C - b: decodes count against the budget [tok]."""
        return self.budget_tokens - self.typical_batch

    def _chunk_extra_s(self, batch: Any, tokens: Any, attention: Any) -> Array:
        """What a chunk adds to an iteration of ``batch`` decodes [s]."""
        context = batch * self.step.mean_context
        mixed = np.asarray(self.model.mixed_step_s(batch, context, tokens, attention), dtype=float)
        plain = np.asarray(self.model.decode_step_s(batch, context), dtype=float)
        return np.asarray(np.maximum(mixed - plain, 0.0))

    def extra_s(self, batch: Array) -> Array:
        """Full chunks at their mean attention, then the rest [s]."""
        b = np.asarray(batch, dtype=float)[:, None]
        new, cached = self.new_tokens[None, :], self.cached_tokens[None, :]
        chunk = np.maximum(self.budget_tokens - b, 1.0)
        full = np.floor(new / chunk)
        rest = new - full * chunk
        through = (full * chunk + cached) ** 2
        per_chunk = (through - cached**2) / np.maximum(full, 1.0)
        shape = np.broadcast_shapes(b.shape, new.shape)
        wide = np.broadcast_to(b, shape)
        whole = self._chunk_extra_s(wide, np.broadcast_to(chunk, shape), per_chunk)
        last = self._chunk_extra_s(wide, rest, (new + cached) ** 2 - through)
        return np.asarray(full * whole + np.where(rest > 0, last, 0.0))

    @cached_property
    def _attention_per_token(self) -> float:
        """Mean of (n + c)^2 - c^2 over the mean of n: attention work of a prompt token [tok]."""
        squares = (self.new_tokens + self.cached_tokens) ** 2 - self.cached_tokens**2
        return float(self.prompt_weight @ squares) / float(self.prompt_weight @ self.new_tokens)

    def iteration_s(self, prompt_tokens: Array) -> Array:
        """t(b) and what the chunk adds [s]."""
        tokens = np.asarray(prompt_tokens, dtype=float)
        batch = np.full_like(tokens, self.typical_batch)
        extra = self._chunk_extra_s(batch, tokens, tokens * self._attention_per_token)
        base = self.step.at(np.full_like(tokens, self.typical_batch))
        return np.asarray(base + np.where(tokens > 0, extra, 0.0))

    @cached_property
    def itl(self) -> DiscreteLaw:
        """Gaps over tokens: the step of the batch that the token sees, and the chunk in that iteration."""
        plain = self.decode.itl
        base = plain.value * (1 - self.prefill_share)
        chain = self.chain_with_decodes
        extra = chain.duration_s - chain.duration_s[0]
        values = (base[:, None] + extra[None, :]).ravel()
        weight = (plain.weight[:, None] * chain.carried_pmf[None, :]).ravel()
        kept = weight > 1e-12
        return DiscreteLaw.of(values[kept], weight[kept] / weight[kept].sum())

    @property
    def worst_itl_s(self) -> float:
        """t(b) + a full chunk [s]."""
        step = float(self.step.at(self.typical_batch))
        return float(worst_itl_s(step, float(self.iteration_s(np.array([self.prompt_budget]))[0]) - step))


def colocated_station(
    demands: Sequence[ClassDemand],
    model: LatencyModel,
    *,
    instances: int = 1,
    discipline: Discipline = "chunked",
    budget_tokens: float = 2048.0,
    max_batch: int | None = None,
    kv_capacity_tokens: float | None = None,
    step_factor: float = 0.95,
) -> ColocatedStation:
    """Return the station of the named engine, solved.

    Raises
    ------
    InputError
        An engine that is not known.
    UnstableError
        More work than the engines can do.

    Examples
    --------
    >>> from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
    >>> model = Fitted(PrefillFit(0.008, 5e-5), (DecodeFit(0.008, 1e-4),), (1, 1e5), (1, 512), "example")
    >>> chat = ClassDemand("chat", 8.0, np.array([1000.0]), np.array([201.0]), np.array([1.0]))
    >>> s = colocated_station([chat], model, instances=2, budget_tokens=512, step_factor=1.0)
    >>> round(s.prefill_share, 6), round(s.mean_tpot_s, 6), s.trust.value     # 4 x 1000 x 50 us; t/(1 - u)
    (0.2, 0.01125, 'approximate')
    >>> low, high = s.tpot_quantile_bounds_s(0.99)
    >>> low < high < 0.05, round(s.worst_itl_s, 4)
    (True, 0.0341)
    """
    from pdplan.serving.prefill_first import PrefillFirstStation

    kinds: dict[str, type[ColocatedStation]] = {
        "chunked": ChunkedStation,
        "prefill_first": PrefillFirstStation,
    }
    if discipline not in kinds:
        raise InputError(
            f"colocated discipline {discipline!r} is not known: use chunked or prefill_first"
            f"{did_you_mean(discipline, kinds)}"
        )
    return kinds[discipline](
        demands,
        model,
        instances,
        max_batch,
        kv_capacity_tokens,
        step_factor,
        budget_tokens=budget_tokens,
    )
