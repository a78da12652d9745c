"""A placement, read like an engineer's note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan.planner.text import gpus_text, wrap

if TYPE_CHECKING:
    from pdplan.planner.placement_report import Choice, Placement

#: Rows of a table.
SHOWN = 8
#: Columns of a line.
WIDTH = 80


def text(found: Placement) -> str:
    """Return the answer, the engine's word, the purchase, and what came next."""
    return "\n".join([*_head(found), "", *_table(found)])


def _head(found: Placement) -> list[str]:
    problem, node = found.problem, found.room.node_gpus
    kinds = f"Prefill {found.prefill_option.label}", f"Decode {found.decode_option.label}"
    what = f"{problem.model.name} on {problem.scenario.accelerator}: DistServe's placement"
    if found.affinity == "low":
        where = f"Low node affinity: a prefill and a decode instance share a node of {node} GPUs."
        best = [f"{kinds[0]} + d{kinds[1][1:]}: {_said(found.prefill)}"]
    else:
        where = f"High node affinity: each phase by itself, instances of up to {found.room.gpus} GPUs."
        phases = ((kinds[0], found.prefill), (kinds[1], found.decode))
        best = [f"{kind}: {_said(choice)}" for kind, choice in phases]
    lines = [f"{what}. {where}", "", *best, _bought(found), _served(found)]
    return [line for part in lines for line in (wrap(part, WIDTH) or [""])]


def _said(choice: Choice) -> str:
    """Goodput and what ends it, simulated where it was."""
    gpus, seen = choice.unit.gpus, choice.seen
    said = f"{choice.rate:.4g} req/s on {gpus_text(gpus)}, {choice.per_gpu:.3g} req/s per GPU"
    if seen is None:
        return f"{said} (formulas, approximate). More is ended by {choice.by}."
    off = choice.formula / seen.rate - 1.0
    return f"{said} (simulated; formulas {off:+.1%}). {seen.fails_at:.4g} req/s fails: {seen.failed}."


def _bought(found: Placement) -> str:
    p, d = found.prefill_count, found.decode_count
    units = f"{p} such pair{'s' if p > 1 else ''}" if found.affinity == "low" else f"{p} prefill + {d} decode"
    rate, cost = found.problem.demand.arrival_rate, found.cost
    bought = "" if cost.gpus_bought == found.gpus else f" ({cost.gpus_bought} in whole nodes)"
    return f"For {rate:.4g} req/s: {units}, {gpus_text(found.gpus)}{bought}, {cost.usd_per_hour:,.2f} USD/h."


def _served(found: Placement) -> str:
    if found.missed is None or found.prefill.seen is None:
        if found.prefill_option.pp > 1 and found.problem.scenario.prefill.discipline == "batched":
            return (
                "Not simulated, and formulas are optimistic for prefill pipelines of unequal prompts in "
                "batches: they may carry half of this. Let the engine settle it (leave --no-verify out)."
            )
        return "Not simulated: formulas alone."
    seen = found.prefill.seen
    about = f"{seen.requests:,} requests at each rate, seed {seen.seed}"
    if found.missed:
        return f"CONTRADICTED: simulated at the rate asked, it misses {found.missed}; {about}."
    return f"Simulated at the rate asked: every objective is met, each by itself; {about}."


def _table(found: Placement) -> list[str]:
    pair = found.affinity == "low"
    first = "  prefill   decode  " if pair else "  phase     each    "
    return [
        f"{first}  GPUs  req/s by formulas  simulated  per GPU",
        *(_row(c) for c in _shown(found)),
        f"  {_rest(found)}",
    ]


def _shown(found: Placement) -> list[Choice]:
    """The best of the pairs, or of each phase."""
    phases = ("pair",) if found.affinity == "low" else ("prefill", "decode")
    most = SHOWN // len(phases)
    return [c for phase in phases for c in [r for r in found.rows if r.unit.of == phase][:most]]


def _row(c: Choice) -> str:
    u = c.unit
    names = (u.prefill.label, u.decode.label) if u.of == "pair" else (u.of, u.option.label)
    simulated, per_gpu = "-", f"{c.per_gpu:.3g}"
    if c.seen is not None:
        simulated = f"{c.seen.rate:.4g}"
        if c.beaten:
            simulated, per_gpu = f"< {c.seen.fails_at:.3g}", "less"
    return f"  {names[0]:<8}  {names[1]:<8}  {u.gpus:>4}  {c.formula:>17.4g}  {simulated:>9}  {per_gpu:>7}"


def _rest(found: Placement) -> str:
    what = "pairs" if found.affinity == "low" else "instances"
    solved, shown = len(found.rows), len(_shown(found))
    said = f"{found.considered} {what} in the space"
    if solved > shown:
        said += f", {shown} of {solved} solved are shown"
    rest = found.considered - solved
    return f"{said}; {rest} cannot be better." if rest else f"{said}."
