"""Ranked designs as text: an engineer's note."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from pdplan import units

if TYPE_CHECKING:
    from pdplan.planner.designs_report import Design, DesignReport, SpaceSize

_CUT: Final = (
    "A class that is cut by prompt length keeps its objectives in both parts. That is sufficient: what holds "
    "for both holds for their mixture."
)
_BY: Final = {"cost": "cost per hour", "gpus": "number of GPUs", "power": "power"}


def designs_note(report: DesignReport, *, width: int) -> str:
    """Return the text of a report."""
    sc = report.scenario
    lines = _wrap(f"{sc.name or sc.model}: ways to build the fleet, by {_BY[report.objective]}", width)
    if not report.designs:
        lines += ["", *_wrap("No design is sure to meet every objective.", width)]
    for place, design in enumerate(report.designs, 1):
        lines += ["", *_design(f"{place}. ", design, width)]
    second = report.runner_up
    if second is not None:
        lines += ["", *_wrap(f"The runner-up lost: {report.why_runner_up_lost}.", width)]
    if report.undetermined:
        less = " for less than the first" if report.designs else ""
        text = f"Not settled: these may meet every objective{less}, if TPOT lies low in its bracket."
        lines += ["", *_wrap(text, width)]
        for design in report.undetermined:
            lines += _design("-  ", design, width)
    if _is_cut(report):
        lines += ["", *_wrap(_CUT, width)]
    lines += ["", *_space(report.space, report.objective, width)]
    if report.unverified:
        lines += _wrap(f"Not simulated: {report.unverified}.", width)
    return "\n".join(lines)


def _is_cut(report: DesignReport) -> bool:
    """Whether a design that is shown serves parts of a class."""
    names = {c.name for c in report.scenario.classes}
    return any(
        part not in names
        for design in (*report.designs, *report.undetermined)
        for pools in design.pools
        for part in pools.parts
    )


def why_lost(best: Design, second: Design, objective: str) -> str:
    """Say what the second design takes more than the best, and what keeps it from being smaller."""
    more = second.value - best.value
    if more <= 1e-6:
        head = f"{second.label} comes out even by {_BY[objective]}; ties go to the lower price, fewer GPUs, "
        return f"{head}then to split pools (cleaner decode steps), fewer instances, smaller TP"
    share = f" ({more / best.value:.0%})" if best.value > 0 else ""
    largest = max(second.pools, key=lambda p: _gpus_of(p.fleet))
    return "; ".join([f"{second.label} takes {_amount(more, objective)} more{share}", *largest.one_fewer])


def _gpus_of(fleet: object) -> int:
    from pdplan.planner.colocated import ColocatedFleet

    if isinstance(fleet, ColocatedFleet):
        return fleet.option.gpus * fleet.count
    p, d = fleet.prefill, fleet.decode  # type: ignore[attr-defined]
    return int(p.option.gpus * p.count + d.option.gpus * d.count)


def _amount(value: float, objective: str) -> str:
    if objective == "cost":
        return f"{value:.2f} USD/h"
    return _gpus(round(value)) if objective == "gpus" else _power(value)


def _design(head: str, design: Design, width: int) -> list[str]:
    cost = design.cost
    indent = " " * len(head)
    numbers = f"{cost.usd_per_hour:.2f} USD/h, {_gpus(cost.gpus_bought)}, {_power(cost.power_w)}"
    how = f"{design.status} by {design.basis}"
    lines = _wrap(f"{head}{design.label}", width, "", indent)
    lines += _wrap(f"{numbers}; {how}", width, indent, indent)
    several = len(design.pools) > 1
    for pools in design.pools:
        name = f"{' + '.join(pools.parts)}: " if several else ""
        lines += _wrap(f"{name}{pools.label}", width, indent, indent + "  ")
    lines += _wrap(f"tightest: {design.tightest[1]}", width, indent, indent + "  ")
    for pools in design.pools:
        if pools.verification is not None and pools.verification.holds != "holds":
            lines += _wrap(f"{pools.verification}", width, indent, indent + "  ")
    return lines


def _space(space: SpaceSize, objective: str, width: int) -> list[str]:
    ways = "1 way" if space.ways == 1 else f"{space.ways:,} ways"
    stated = " (a restricted list, for more than 4 classes)" if space.restricted else ""
    text = (
        f"Searched: {ways} to group the classes{stated}; {space.prefill_kinds} kinds of prefill, "
        f"{space.decode_kinds} of decode and {space.colocated_kinds} of colocated instance: "
        f"{space.designs:,} designs, each at its smallest size. {space.judged:,} fleets were judged by exact "
        "laws"
    )
    if space.simulated:
        text += f", {space.simulated} simulated"
    if space.rest_at_least is None:
        text += "."
    else:
        text += f"; bounds put every other way at {_amount(space.rest_at_least, objective)} or more."
    if space.given_up:
        text += f" {space.given_up} were left unfinished: stock and nodes leave too many combinations."
    return _wrap(text, width)


def _gpus(n: int) -> str:
    return f"{n} GPU" if n == 1 else f"{n} GPUs"


def _power(watts: float) -> str:
    return units.show(watts, "power")


def _wrap(text: str, width: int, first: str = "", rest: str = "  ") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
