"""Plans and verdicts as text: an engineer's note that reads well at 80 and at 120 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pdplan import units
from pdplan.planner.result import ClassPlan, Colocated, Fleet, Objective, PoolPlan

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan
    from pdplan.planner.benchmark import BenchmarkArithmetic
    from pdplan.planner.validation import Validation
    from pdplan.planner.verdict import ClassVerdict
    from pdplan.planner.verdicts import SplitReport

_PARTS = {
    "overhead": "host",
    "queue": "queue",
    "prefill": "prefill",
    "transfer_wait": "link queue",
    "transfer": "transfer",
    "admission": "admission",
    "join": "join",
    "first_step": "first step",
    "residual": "running step",
}


def plan_note(plan: Plan, *, width: int) -> str:
    """Return the text of a plan."""
    sc = plan.scenario
    fleet, cost = plan.fleet, plan.cost
    blocks = [
        [
            *_wrap(
                f"{sc.name or sc.model}: {sc.model} on {_accelerators(fleet)}, KV over {fleet.link.name}",
                width,
            ),
            "",
            *_wrap(
                f"Buy {_count(fleet.prefill, 'prefill')} + {_count(fleet.decode, 'decode')} instances: "
                f"{_gpus(cost.gpus_bought)}, {cost.usd_per_hour:.2f} USD/h, "
                f"{_usd(cost.usd_per_million_output_tokens)} USD per million output tokens",
                width,
            ),
        ],
        [*_wrap(f"Binding: {plan.binding.tightest}.", width), *_verification(plan, width)],
        _pools(fleet, width),
        *[_class(c, width) for c in fleet.classes],
        _need(plan, width),
    ]
    if plan.benchmark is not None:
        blocks.append(_benchmark(plan.benchmark, width))
    if plan.stated is not None:
        blocks.append(_stated(plan.stated, width))
    blocks.append([*_colocated(plan.colocated, width), *_unmodelled(plan, width)])
    blocks.append(_verdicts(plan.verdicts, width))
    blocks.append(_defaults(plan, width))
    return "\n\n".join("\n".join(b) for b in blocks if b)


def split_note(report: SplitReport, *, width: int) -> str:
    """Return the text of a split report."""
    sc = report.scenario
    lines = [f"{sc.name or sc.model}: split prefill from decode?", ""]
    found = {b.name: b for b in report.break_evens}
    for verdict in report.verdicts:
        lines += [*_verdict(verdict, width), ""]
        lines += [*_ledger(verdict, width), ""]
        if verdict.name in found:
            from pdplan.planner.break_even_text import class_lines, margin_lines

            lines += [*margin_lines(verdict, width), *class_lines(found[verdict.name], width), ""]
    return "\n".join(lines).rstrip()


def validation_note(validation: Validation, *, width: int) -> str:
    """Return the text of a validation."""
    from pdplan.planner.validation import validation_rows

    head = (
        f"{validation.fleet.label}: {validation.requests:,} simulated requests, seed {validation.seed}, "
        f"{validation.left_out:,} left out as warm-up"
    )
    verdicts = [r.verdict for r in validation.rows]
    tail = (
        f"{verdicts.count('agrees')} agree, {verdicts.count('disagrees')} disagree, "
        f"{verdicts.count('not enough data')} have not enough data. "
    )
    tail += (
        "No formula fails its trust."
        if validation
        else "Failed: " + ", ".join(r.quantity for r in validation.contradicted) + "."
    )
    rows = validation_rows(validation)
    if width < 110:
        rows = [(*row[:3], *row[4:]) for row in rows]
    right = (1, 2, 3, 4) if width >= 110 else (1, 2, 3)
    return "\n".join([*_wrap(head, width), "", *table(rows, right=right, indent=""), "", *_wrap(tail, width)])


# ---------------------------------------------------------------- blocks


def _verification(plan: Plan, width: int) -> list[str]:
    if plan.verification is None:
        return _wrap(f"Not simulated: {plan.unverified}.", width)
    lines = _wrap(f"{plan.verification}.", width)
    return lines if plan.replay is None else [*lines, *_wrap(f"{plan.replay}.", width)]


def _pools(fleet: Fleet, width: int) -> list[str]:
    rows: list[tuple[str, ...]] = [("pool", "instances", "each", "GPUs", "load", "limit", "served")]
    for pool in (fleet.prefill, fleet.decode):
        served = f"{pool.discipline}, {pool.router}"
        if pool.mean_batch is not None:
            served = f"batch {pool.mean_batch:.0f}" + (
                f", KV p99 {pool.kv_p99_share:.0%}" if pool.kv_p99_share is not None else ""
            )
        rows.append(
            (
                pool.role,
                str(pool.count),
                pool.parallelism,
                str(pool.gpus),
                f"{pool.utilization:.0%}",
                f"{pool.utilization_limit:.0%}",
                served,
            )
        )
    wire = fleet.link
    rows.append(
        (
            "link",
            "",
            units.show(wire.egress_bytes_per_s, "bytes_per_s"),
            "",
            f"{wire.utilization:.1%}",
            f"{fleet.prefill.utilization_limit:.0%}",
            f"{units.show(wire.mean_payload_bytes, 'bytes')} in {_time(wire.mean_transfer_s)} a request",
        )
    )
    lines = table(rows, right=(1, 3, 4, 5))
    for pool in (fleet.prefill, fleet.decode):
        lines += [x for w in pool.warnings for x in _wrap(f"note: {pool.role}: {w}", width, indent="  ")]
    return lines


def _class(c: ClassPlan, width: int) -> list[str]:
    head = (
        f"{c.name}: {units.show(c.rate, 'rate')}, mean {c.prompt_tokens:.0f} prompt and "
        f"{c.output_tokens:.0f} output tokens ({c.lengths})"
    )
    rows: list[tuple[str, ...]] = [("", "mean", "p50", "p90", "p95", "p99", "trust")]
    for latency in (x for x in (c.ttft, c.tpot, c.itl, c.e2e) if x is not None):
        rows.append(
            (
                latency.metric.upper(),
                _time(latency.mean_s),
                *(_time(latency.quantile_s(p)) for p in (0.5, 0.9, 0.95, 0.99)),
                latency.trust.value,
            )
        )
    lines = _wrap(head, width)
    lines += [] if c.traced is None else _wrap(str(c.traced), width, indent="  ")
    lines += table(rows, right=(1, 2, 3, 4, 5))
    if c.single_token_share > 0.0005:
        share = units.show(c.single_token_share, "fraction")
        lines.append(f"  {share} of requests have one output token: no TPOT, left out of it")
    lines += [f"  {_objective(o)}" for o in c.objectives]
    parts = " + ".join(f"{_PARTS.get(k, k)} {_time(v)}" for k, v in c.ttft_parts_s.items() if v > 5e-7)
    lines += _wrap(f"mean TTFT {_time(c.ttft.mean_s)} = {parts}", width, indent="  ")
    execution = c.decode_parts_s["execution"]
    queue = c.decode_parts_s["queue"]
    lines += _wrap(
        f"decode: queue {_time(queue)}, execution {_time(execution)} a request", width, indent="  "
    )
    return lines


def _objective(o: Objective) -> str:
    if o.is_share:
        value = f"{units.show(o.low, 'fraction')} to {units.show(o.high, 'fraction')}"
    elif o.low < o.high:
        value = f"{_time(o.low)} to {_time(o.high)}"
    else:
        value = _time(o.value)
    sign = {"met": "met", "missed": "MISSED", "undetermined": "undetermined"}[o.status]
    return f"{sign}: {o.target}: {value}, {o.slack:+.0%} slack ({o.trust.value})"


def _need(plan: Plan, width: int) -> list[str]:
    need = plan.need
    down = (max(1, int(need.prefill)), max(1, int(need.decode)))
    p, d = plan.fleet.prefill.count, plan.fleet.decode.count
    text = (
        f"Need before rounding: {need.prefill:.2f} prefill and {need.decode:.2f} decode instances "
        f"(ratio {need.prefill / need.decode:.2f}). Bought {p} + {d}; rounded down, {down[0]} + {down[1]} "
        f"carry {need.carried(*down):.0%} of the demand."
    )
    lines = _wrap(text, width)
    lines += _wrap(f"One prefill fewer: {plan.binding.prefill}.", width, indent="  ")
    lines += _wrap(f"One decode fewer: {plan.binding.decode}.", width, indent="  ")
    return lines


def _benchmark(b: BenchmarkArithmetic, width: int) -> list[str]:
    rows = [
        ("benchmark arithmetic", "prefill", "decode", "P/D", "decode tok/s"),
        (
            "isolated decode steps",
            f"{b.counts.prefill:.2f}",
            f"{b.counts.decode:.2f}",
            f"{b.counts.ratio:.2f}",
            f"{b.decode_tokens_per_s:.0f}",
        ),
        (
            f"in-system (step factor {b.step_factor:g})",
            f"{b.counts_in_system.prefill:.2f}",
            f"{b.counts_in_system.decode:.2f}",
            f"{b.counts_in_system.ratio:.2f}",
            f"{b.decode_in_system_tokens_per_s:.0f}",
        ),
    ]
    lines = table(rows, right=(1, 2, 3, 4))
    minute = 60.0 / 1e6
    if b.stated is not None and b.stated_carries is not None:
        asked = b.total_tokens_per_s * minute
        carries = b.stated_carries * minute
        p, d = b.stated
        text = (
            f"{p}P{d}D carries {carries:.2f} M tok/min of {asked:.2f} M asked "
            f"({1 - carries / asked:.1%} short) at the targets."
        )
        lines += _wrap(text, width, indent="  ")
    return lines


def _stated(fleet: Fleet, width: int) -> list[str]:
    lines = [f"The stated fleet, {fleet.label}: {fleet.status}, {fleet.cost.usd_per_hour:.2f} USD/h"]
    for c in fleet.classes:
        for o in c.objectives:
            lines += _wrap(f"{c.name}: {_objective(o)}", width, indent="  ")
    for role, load, limit in (
        ("prefill", fleet.prefill.utilization, fleet.prefill.utilization_limit),
        ("decode", fleet.decode.utilization, fleet.decode.utilization_limit),
    ):
        if load > limit:
            lines += _wrap(f"{role} load {load:.0%} is above the limit of {limit:.0%}", width, indent="  ")
    return lines


def _unmodelled(plan: Plan, width: int) -> list[str]:
    """Say against what a verdict does not hold."""
    parallel = plan.scenario.prefill.parallel
    if max(parallel.dp_attention) == 1:
        return []
    return _wrap(
        "Colocated fleets with attention ranks are not modelled: the verdict holds against those without.",
        width,
    )


def _colocated(c: Colocated, width: int) -> list[str]:
    if c.pool is None or c.cost_low is None or c.count_low is None:
        return _wrap(f"Colocated: no fleet meets the objectives: {c.why}.", width)
    each = f"{c.pool.parallelism}, {c.pool.discipline}"
    if c.cost is None:
        text = (
            f"Colocated ({each}): at least {_gpus(c.cost_low.gpus_bought)}, "
            f"{c.cost_low.usd_per_hour:.2f} USD/h if TPOT percentiles equal the mean; {c.why}."
        )
    elif c.count == c.count_low and c.cost.usd_per_hour == c.cost_low.usd_per_hour:
        gpus = _gpus(c.cost.gpus_bought)
        text = f"Colocated ({each}): {c.count} instances, {gpus}, {c.cost.usd_per_hour:.2f} USD/h."
    else:
        text = (
            f"Colocated ({each}): {_gpus(c.cost_low.gpus_bought)} to {_gpus(c.cost.gpus_bought)}, "
            f"{c.cost_low.usd_per_hour:.2f} to {c.cost.usd_per_hour:.2f} USD/h, depending on where TPOT "
            "lies in its bracket."
        )
    if c.settled:
        text = f"{text} Settled: {c.settled}."
    lines = _wrap(text, width)
    for k in c.classes:
        for o in k.objectives:
            lines += _wrap(f"{k.name}: {_objective(o)}", width, indent="  ")
    return lines


def _verdicts(verdicts: tuple[ClassVerdict, ...], width: int) -> list[str]:
    return [line for v in verdicts for line in _verdict(v, width)]


def _verdict(v: ClassVerdict, width: int) -> list[str]:
    word = {"split": "split", "undetermined": "undetermined", "infeasible": "no fleet"}.get(
        v.reason, "keep colocated"
    )
    reason = "" if v.reason == word else f" ({v.reason})"
    return _wrap(f"Verdict for {v.name}: {word}{reason}: {v.why}.", width)


def _ledger(v: ClassVerdict, width: int) -> list[str]:
    lines: list[str] = []
    if v.fleet is not None:
        lines += _wrap(f"split: {v.fleet.label}, {v.fleet.cost.usd_per_hour:.2f} USD/h", width, indent="  ")
    lines += ["  " + line for line in _colocated(v.colocated, width - 2)]
    if v.ledger is not None:
        book = v.ledger
        colocated = ""
        if book.colocated_itl_p99_s is not None:
            colocated = (
                f"; ITL p99 {_time(book.colocated_itl_p99_s)} colocated, {_time(book.split_itl_p99_s)} split"
            )
        lines += _wrap(
            f"interference, per token: a chunk adds {_time(book.chunk_s)} to a step of "
            f"{_time(book.clean_step_s)} ({book.verdict.itl_gain:.2f}x){colocated}",
            width,
            indent="  ",
        )
        lines += _wrap(
            f"freight, per request: {units.show(book.payload_bytes, 'bytes')} in {_time(book.transfer_s)}, "
            f"{book.verdict.ttft_penalty:.1%} of a prefill of {_time(book.prefill_s)}",
            width,
            indent="  ",
        )
        lines += _wrap(f"rule of thumb: {book.verdict}", width, indent="  ")
    return lines


def _defaults(plan: Plan, width: int) -> list[str]:
    lines = _wrap("Assumed: " + ", ".join(f"{k}={v}" for k, v in plan.defaults) + ".", width)
    sources = {plan.fleet.prefill.latency_source, plan.fleet.decode.latency_source}
    for source in sorted(sources):
        lines += _wrap(f"Step times: {source}", width)
    for why, kinds in _left_out(plan.rejected).items():
        lines += _wrap(f"Left out: {', '.join(kinds)}: {why}", width)
    return lines


def _left_out(rejected: tuple[str, ...]) -> dict[str, list[str]]:
    """Group what was not tried by its reason, cut to the part that does not depend on the pool."""
    grouped: dict[str, list[str]] = {}
    for line in rejected:
        kind, _, why = line.partition(": ")
        short = why.split(": ", 1)[-1].split(" and ", 1)[0].split(": use", 1)[0]
        if short.endswith("weights a GPU"):
            short += " do not fit"
        grouped.setdefault(short, []).append(kind)
    return grouped


# ---------------------------------------------------------------- small pieces


def table(rows: Sequence[tuple[str, ...]], *, right: tuple[int, ...] = (), indent: str = "  ") -> list[str]:
    """Lay rows out in columns; those in ``right`` are set to the right."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return [
        (
            indent
            + "  ".join(
                cell.rjust(w) if i in right else cell.ljust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
        ).rstrip()
        for row in rows
    ]


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _time(seconds: float) -> str:
    return units.show(seconds, "time")


def _usd(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def _gpus(n: int) -> str:
    return f"{n} GPU" if n == 1 else f"{n} GPUs"


def _count(pool: PoolPlan, role: str) -> str:
    return f"{pool.count} {role} {pool.parallelism}"


def _accelerators(fleet: Fleet) -> str:
    names = {fleet.prefill.accelerator, fleet.decode.accelerator}
    if len(names) == 1:
        return names.pop()
    return f"{fleet.prefill.accelerator} (prefill) and {fleet.decode.accelerator} (decode)"
