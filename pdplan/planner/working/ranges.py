"""What the notes of a plan say: lengths, contexts and batches beyond those that step times were made for."""

from __future__ import annotations

from pdplan.planner.stations import DecodeSide, PrefillSide
from pdplan.planner.working.build import given
from pdplan.serving.stationary_batch import ENOUGH_HEADROOM
from pdplan.symbolic import Derivation


def range_derivations(prefill: PrefillSide, decode: DecodeSide) -> list[Derivation]:
    """Return what is asked of the step times, and how far they reach."""
    rows = [
        given(
            "prefill.longest_prompt",
            "Longest prompt of any class",
            "n_max",
            "tok",
            float(prefill.problem.demand.prompt_tokens.max()),
            "lengths of the scenario",
        ),
        *_reach("prefill.range", "Prompt tokens", prefill.option.latency.prefill_range, "tok"),
    ]
    law, model = decode.law, decode.option.latency
    context = decode.problem.decode_work.mean_context
    beyond = float(law.batch_pmf[int(min(law.step.valid_to, law.batch_pmf.size)) + 1 :].sum())
    for name, title, unit, value in (
        ("context", "Mean context of a request at a decode step", "tok", context),
        ("context_sum", "Contexts in a decode step", "tok", context * max(law.mean_batch, 1.0)),
        ("beyond_range", "Share of time with a batch beyond the range of the step times", "", beyond),
        ("enough_headroom", "Headroom below which the law of the batch is optimistic", "", ENOUGH_HEADROOM),
        *(
            [("kv_headroom", "KV capacity over what requests reserve on average", "", law.kv_headroom)]
            if law.kv_capacity_tokens is not None
            else []
        ),
    ):
        rows.append(
            given(f"decode.{name}", title, name[0], unit, value, "laws of the decode pool", trust=law.trust)
        )
    for name, title in (("context_range", "Mean context"), ("context_sum_range", "Contexts in a step")):
        span = getattr(model, name, None)
        if span is not None:
            rows += _reach(f"decode.{name}", title, span, "tok")
    return rows


def _reach(name: str, title: str, span: tuple[float, float], unit: str) -> list[Derivation]:
    where = "measured range of the latency model"
    low, high = span
    return [
        given(f"{name}.low", f"{title} that step times were made for, from", "x_0", unit, low, where),
        given(f"{name}.high", f"{title} that step times were made for, up to", "x_1", unit, high, where),
    ]
