"""The decode pool: batch, gaps between tokens, admission, KV memory."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pdplan.planner.formulas.latency import mean_admission_s
from pdplan.planner.formulas.load import (
    decode_steps_per_s,
    decode_utilization,
    full_batch_utilization,
    kv_share,
)
from pdplan.planner.stations import DecodeSide
from pdplan.planner.working.build import Quantity, Term, by_formula, computed, given, quantile_residual
from pdplan.symbolic import Derivation
from pdplan.trust import Trust

_SOURCE = "Cohen 1979; Kelly 1979 (state-dependent processor sharing); docs/theory/decode"


def decode_derivations(side: DecodeSide, percentiles: Iterable[float]) -> list[Derivation]:
    """Return every number of the decode pool; ``percentiles`` of the gap between tokens."""
    return [
        *_load(side),
        _batch(side),
        *_gaps(side, percentiles),
        *_waits(side),
        *_memory(side),
        *_reservations(side),
    ]


def _load(side: DecodeSide) -> list[Derivation]:
    law, work = side.law, side.law.work
    steps = Term(law.steps_per_s, "Lambda", "1/s", "decode.steps_per_s")
    rows = [
        by_formula(
            "decode.steps_per_s",
            "Decode steps of single requests asked of one instance, per second",
            "Lambda",
            "1/s",
            law.steps_per_s,
            decode_steps_per_s,
            arrival_rate=Term(side.problem.demand.arrival_rate, "lambda", "1/s", "rate.total"),
            instances=Term(side.count, "n_D", "", "decode.instances"),
            decode_share=Term(work.decode_share, "s"),
            decode_steps=Term(work.mean_steps, "G"),
        )
    ]
    load = Quantity("decode.utilization", "Load of the decode pool", "rho_D", "", side.utilization)
    if law.cap is None:
        slope = side.utilization / law.steps_per_s
        rows.append(
            by_formula(
                *load,
                decode_utilization,
                steps_per_s=steps,
                seconds_per_step=Term(slope, "beta_inf", "s"),
            )
        )
        return rows
    full_s = float(law.step.at(np.array([float(law.cap)]))[0])
    return [
        *rows,
        by_formula(
            *load,
            full_batch_utilization,
            steps_per_s=steps,
            full_step_s=Term(full_s, "t_B", "s", "decode.full_step"),
            batch_cap=Term(law.cap, "B", "", "decode.batch_cap"),
        ),
        given(
            "decode.batch_cap",
            "Largest batch: the engine's, or what fits into KV memory",
            "B",
            "",
            law.cap,
            "decode.max_batch of the scenario, KV memory over what a request reserves",
        ),
        given(
            "decode.full_step",
            f"Time of a decode step of {law.cap} requests at their mean context, over the step factor",
            "t_B",
            "s",
            full_s,
            f"latency model: {side.option.latency.source}",
            trust=side.option.latency.trust,
        ),
    ]


def _batch(side: DecodeSide) -> Derivation:
    law = side.law
    return computed(
        "decode.batch",
        "Mean number of requests that decode in one instance",
        "E[N]",
        "",
        law.mean_batch,
        equation="p(n+1) (n+1) / t(n+1) = Lambda p(n); E[N] = sum_n n p(n)",
        latex=r"p_{n+1}\,\frac{n+1}{t(n+1)} = \Lambda\, p_n,\qquad \mathrm{E}[N] = \sum_n n\, p_n",
        method=f"birth-death law on {law.batch_pmf.size} states"
        + ("" if law.cap is None else f", the last holding those that wait for one of {law.cap} places"),
        residual=balance_residual(side),
        residual_of="largest |flow up - flow down| over the flow up of all",
        source=_SOURCE,
        trust=law.trust,
        rests_on=("decode.steps_per_s",),
    )


def balance_residual(side: DecodeSide) -> float:
    """How far the batch law is from balance between neighbouring states, over the whole flow [-]."""
    law = side.law
    p = law.batch_pmf.copy()
    n = np.arange(1.0, p.size)
    step_s = np.asarray(law.step.at(n), dtype=float)
    if law.cap is not None:
        # the last entry is P(N >= B): its state B alone holds 1 - x of it, the rest waits
        x = law.steps_per_s * float(step_s[-1]) / law.cap
        p[-1] *= 1.0 - x
    up, down = law.steps_per_s * p[:-1], p[1:] * n / step_s
    return float(np.abs(up - down).max() / law.steps_per_s)


def _gaps(side: DecodeSide, percentiles: Iterable[float]) -> list[Derivation]:
    law = side.law
    note = "; ".join(law.notes) or "no KV reads, no cap in reach: exact in the fluid-step limit"
    total = float(law.itl.weight.sum())
    rows = [
        computed(
            "decode.itl",
            "Mean gap between decode steps, over tokens",
            "ITL",
            "s",
            law.mean_itl_s,
            equation="ITL = sum_n q(n) t(n), q(n) = P(a token shares its step with n - 1 others)",
            latex=r"\mathrm{ITL} = \sum_n q_n\, t(n)",
            method=note,
            residual=total - 1.0,
            residual_of="sum of q(n) - 1",
            source=_SOURCE,
            trust=law.trust,
            rests_on=("decode.batch",),
        )
    ]
    for p in percentiles:
        value = float(law.itl_quantile_s(p))
        rows.append(
            computed(
                f"decode.itl.p{100 * p:g}",
                f"p{100 * p:g} of the gap between tokens, over gaps",
                f"ITL_p{100 * p:g}",
                "s",
                value,
                equation="q = min{x : P(t(N) > x) <= 1 - p}",
                latex=r"q = \min\{x : P(t(N) > x) \le 1 - p\}",
                method=f"law of t(N) over tokens, {law.itl.value.size} values; {note}",
                residual=quantile_residual(law.itl_sf, value, p, 1e-9),
                residual_of="distance of 1 - p from [P(t > q), P(t >= q)]",
                source=_SOURCE,
                trust=law.trust,
                rests_on=("decode.batch",),
            )
        )
    return rows


def _waits(side: DecodeSide) -> list[Derivation]:
    law = side.law
    half = float(law.join.weight @ law.join.step_s) / 2
    return [
        by_formula(
            "decode.admission",
            "Mean wait for a place in the batch",
            "E[W_B]",
            "s",
            law.admission.mean_s,
            mean_admission_s,
            trust=law.admission.trust,
            wait_probability=Term(law.admission.wait_probability, "P_B"),
            mean_if_waiting_s=Term(law.admission.mean_if_waiting_s, "w", "s"),
        ),
        computed(
            "decode.join",
            "Mean wait for the end of the step under way",
            "E[J]",
            "s",
            law.join.mean_s,
            equation="E[J] = sum_n p(n) t(n) / 2",
            latex=r"\mathrm{E}[J] = \tfrac12 \sum_n p_n\, t(n)",
            method="uniform over the step that an arrival meets",
            residual=law.join.mean_s - half if half else 0.0,
            residual_of="value - half of the mean step met",
            source="Poisson arrivals see time averages (Wolff 1982)",
            trust=Trust.APPROXIMATE,
            rests_on=("decode.batch",),
        ),
    ]


def _memory(side: DecodeSide) -> list[Derivation]:
    capacity = side.option.kv_capacity_tokens
    if side.kv_p99_share is None or capacity is None:
        return []
    kv = side.law.kv
    used = float(kv.quantile(0.99))
    return [
        by_formula(
            "decode.kv_p99_share",
            "99th percentile of KV in use over KV capacity",
            "kv_99",
            "",
            side.kv_p99_share,
            kv_share,
            trust=kv.trust,
            kv_tokens=Term(used, "q_99", "tok", "decode.kv_p99"),
            kv_capacity_tokens=Term(capacity, "M", "tok", "decode.kv_capacity"),
        ),
        computed(
            "decode.kv_p99",
            "99th percentile of KV in use",
            "q_99",
            "tok",
            used,
            equation="P(sum of N contexts > q) = 1%, gamma law with the mean and variance of the sum",
            latex=r"P\Bigl(\textstyle\sum_{i \le N} kv_i > q\Bigr) = 1\%",
            method="gamma law of two moments",
            residual=float(kv.sf(used)) - 0.01,
            residual_of="P(KV > q) - 1%",
            source="docs/theory/decode",
            trust=kv.trust,
            rests_on=("decode.batch",),
        ),
        given(
            "decode.kv_capacity",
            "KV room of an instance",
            "M",
            "tok",
            capacity,
            "memory of the accelerator less weights, activations and reserve (or the profile's own)",
        ),
    ]


def _reservations(side: DecodeSide) -> list[Derivation]:
    """What the notes of the pool say: how much of a step's growth is KV reads, how often it is full."""
    law = side.law
    rows = []
    if law.kv_share > 0:
        n = max(1.0, law.mean_batch)
        t0, t1 = (float(t) for t in law.step.at(np.array([n, n + 1.0])))
        reads = law.step.per_context_token_s * law.work.mean_context
        rows.append(
            computed(
                "decode.kv_reads",
                "KV reads over the growth of a step with one more request",
                "s_kv",
                "",
                law.kv_share,
                equation="s = gamma E[kv] / (t(n + 1) - t(n)) at n = E[N], at most 1",
                latex=r"s = \frac{\gamma\,\mathrm{E}[kv]}{t(n+1) - t(n)}",
                method="step times of the latency model",
                residual=law.kv_share - min(1.0, reads / (t1 - t0)) if t1 > t0 else 0.0,
                residual_of="share - reads over growth",
                source="docs/theory/decode",
                trust=law.trust,
            )
        )
    if law.cap is not None:
        rows.append(
            given(
                "decode.full_share",
                "Share of time in which the batch is full",
                "P_B",
                "",
                float(law.batch_pmf[-1]),
                "last state of the law of decode.batch",
                trust=law.trust,
            )
        )
    return rows
