"""Both ledgers of a split over prompt lengths: freight on TTFT, interference on ITL; and what pooling saves.

Splitting pays freight once per request, in TTFT, and saves interference in every step that would share its
batch with a prefill chunk. In the linear model both prefill and freight are proportional to the prompt: the
penalty is one number. A real latency model bends it, and `LedgerSweep` says by what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.latency.model import LatencyModel, prompt_prefill_s
from pdplan.serving.economics import (
    colocated_itl_worst,
    disagg_ttft_penalty,
    kv_payload_bytes,
    transfer_seconds,
)

if TYPE_CHECKING:
    from pdplan.planner.evaluate import Disaggregated
    from pdplan.spec.scenario import Scenario

Array = NDArray[np.float64]

#: Prompt lengths that are swept unless others are given [tok].
PROMPTS: Final = tuple(float(2**k) for k in range(7, 16))


@dataclass(frozen=True, eq=False, slots=True)
class LedgerSweep:
    """Both ledgers at each prompt length; arrays of one length.

    ``penalty``: transfer over prefill [-]. ``itl_colocated_s``: worst gap between tokens when chunks of the
    prompt share the steps; ``itl_gain`` is it over ``decode_step_s``, a clean step [-]. Three shares say what
    bends the penalty: ``fixed_share`` and ``attention_share`` of prefill (what a step takes that does not
    grow with the prompt, and what grows with its square), ``startup_share`` of the transfer [-].
    """

    prompt_tokens: Array
    payload_bytes: Array
    transfer_s: Array
    prefill_s: Array
    penalty: Array
    decode_step_s: float
    chunk_tokens: float
    itl_colocated_s: Array
    itl_gain: Array
    fixed_share: Array
    attention_share: Array
    startup_share: Array

    @property
    def bend(self) -> Array:
        """Slope of log penalty over log prompt length between lengths; 0 where the penalty is flat [-]."""
        return np.diff(np.log(self.penalty)) / np.diff(np.log(self.prompt_tokens))

    def document(self) -> dict[str, Any]:
        """Return the arrays as lists."""
        names = self.__slots__
        return {n: v.tolist() if isinstance(v := getattr(self, n), np.ndarray) else v for n in names}


def linear_ledgers(
    prompt_tokens: Sequence[float] = PROMPTS,
    *,
    kv_bytes_per_token: float,
    link_gbit_per_s: float,
    prefill_s_per_token: float,
    decode_step_s: float,
    chunk_tokens: float,
) -> LedgerSweep:
    """Sweep prompt lengths where prefill, freight and chunks are all proportional to tokens.

    Parameters
    ----------
    prompt_tokens : sequence of float
        Lengths, increasing [tok].
    kv_bytes_per_token : float
        KV of one token [bytes/tok].
    link_gbit_per_s : float
        Line rate [Gb/s].
    prefill_s_per_token, decode_step_s : float
        Prefill of one token, and a decode step without a chunk [s].
    chunk_tokens : float
        Largest chunk of a prompt in one step [tok].

    Raises
    ------
    InputError
        Values that are not positive, or lengths that do not increase.

    Examples
    --------
    2048 tokens of an 8B (128 KiB a token) take 205 ms of prefill and 10.7 ms at 200 Gb/s:

    >>> s = linear_ledgers(kv_bytes_per_token=131072, link_gbit_per_s=200, prefill_s_per_token=0.205 / 2048,
    ...                    decode_step_s=0.01, chunk_tokens=2048)
    >>> s.penalty[[0, 8]].round(4).tolist(), s.itl_gain[[0, 4, 8]].round(2).tolist()
    ([0.0524, 0.0524], [2.28, 21.5, 21.5])
    """
    n = _lengths(prompt_tokens)
    require_positive("prefill_s_per_token", prefill_s_per_token, "s/tok")
    require_positive("chunk_tokens", chunk_tokens, "tok")
    payload = kv_payload_bytes(n, kv_bytes_per_token)
    transfer, prefill = transfer_seconds(payload, link_gbit_per_s), prefill_s_per_token * n
    worst = colocated_itl_worst(decode_step_s, prefill_s_per_token * np.minimum(n, chunk_tokens))
    none = np.zeros_like(n)
    return LedgerSweep(
        n,
        payload,
        transfer,
        prefill,
        disagg_ttft_penalty(transfer, prefill),
        decode_step_s,
        chunk_tokens,
        worst,
        worst / decode_step_s,
        none,
        none,
        none,
    )


def ledgers(scenario: Scenario, prompt_tokens: Sequence[float] = PROMPTS) -> LedgerSweep:
    """Sweep prompt lengths with the latency model, link and cheapest fleet of a scenario.

    Prefill is that of one prompt alone on a prefill instance of the fleet; chunks share the steps of its
    decode instance at its mean batch, so that both sides run on the same hardware.

    Raises
    ------
    InputError
        Lengths that are not positive or do not increase.
    InfeasibleError
        The scenario has no fleet.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> s = ledgers(builtin_scenario(), [128, 2048, 32768])
    >>> [bool(s.itl_gain[0] < s.itl_gain[1]), s.chunk_tokens, bool(s.penalty[2] < s.penalty[1])]
    [True, 2048.0, True]
    """
    from pdplan.planner.problem import assemble
    from pdplan.planner.search import Search
    from pdplan.planner.sizing import find

    n = _lengths(prompt_tokens)
    search = Search(assemble(scenario))
    best = find(search)
    fleet = search.evaluator.fleet(best.prefill, best.prefill_count, best.decode, best.decode_count)
    return _of_fleet(fleet, n)


def _of_fleet(fleet: Disaggregated, n: Array) -> LedgerSweep:
    from pdplan.latency.parameters import kv_bytes
    from pdplan.serving.transfer import link_seconds

    problem = fleet.problem
    sc = problem.scenario
    share = 1.0 - sc.decode.prefix_hit
    payload = np.asarray(share * kv_bytes(problem.model.shape, n, sc.kv_dtype), dtype=float)
    t0 = problem.link.t0_s
    transfer = np.asarray(link_seconds(payload, fleet.link.bytes_per_s, t0), dtype=float)
    model = fleet.prefill.option.latency
    prefill = np.asarray(prompt_prefill_s(model, n), dtype=float)
    step, worst = _steps(fleet, n)
    return LedgerSweep(
        n,
        payload,
        transfer,
        prefill,
        disagg_ttft_penalty(transfer, prefill),
        step,
        float(sc.colocated.chunk_tokens),
        worst,
        worst / step,
        float(model.prefill_step_s(1.0, 1.0)) / prefill,
        1.0 - np.asarray(model.prefill_step_s(n, 0.0 * n), dtype=float) / prefill,
        t0 / transfer,
    )


def _steps(fleet: Disaggregated, n: Array) -> tuple[float, Array]:
    """A clean decode step at the mean batch, and the slowest step with a chunk of each prompt [s]."""
    sc = fleet.problem.scenario
    model: LatencyModel = fleet.decode.option.latency
    batch = max(1.0, fleet.decode.law.mean_batch)
    context = batch * fleet.problem.decode_work.mean_context
    factor = sc.decode.step_factor
    clean = float(model.decode_step_s(batch, context)) / factor
    worst = []
    for prompt in n:
        chunk = min(float(prompt), float(sc.colocated.chunk_tokens))
        before = chunk * (np.ceil(prompt / chunk) - 1) if prompt > chunk else 0.0
        last = prompt - before  # the last chunk may be short: the one before it is full
        ends = [(last, before)] + ([(chunk, before - chunk)] if before > 0 else [])
        spans = [float(model.mixed_step_s(batch, context, c, (2 * b + c) * c)) for c, b in ends]
        worst.append(max(spans) / factor)
    return clean, np.array(worst)


@dataclass(frozen=True, eq=False, slots=True)
class PooledWaits:
    """Mean waits of prefill instances [s]: rows are pool sizes, columns loads.

    ``memoryless``: M/M/c; ``equal``: M/D/c. The first row is an instance on its own, as each engine of a
    colocated fleet is; any P serves any D, so the pools of a split fleet are the other rows.
    """

    instances: NDArray[np.int64]
    load: Array
    service_s: float
    memoryless_s: Array
    equal_s: Array

    @property
    def saved(self) -> Array:
        """Share of the wait of an instance on its own that pooling saves, memoryless [-]."""
        saved: Array = 1.0 - self.memoryless_s / self.memoryless_s[0]
        return saved


def pooled_waits(
    service_s: float,
    instances: Sequence[int] = (1, 2, 4, 8),
    load: Sequence[float] = (0.3, 0.5, 0.7, 0.8, 0.9),
) -> PooledWaits:
    """Mean wait of prefill at equal load, by how many instances share one queue.

    Parameters
    ----------
    service_s : float
        Prefill of one prompt [s].
    instances : sequence of int
        Pool sizes; the first is what the others are compared with.
    load : sequence of float
        Load of each instance, in (0, 1) [-].

    Raises
    ------
    InputError, UnstableError
        Values out of range.

    Examples
    --------
    M/M/1 at load 0.8 waits 0.8/0.2 = 4 services; four that share one queue wait 0.746 (Erlang C 0.5964):

    >>> w = pooled_waits(1.0, [1, 4], [0.8])
    >>> w.memoryless_s.ravel().round(4).tolist(), w.saved.ravel().round(2).tolist()
    ([4.0, 0.7455], [0.0, 0.81])
    """
    from pdplan.queueing import MDc, MMc

    require_positive("service_s", service_s, "s")
    if not instances or not load:
        raise InputError("give at least one pool size and one load")
    counts, loads = np.asarray(instances, dtype=np.int64), np.asarray(load, dtype=float)

    def waits(law: type[MMc] | type[MDc]) -> Array:
        return np.asarray(
            [[law(c * x / service_s, service_s, c).mean_wait_s for x in loads] for c in counts.tolist()]
        )

    return PooledWaits(counts, loads, service_s, waits(MMc), waits(MDc))


def _lengths(prompt_tokens: Sequence[float]) -> Array:
    n: Array = np.asarray(prompt_tokens, dtype=float)
    if n.ndim != 1 or n.size == 0 or not np.all(np.isfinite(n)) or np.any(n < 1) or np.any(np.diff(n) <= 0):
        raise InputError("prompt_tokens: give lengths of at least 1 token, each longer than the one before")
    return n
