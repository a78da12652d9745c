"""TTFT, TPOT and end-to-end latency of a class: means by formula, percentiles put back into their law."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.formulas.latency import (
    delayed_pace_s,
    execution_s,
    mean_e2e_s,
    sum_of_parts_s,
    tokens_pace_s,
)
from pdplan.planner.result import ClassPlan, Latency
from pdplan.planner.working.build import Quantity, Term, atoms_mean, by_formula, computed, quantile_residual
from pdplan.serving.demand import ClassDemand
from pdplan.symbolic import Derivation

#: Symbol of each part of a TTFT, and the quantity that it is where all classes share it.
PARTS: Mapping[str, tuple[str, str]] = {
    "overhead": ("T_host", ""),
    "queue": ("W_P", "prefill.wait"),
    "prefill": ("P", ""),
    "transfer_wait": ("W_X", "link.wait"),
    "transfer": ("X", ""),
    "admission": ("W_B", "decode.admission"),
    "join": ("J", "decode.join"),
    "first_step": ("t_1", "decode.itl"),
}
_TITLES = {"overhead": "host time", "prefill": "prefill", "transfer": "transfer that prefill does not hide"}
#: A part below this share of the mean is shown as 0.
_NOTHING = 1e-12


def class_derivations(chosen: Disaggregated, c: ClassPlan, of: str) -> list[Derivation]:
    """Return the latencies of one class; ``of`` ends its names, empty where it is alone."""
    demand = next(d for d in chosen.problem.demands if d.name == c.name)
    rows = [_mean_ttft(chosen, c, of)]
    rows += [_part(chosen, demand, c, part, of) for part in c.ttft_parts_s if _own(chosen, part)]
    ttft = chosen.ttft(demand)
    rows += _percentiles(c.ttft, f"ttft{of}", c.name, ttft.sf, _WAITS)
    if c.tpot is not None:
        rows.append(_mean_tpot(chosen, demand, c, of))
        rows += _percentiles(c.tpot, f"tpot{of}", c.name, chosen.tpot(demand).sf, _PACE)
        rows.append(_mean_e2e(c, of))
        rows += _percentiles(c.e2e, f"e2e{of}", c.name, chosen.e2e(demand).sf, _WAITS)
    rows += _decode_parts(chosen, c, of)
    return rows


def _own(chosen: Disaggregated, part: str) -> bool:
    """Whether a part is fixed by the lengths of the class, and not shared by all."""
    return part in ("overhead", "prefill", "transfer") and not (
        part == "prefill" and chosen.problem.scenario.prefill.discipline == "mm1"
    )


def _mean_ttft(chosen: Disaggregated, c: ClassPlan, of: str) -> Derivation:
    terms = {}
    for part, value in c.ttft_parts_s.items():
        symbol, shared = PARTS.get(part, (part, ""))
        ref = f"ttft{of}.{part}" if _own(chosen, part) else shared or "prefill.service"
        shown = value if value > _NOTHING * c.ttft.mean_s else 0.0
        terms[part] = Term(shown, symbol, "s", ref)
    return by_formula(
        f"ttft{of}.mean",
        f"Mean TTFT of {c.name}: the sum of its parts",
        "TTFT",
        "s",
        c.ttft.mean_s,
        sum_of_parts_s,
        trust=c.ttft.trust,
        **terms,
    )


def _part(chosen: Disaggregated, demand: ClassDemand, c: ClassPlan, part: str, of: str) -> Derivation:
    symbol, _ = PARTS[part]
    latency = chosen.prefill.option.latency
    return atoms_mean(
        f"ttft{of}.{part}",
        f"Mean {_TITLES[part]} of {c.name}",
        symbol,
        "s",
        c.ttft_parts_s[part],
        what={"overhead": "t_host", "prefill": "t_prefill", "transfer": "max(X/layers, X - o P)"}[part],
        latex=rf"{symbol[0]} = \sum_i w_i\, x(L_i)",
        weights=demand.weight,
        method="latency model" if part != "transfer" else "payload over bandwidth, less the overlap",
        source=latency.source if part != "transfer" else "docs/theory/link",
        trust=latency.trust,
    )


#: Equation, LaTeX, method, resolution, source of percentiles of sums of waits, and of the pace of tokens.
_WAITS = (
    "q = min{t : sum_i w_i P(W > t - D(L_i)) <= 1 - p}, W the waits, D fixed by the lengths",
    r"q = \min\Bigl\{t : \textstyle\sum_i w_i\, P(W > t - D(L_i)) \le 1 - p\Bigr\}",
    "waits convolved on a lattice, mixed over the atoms of lengths",
    1e-6,
    "docs/theory/composition",
)
_PACE = (
    "q = min{x : E[P(ITL > m + (x - m) / sqrt(f(s)))] <= 1 - p}, m the mean, f the averaging over s steps",
    r"q = \min\bigl\{x : \mathrm{E}\,P\bigl(\mathrm{ITL} > m + (x-m)/\sqrt{f(s)}\bigr) \le 1 - p\bigr\}",
    "law of the gaps, narrowed by averaging over a request, mixed over its steps",
    3e-5,
    "docs/theory/decode",
)


def _percentiles(
    latency: Latency, name: str, who: str, sf: object, how: tuple[str, str, str, float, str]
) -> list[Derivation]:
    equation, latex, method, resolution, source = how
    return [
        computed(
            f"{name}.p{100 * p:g}",
            f"p{100 * p:g} of {latency.metric.upper()} of {who}",
            f"{latency.metric.upper()}_p{100 * p:g}",
            "s",
            value,
            equation=equation,
            latex=latex,
            method=method,
            residual=quantile_residual(sf, value, p, resolution),  # type: ignore[arg-type]
            residual_of="distance of 1 - p from [P(X > q), P(X >= q)]",
            source=source,
            trust=latency.trust,
            rests_on=(f"{name}.mean",),
        )
        for p, value in latency.quantiles_s.items()
    ]


def _mean_tpot(chosen: Disaggregated, demand: ClassDemand, c: ClassPlan, of: str) -> Derivation:
    assert c.tpot is not None
    law, itl = chosen.tpot(demand), chosen.decode.law
    gap = Term(itl.mean_itl_s, "ITL", "s", "decode.itl")
    per_step = Term(itl.work.tokens_per_step, "m")
    mean = Quantity(f"tpot{of}.mean", f"Mean TPOT of {c.name}", "TPOT", "s", c.tpot.mean_s)
    if law.extra_s is None:
        return by_formula(
            *mean,
            tokens_pace_s,
            trust=c.tpot.trust,
            mean_itl_s=gap,
            tokens_per_step=per_step,
        )
    more = demand.output_tokens > 1
    weight = demand.weight[more] / demand.weight[more].sum()
    added = float(weight @ (np.asarray(law.extra_s)[more] / (demand.output_tokens[more] - 1.0)))
    return by_formula(
        *mean,
        delayed_pace_s,
        trust=c.tpot.trust,
        mean_itl_s=gap,
        tokens_per_step=per_step,
        added_s=Term(added, "x", "s"),
    )


def _mean_e2e(c: ClassPlan, of: str) -> Derivation:
    assert c.tpot is not None
    return by_formula(
        f"e2e{of}.mean",
        f"Mean end-to-end latency of {c.name}",
        "E2E",
        "s",
        c.e2e.mean_s,
        mean_e2e_s,
        trust=c.e2e.trust,
        ttft_s=Term(c.ttft.mean_s, "TTFT", "s", f"ttft{of}.mean"),
        mean_output_tokens=Term(c.output_tokens, "L_out", "tok", f"output_tokens{of}"),
        tpot_s=Term(c.tpot.mean_s, "TPOT", "s", f"tpot{of}.mean"),
    )


def _decode_parts(chosen: Disaggregated, c: ClassPlan, of: str) -> list[Derivation]:
    law = chosen.decode.law
    rows = [
        by_formula(
            f"decode.queue{of}",
            f"Mean wait of {c.name} before its first decode step",
            "Q_D",
            "s",
            c.decode_parts_s["queue"],
            sum_of_parts_s,
            trust=law.trust,
            admission=Term(law.admission.mean_s, "W_B", "s", "decode.admission"),
            join=Term(law.join.mean_s, "J", "s", "decode.join"),
        )
    ]
    if c.tpot is not None:
        rows.append(
            by_formula(
                f"decode.execution{of}",
                f"Mean time of decoding a request of {c.name}",
                "T_D",
                "s",
                c.decode_parts_s["execution"],
                execution_s,
                trust=c.tpot.trust,
                mean_output_tokens=Term(c.output_tokens, "L_out", "tok", f"output_tokens{of}"),
                tpot_s=Term(c.tpot.mean_s, "TPOT", "s", f"tpot{of}.mean"),
            )
        )
    return rows
