"""A doubt as text: how sure, what drives it, what being surer costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pdplan.planner.text import table, wrap

if TYPE_CHECKING:
    from pdplan.planner.doubt_answer import Doubt, Driver, Probability

WORDS: Final = {
    "rate": "request rate",
    "prompt_tokens": "prompt lengths",
    "output_tokens": "output lengths",
    "prefill_time": "prefill time",
    "decode_time": "decode step time",
    "step_factor": "step factor",
    "link": "link bandwidth",
}


def doubt_text(doubt: Doubt, *, width: int) -> str:
    """Return the text of a doubt."""
    sc = doubt.scenario
    blocks = [
        wrap(f"{sc.name or sc.model}: how sure is {doubt.label} ({doubt.usd_per_hour:.2f} USD/h)?", width),
        _answer(doubt, width),
        _inputs(doubt, width),
        _promises(doubt),
        _drivers(doubt),
        _surer(doubt, width),
        wrap(
            f"{doubt.samples:,} samples of a scrambled Sobol sequence (seed {doubt.seed}), judged by "
            "formulas. Intervals are Wilson's at 95%, as of independent samples.",
            width,
        ),
    ]
    return "\n\n".join("\n".join(b) for b in blocks if b)


def _answer(doubt: Doubt, width: int) -> list[str]:
    text = f"Every objective holds with probability {_interval(doubt.probability)}."
    if doubt.over_load_limit > 0:
        limit = doubt.scenario.max_utilization
        text += (
            f" A station is above the planned load limit of {limit:.0%} in {_share(doubt.over_load_limit)} "
            "of the samples; that alone is not counted as a miss."
        )
    return wrap(text, width)


def _inputs(doubt: Doubt, width: int) -> list[str]:
    lines = ["In doubt, against what the plan takes:"]
    for row in doubt.inputs:
        if not row.is_certain:
            lines += wrap(f"{WORDS[row.name]}: {row.spread} ({row.source})", width, "  ")
    measured = [r for r in doubt.inputs if r.is_certain and r.source not in ("scenario", "not stated")]
    for row in measured:
        lines += wrap(f"{WORDS[row.name]}: taken as certain ({row.source})", width, "  ")
    certain = [WORDS[r.name] for r in doubt.inputs if r.is_certain and r not in measured]
    if certain:
        lines += wrap(f"taken as certain: {', '.join(certain)} (see uncertainty: in a scenario)", width, "  ")
    return lines


def _promises(doubt: Doubt) -> list[str]:
    rows: list[tuple[str, ...]] = [("promise", "holds", "95% interval", "decided by")]
    for p in doubt.promises:
        if not p.promise.class_name and p.probability.value == 1.0:
            continue  # a capacity that is never short is no news
        decided = "" if p.driver is None else WORDS[p.driver.name]
        rows.append(
            (str(p.promise), _share(p.probability.value), _span(p.probability), decided),
        )
    return table(rows, right=(1, 2))


def _drivers(doubt: Doubt) -> list[str]:
    if not doubt.drivers or doubt.drivers[0].effect == 0:
        return []
    rows: list[tuple[str, ...]] = [
        ("every objective holds if this is", "in its lower half", "in its upper half")
    ]
    rows += [_driver(d) for d in doubt.drivers]
    return table(rows, right=(1, 2))


def _driver(d: Driver) -> tuple[str, ...]:
    return WORDS[d.name], _share(d.holds_low), _share(d.holds_high)


def _surer(doubt: Doubt, width: int) -> list[str]:
    wanted = _share(doubt.confidence)
    if doubt.sure is None:
        return wrap(
            f"No number of these instances holds with {wanted}: {_share(doubt.best_share)} is the most that "
            f"more of them reach. In the way: {doubt.in_the_way}. Other instances (parallel), a looser "
            "objective or a better-known input may.",
            width,
        )
    sure = doubt.sure
    if (sure.prefill, sure.decode) == (doubt.prefill, doubt.decode):
        return wrap(f"It is the cheapest of its kind that holds with {wanted}: nothing to add.", width)
    extra = sure.usd_per_hour - doubt.usd_per_hour
    share = f" ({extra / doubt.usd_per_hour:.0%})" if doubt.usd_per_hour > 0 else ""
    return wrap(
        f"To hold with {wanted}: {doubt.label_of(sure.prefill, sure.decode)}, {sure.gpus} GPUs, "
        f"{sure.usd_per_hour:.2f} USD/h, {extra:.2f} USD/h{share} more. It holds with probability "
        f"{_interval(sure.probability)}; on {doubt.samples:,} fresh samples {_share(sure.fresh.value)}.",
        width,
    )


def _interval(p: Probability) -> str:
    return f"{_share(p.value)} [{_span(p)}]"


def _span(p: Probability) -> str:
    return f"{_share(p.low)} to {_share(p.high)}"


def _share(x: float) -> str:
    return f"{100 * x:.3g}%" if 0 < x < 0.1 or 0.999 <= x < 1 else f"{100 * x:.1f}%".replace(".0%", "%")
