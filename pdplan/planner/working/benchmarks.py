"""The arithmetic of benchmarked instances beside the plan."""

from __future__ import annotations

from pdplan.planner.benchmark import BenchmarkArithmetic
from pdplan.planner.formulas.room import (
    carried_share,
    carried_tokens_per_s,
    decode_count,
    prefill_count,
    shortfall,
)
from pdplan.planner.problem import Problem
from pdplan.planner.working.build import Term, by_formula, given
from pdplan.serving.pd_sizing import pd_ratio
from pdplan.serving.prefill_throughput import effective_prefill_throughput
from pdplan.spec.scenario import InlineLatency
from pdplan.symbolic import Derivation
from pdplan.trust import Trust


def benchmark_derivations(problem: Problem, b: BenchmarkArithmetic) -> list[Derivation]:
    """Return the counts with isolated and with in-system decode steps, and what the stated fleet carries."""
    latency = problem.scenario.latency
    assert isinstance(latency, InlineLatency)
    mix = problem.demand
    total = Term(b.total_tokens_per_s, "TP", "tok/s", "benchmark.total")
    prompt = Term(mix.mean_prompt_tokens, "L_in", "tok", "prompt_tokens")
    output = Term(mix.mean_output_tokens, "L_out", "tok", "output_tokens")
    per_p = Term(b.prefill_tokens_per_s, "TP_P", "tok/s", "benchmark.prefill_tokens_per_s")
    ttft = next(t.limit_s for t in problem.traffic[0].slo.targets if t.metric == "ttft")
    rows = [
        given(
            "benchmark.total",
            "Tokens per second to carry",
            "TP",
            "tok/s",
            b.total_tokens_per_s,
            "the scenario",
        ),
        by_formula(
            "benchmark.prefill_tokens_per_s",
            "Prompt tokens per second of one prefill instance within the TTFT target",
            "TP_P",
            "tok/s",
            b.prefill_tokens_per_s,
            effective_prefill_throughput,
            max_prefill_tokens_per_s=Term(latency.max_prefill, "TP_max", "tok/s"),
            prompt_tokens=prompt,
            ttft_s=Term(ttft, "TTFT", "s", "slo.ttft.mean.limit"),
            overhead_s=Term(latency.overhead, "T_0", "s"),
        ),
        given(
            "benchmark.step_factor",
            "In-system over isolated speed",
            "f",
            "",
            b.step_factor,
            "decode.step_factor",
        ),
    ]
    for way, counts, tokens, how in (
        ("isolated", b.counts, b.decode_tokens_per_s, "parabola of throughput over TPOT through the table"),
        (
            "in_system",
            b.counts_in_system,
            b.decode_in_system_tokens_per_s,
            "table over the step factor, straight between rows",
        ),
    ):
        name = f"benchmark.{way}"
        per_d = Term(tokens, "TP_D", "tok/s", f"{name}.tokens_per_s")
        rows += [
            given(
                f"{name}.tokens_per_s",
                "Output tokens per second of one decode instance within the TPOT target",
                "TP_D",
                "tok/s",
                tokens,
                f"decode table of the scenario: {how}",
                source="Li, Li, Gong, Zhang 2026, arXiv 2603.04716, section 4",
                trust=Trust.APPROXIMATE,
            ),
            by_formula(
                f"{name}.prefill",
                "Prefill instances, before rounding",
                "N_P",
                "",
                float(counts.prefill),
                prefill_count,
                total_tokens_per_s=total,
                prompt_tokens=prompt,
                output_tokens=output,
                prefill_tokens_per_s=per_p,
            ),
            by_formula(
                f"{name}.decode",
                "Decode instances, before rounding",
                "N_D",
                "",
                float(counts.decode),
                decode_count,
                total_tokens_per_s=total,
                prompt_tokens=prompt,
                output_tokens=output,
                decode_tokens_per_s=per_d,
            ),
            by_formula(
                f"{name}.ratio",
                "Prefill over decode instances",
                "R",
                "",
                float(counts.ratio),
                pd_ratio,
                prompt_tokens=prompt,
                output_tokens=output,
                prefill_tokens_per_s=per_p,
                decode_tokens_per_s=per_d,
            ),
        ]
    return rows + _stated(b)


def _stated(b: BenchmarkArithmetic) -> list[Derivation]:
    if b.stated is None or b.stated_carries is None:
        return []
    counts = b.counts_in_system
    share = float(counts.carried_fraction(*b.stated))
    return [
        by_formula(
            "benchmark.carried_share",
            "Share of the demand that the stated fleet carries",
            "s",
            "",
            share,
            carried_share,
            prefill_need=Term(float(counts.prefill), "N_P", "", "benchmark.in_system.prefill"),
            decode_need=Term(float(counts.decode), "N_D", "", "benchmark.in_system.decode"),
            prefill_instances=Term(b.stated[0], "n_P", "", "stated.prefill.instances"),
            decode_instances=Term(b.stated[1], "n_D", "", "stated.decode.instances"),
        ),
        by_formula(
            "benchmark.carried",
            "Tokens per second that the stated fleet carries",
            "TP_s",
            "tok/s",
            b.stated_carries,
            carried_tokens_per_s,
            total_tokens_per_s=Term(b.total_tokens_per_s, "TP", "tok/s", "benchmark.total"),
            carried_share=Term(share, "s", "", "benchmark.carried_share"),
        ),
        by_formula(
            "benchmark.short",
            "Share of the demand that it does not carry",
            "short",
            "",
            1 - share,
            shortfall,
            carried=Term(b.stated_carries, "TP_s", "tok/s", "benchmark.carried"),
            asked=Term(b.total_tokens_per_s, "TP", "tok/s", "benchmark.total"),
        ),
    ]
