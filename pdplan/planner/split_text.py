"""Verdicts as text: the word, the reason, both ledgers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan import units
from pdplan.planner.class_text import objective_text
from pdplan.planner.no_colocated import no_colocated
from pdplan.planner.text import gpus_text, time_text, wrap

if TYPE_CHECKING:
    from pdplan.planner.result import Colocated
    from pdplan.planner.verdict import ClassVerdict
    from pdplan.planner.verdicts import SplitReport


def split_note(report: SplitReport, *, width: int) -> str:
    """Return the text of a split report."""
    sc = report.scenario
    lines = [f"{sc.name or sc.model}: split prefill from decode?", ""]
    found = {b.name: b for b in report.break_evens}
    for verdict in report.verdicts:
        lines += [*verdict_lines(verdict, width), ""]
        lines += [*_ledger(verdict, width), ""]
        if verdict.name in found:
            from pdplan.planner.break_even_text import class_lines, margin_lines

            lines += [*margin_lines(verdict, width), *class_lines(found[verdict.name], width), ""]
    return "\n".join(lines).rstrip()


def verdict_lines(v: ClassVerdict, width: int) -> list[str]:
    """Return the verdict of a class and why."""
    word = {"split": "split", "undetermined": "undetermined", "infeasible": "no fleet"}.get(
        v.reason, "keep colocated"
    )
    reason = "" if v.reason == word else f" ({v.reason})"
    return wrap(f"Verdict for {v.name}: {word}{reason}: {v.why}.", width)


def colocated_lines(c: Colocated, width: int) -> list[str]:
    """Return the colocated fleet beside a split one, or why there is none."""
    if c.pool is None or c.cost_low is None or c.count_low is None:
        return wrap(f"Colocated: {no_colocated(c.why, 'fleet')}.", width)
    each = f"{c.pool.parallelism}, {c.pool.discipline}"
    if c.cost is None:
        text = (
            f"Colocated ({each}): at least {gpus_text(c.cost_low.gpus_bought)}, "
            f"{c.cost_low.usd_per_hour:.2f} USD/h if TPOT percentiles equal the mean; {c.why}."
        )
    elif c.count == c.count_low and c.cost.usd_per_hour == c.cost_low.usd_per_hour:
        gpus = gpus_text(c.cost.gpus_bought)
        text = f"Colocated ({each}): {c.count} instances, {gpus}, {c.cost.usd_per_hour:.2f} USD/h."
    else:
        text = (
            f"Colocated ({each}): {gpus_text(c.cost_low.gpus_bought)} to {gpus_text(c.cost.gpus_bought)}, "
            f"{c.cost_low.usd_per_hour:.2f} to {c.cost.usd_per_hour:.2f} USD/h, depending on where TPOT "
            "lies in its bracket."
        )
    if c.settled:
        text = f"{text} Settled: {c.settled}."
    lines = wrap(text, width)
    for k in c.classes:
        for o in k.objectives:
            lines += wrap(f"{k.name}: {objective_text(o)}", width, indent="  ")
    return lines


def _ledger(v: ClassVerdict, width: int) -> list[str]:
    lines: list[str] = []
    if v.fleet is not None:
        lines += wrap(f"split: {v.fleet.label}, {v.fleet.cost.usd_per_hour:.2f} USD/h", width, indent="  ")
    lines += ["  " + line for line in colocated_lines(v.colocated, width - 2)]
    if v.ledger is not None:
        book = v.ledger
        colocated = ""
        if book.colocated_itl_p99_s is not None:
            gaps = time_text(book.colocated_itl_p99_s), time_text(book.split_itl_p99_s)
            colocated = f"; ITL p99 {gaps[0]} colocated, {gaps[1]} split"
        lines += wrap(
            f"interference, per token: a chunk adds {time_text(book.chunk_s)} to a step of "
            f"{time_text(book.clean_step_s)} ({book.verdict.itl_gain:.2f}x){colocated}",
            width,
            indent="  ",
        )
        lines += wrap(
            f"freight, per request: {units.show(book.payload_bytes, 'bytes')} in "
            f"{time_text(book.transfer_s)}, "
            f"{book.verdict.ttft_penalty:.1%} of a prefill of {time_text(book.prefill_s)}",
            width,
            indent="  ",
        )
        lines += wrap(f"rule of thumb: {book.verdict}", width, indent="  ")
    return lines
