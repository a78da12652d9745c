"""Spares as text: how many, what they cost, and what one loss does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pdplan import units
from pdplan.planner.text import table, wrap

if TYPE_CHECKING:
    from pdplan.planner.spares_loss import Loss
    from pdplan.planner.spares_report import PoolSpares, Spares

_HOURS_A_YEAR: Final = 365 * 24.0
_SHORT: Final = {
    "one prefill instance": "-1 prefill",
    "one decode instance": "-1 decode",
    "one NIC of an instance": "-1 NIC",
    "half of the KV link's bandwidth": "half link",
}
_DEFAULTS: Final = {
    "target": "target 99.9%",
    "mtbf": "one failure per GPU in 50,000 h (Llama 3 training, arXiv 2407.21783)",
    "mttr": "30 min until an instance serves again",
}


def spares_text(report: Spares, *, width: int) -> str:
    """Return the text of a spares report."""
    p, d, sc = report.prefill, report.decode, report.scenario
    fleet = f"{p.needed} prefill {p.each} + {d.needed} decode {d.each}"
    blocks = [
        wrap(f"{sc.name or sc.model}: spares of {fleet}", width),
        _answer(report, width),
        _pools(report),
        _losses(report, width),
        _assumptions(report, width),
    ]
    return "\n\n".join("\n".join(b) for b in blocks if b)


def _answer(report: Spares, width: int) -> list[str]:
    p, d = report.prefill, report.decode
    target = f"{100 * report.availability.target:.6g}%"
    if p.spares == d.spares == 0:
        return wrap(
            f"No spares: the planned instances are all up {_up(report.short_without)} of the time, the "
            f"target is {target}.",
            width,
        )
    extra = report.usd_per_hour_with - report.usd_per_hour
    share = f" ({extra / report.usd_per_hour:.0%})" if report.usd_per_hour > 0 else ""
    return wrap(
        f"Add {p.spares} prefill + {d.spares} decode: {report.gpus_with} GPUs, "
        f"{report.usd_per_hour_with:.2f} USD/h, {extra:.2f} USD/h{share} more. The planned instances are "
        f"then all up {_up(report.short_with)} of the time (target {target}); without spares "
        f"{_up(report.short_without)}, short for {_hours(report.short_without)} a year.",
        width,
    )


def _pools(report: Spares) -> list[str]:
    head = ("pool", "each fails every", "losses/year", "N + k", "alone", "all up", "no spares")
    return table([head, *(_pool(x) for x in (report.prefill, report.decode))], right=(1, 2, 3, 4, 5, 6))


def _pool(x: PoolSpares) -> tuple[str, ...]:
    return (
        f"{x.role} {x.each}",
        f"{x.mtbf_s / 3600:,.0f} h" if x.mtbf_s >= 36000 else units.show(x.mtbf_s, "time"),
        f"{x.losses_per_year:,.3g}",
        f"{x.needed} + {x.spares}",
        f"+ {x.alone}",
        _up(x.short_with),
        _up(x.short_without),
    )


def _losses(report: Spares, width: int) -> list[str]:
    lines = wrap("What one loss does while no spare takes over (! misses, grows: the queue grows):", width)
    shown = [loss for loss in report.losses if loss.objectives]
    rows: list[tuple[str, ...]] = [("", "planned", *(_SHORT[loss.what] for loss in shown))]
    for i, (name, o) in enumerate(report.planned):
        value = _value(o.value, o.is_share, o.status == "met")
        cells = [_value(x.value, x.is_share, x.holds) for x in (loss.objectives[i] for loss in shown)]
        rows.append((f"{name}: {o.target}", value, *cells))
    lines += table(rows, right=tuple(range(1, len(rows[0]))))
    for loss in report.losses:
        lines += wrap(_said(loss, report), width, "  ") if _said(loss, report) else []
    return lines


def _said(loss: Loss, report: Spares) -> str:
    parts = []
    if loss.backlog_per_s > 0:
        waiting = loss.backlog_per_s * report.availability.mttr
        parts.append(
            f"the backlog grows at {loss.backlog_per_s:.3g} req/s, to {waiting:,.0f} requests in the "
            f"{units.show(report.availability.mttr, 'time')} of a repair"
        )
    if loss.note:
        parts.append(loss.note)
    return f"{loss.what}: {'; '.join(parts)}" if parts else ""


def _value(value: float | None, is_share: bool, holds: bool) -> str:
    if value is None:
        return "grows !"
    return units.show(value, "fraction" if is_share else "time") + ("  " if holds else " !")


def _assumptions(report: Spares, width: int) -> list[str]:
    a = report.availability
    text = (
        f"An instance fails as soon as one of its GPUs does (MTBF of a GPU {a.mtbf / 3600:,.6g} h over its "
        f"GPUs) and is back after {units.show(a.mttr, 'time')} on average. Failures are independent; spares "
        "run and fail like the others; all repairs go on at once: the number up is binomial, exactly."
    )
    lines = wrap(text, width)
    if report.assumed:
        said = "; ".join(_DEFAULTS[name] for name in report.assumed)
        lines += wrap(f"Assumed: {said}. Write availability: in the scenario to change it.", width)
    return lines


def _up(short: float) -> str:
    """Availability with as many nines as it has, and two digits more."""
    if short <= 0:
        return "100%"
    for digits in range(2, 12):
        if short >= 10.0 ** -(digits - 1) * 0.5:
            return f"{100 * (1 - short):.{max(0, digits - 2)}f}%"
    return f"all but {short:.1e}"


def _hours(share: float) -> str:
    hours = share * _HOURS_A_YEAR
    if hours >= 10:
        return f"{hours:,.0f} h"
    return f"{hours:.2g} h" if hours >= 1 else f"{60 * hours:.2g} min"
