"""A frontier, read like an engineer's note."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pdplan import units
from pdplan.planner.text import wrap

if TYPE_CHECKING:
    from pdplan.planner.pareto_report import Pareto, Point

WIDTH = 80
#: Rows of the table of P:D.
RATIOS = 12


def text(found: Pareto) -> str:
    """Return the points, what the marks mean, and the P:D knob."""
    return "\n".join([*_head(found), "", *_rows(found), "", *_notes(found)])


def _head(found: Pareto) -> list[str]:
    problem = found.problem
    what = f"{problem.model.name} on {problem.scenario.accelerator}"
    if found.frame == "throughput":
        said = (
            f"{what}, {found.gpus} GPUs: output tokens/s per GPU against tokens/s per user (1 / mean TPOT), "
            "within every objective."
        )
    else:
        said = (
            f"{what}, {problem.demand.arrival_rate:.4g} req/s: cost against p99 of TTFT, up to {found.gpus} "
            "GPUs, within every objective that is not on TTFT."
        )
    return wrap(said, WIDTH)


def _rows(found: Pareto) -> list[str]:
    wide = max(len(p.fleet.label) for p in found.points)
    if found.frame == "throughput":
        lines = [f"  {'fleet':<{wide}}  tok/s/GPU  tok/s/user    req/s   load  TTFT p99"]
        return lines + [_throughput_row(p, wide) for p in found.points]
    lines = [f"  {'fleet':<{wide}}  GPUs    USD/h  TTFT p99  tok/s/user"]
    return lines + [_cost_row(p, wide) for p in found.points]


def _throughput_row(p: Point, wide: int) -> str:
    return (
        f"{_mark(p)} {p.fleet.label:<{wide}}  {p.tokens_per_s_per_gpu:>9.4g}  {p.tokens_per_s_user:>10.4g}  "
        f"{p.rate:>7.4g}  {p.share:>5.0%}  {units.show(p.ttft_p99_s, 'time'):>8}"
    )


def _cost_row(p: Point, wide: int) -> str:
    speed = f"{p.tokens_per_s_user:.4g}" if p.tokens_per_s_user else "-"
    return (
        f"{_mark(p)} {p.fleet.label:<{wide}}  {p.fleet.gpus:>4}  {p.usd_per_hour:>7.2f}  "
        f"{units.show(p.ttft_p99_s, 'time'):>8}  {speed:>10}"
    )


def _mark(p: Point) -> str:
    return "*" if p.best else " " if p.sure else "?"


def _notes(found: Pareto) -> list[str]:
    said = [
        f"* on the common frontier; the other rows are the frontier of their own architecture. "
        f"{found.fleets} fleets, dominated points dropped. By formulas: approximate; check a choice with "
        "pdplan simulate."
    ]
    if found.frame == "throughput":
        said.append("load: share of the largest rate that the fleet carries within the objectives.")
    if not any(p.fleet.architecture == "colocated" for p in found.points):
        said.append("No colocated fleet of that size surely meets the objectives.")
    if not any(p.fleet.architecture == "split" for p in found.points):
        said.append("No split fleet of that size meets the objectives.")
    if not all(p.sure for p in found.points):
        said.append(
            "? the TPOT percentile of colocated fleets is only known to lie between two ends: by the better "
            "one these hold too, by the worse one they do not. pdplan split settles it by simulation."
        )
    return [line for s in said for line in wrap(s, WIDTH)] + _knob(found)


def _knob(found: Pareto) -> list[str]:
    """The largest rate of each P:D for one pair of kinds."""
    if len(found.ratios) < 2:
        return []
    first = found.ratios[0].fleet
    best = max(found.ratios, key=lambda r: r.rate)
    kinds = f"P {first.prefill.label}, D {first.decode.label}"
    lines = ["", f"P:D as the knob ({kinds}): the largest rate within the objectives"]
    for r in found.ratios[:RATIOS]:
        ratio = f"{r.fleet.prefill_count}:{r.fleet.decode_count}"
        why = textwrap.shorten(r.by, 44, placeholder=" ...")
        mark = "*" if r is best else " "
        lines.append(f"{mark} {ratio:>7}  {r.rate:>8.4g} req/s  ended by {why}")
    return lines
