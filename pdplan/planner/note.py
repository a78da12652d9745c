"""A plan as text: an engineer's note that reads well at 80 and at 120 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pdplan import units
from pdplan.planner.class_text import class_lines, objective_text
from pdplan.planner.outlook_text import outlook_lines
from pdplan.planner.result import Fleet, PoolPlan
from pdplan.planner.split_text import colocated_lines, verdict_lines
from pdplan.planner.text import gpus_text, table, time_text, usd_text, wrap

if TYPE_CHECKING:
    from pdplan.planner.answer import Plan
    from pdplan.planner.benchmark import BenchmarkArithmetic
    from pdplan.planner.verdict import ClassVerdict


def plan_note(plan: Plan, *, width: int) -> str:
    """Return the text of a plan, with what stands around it."""
    return _together([*_answer(plan, width), outlook_lines(plan.outlook, width), _defaults(plan, width)])


def brief_note(plan: Plan, *, width: int) -> str:
    """Return the text of a plan alone."""
    return _together([*_answer(plan, width), _defaults(plan, width)])


def _together(blocks: list[list[str]]) -> str:
    return "\n\n".join("\n".join(b) for b in blocks if b)


def _answer(plan: Plan, width: int) -> list[list[str]]:
    """Return the blocks of the answer: what to buy, what each class gets, the other fleets, the verdicts."""
    sc = plan.scenario
    fleet, cost = plan.fleet, plan.cost
    blocks = [
        [
            *wrap(
                f"{sc.name or sc.model}: {sc.model} on {_accelerators(fleet)}, KV over {fleet.link.name}",
                width,
            ),
            "",
            *wrap(
                f"Buy {_count(fleet.prefill, 'prefill')} + {_count(fleet.decode, 'decode')} instances: "
                f"{gpus_text(cost.gpus_bought)}, {cost.usd_per_hour:.2f} USD/h, "
                f"{usd_text(cost.usd_per_million_output_tokens)} USD per million output tokens",
                width,
            ),
        ],
        [*wrap(f"Binding: {plan.binding.tightest}.", width), *_verification(plan, width)],
        _pools(fleet, width),
        *[class_lines(c, width) for c in fleet.classes],
        _need(plan, width),
    ]
    if plan.benchmark is not None:
        blocks.append(_benchmark(plan.benchmark, width))
    if plan.stated is not None:
        blocks.append(_stated(plan.stated, width))
    blocks.append([*colocated_lines(plan.colocated, width), *_unmodelled(plan, width)])
    blocks.append(_verdicts(plan.verdicts, width))
    return blocks


def _verification(plan: Plan, width: int) -> list[str]:
    if plan.verification is None:
        return wrap(f"Not simulated: {plan.unverified}.", width)
    lines = wrap(f"{plan.verification}.", width)
    return lines if plan.replay is None else [*lines, *wrap(f"{plan.replay}.", width)]


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
            f"{units.show(wire.mean_payload_bytes, 'bytes')} in {time_text(wire.mean_transfer_s)} a request",
        )
    )
    lines = table(rows, right=(1, 3, 4, 5))
    for pool in (fleet.prefill, fleet.decode):
        lines += [x for w in pool.warnings for x in wrap(f"note: {pool.role}: {w}", width, indent="  ")]
    return lines


def _need(plan: Plan, width: int) -> list[str]:
    need = plan.need
    down = (max(1, int(need.prefill)), max(1, int(need.decode)))
    p, d = plan.fleet.prefill.count, plan.fleet.decode.count
    text = (
        f"Need before rounding: {need.prefill:.2f} prefill and {need.decode:.2f} decode instances "
        f"(ratio {need.prefill / need.decode:.2f}). Bought {p} + {d}; rounded down, {down[0]} + {down[1]} "
        f"carry {need.carried(*down):.0%} of the demand."
    )
    lines = wrap(text, width)
    lines += wrap(f"One prefill fewer: {plan.binding.prefill}.", width, indent="  ")
    lines += wrap(f"One decode fewer: {plan.binding.decode}.", width, indent="  ")
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
        lines += wrap(text, width, indent="  ")
    return lines


def _stated(fleet: Fleet, width: int) -> list[str]:
    lines = [f"The stated fleet, {fleet.label}: {fleet.status}, {fleet.cost.usd_per_hour:.2f} USD/h"]
    for c in fleet.classes:
        for o in c.objectives:
            lines += wrap(f"{c.name}: {objective_text(o)}", width, indent="  ")
    for role, load, limit in (
        ("prefill", fleet.prefill.utilization, fleet.prefill.utilization_limit),
        ("decode", fleet.decode.utilization, fleet.decode.utilization_limit),
    ):
        if load > limit:
            lines += wrap(f"{role} load {load:.0%} is above the limit of {limit:.0%}", width, indent="  ")
    return lines


def _unmodelled(plan: Plan, width: int) -> list[str]:
    """Say against what a verdict does not hold."""
    parallel = plan.scenario.prefill.parallel
    if max(parallel.dp_attention) == 1:
        return []
    return wrap(
        "Colocated fleets with attention ranks are not modelled: the verdict holds against those without.",
        width,
    )


def _verdicts(verdicts: tuple[ClassVerdict, ...], width: int) -> list[str]:
    return [line for v in verdicts for line in verdict_lines(v, width)]


def _defaults(plan: Plan, width: int) -> list[str]:
    lines = wrap("Assumed: " + ", ".join(f"{k}={v}" for k, v in plan.defaults) + ".", width)
    sources = {plan.fleet.prefill.latency_source, plan.fleet.decode.latency_source}
    for source in sorted(sources):
        lines += wrap(f"Step times: {source}", width)
    for why, kinds in _left_out(plan.rejected).items():
        lines += wrap(f"Left out: {', '.join(kinds)}: {why}", width)
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


def _count(pool: PoolPlan, role: str) -> str:
    return f"{pool.count} {role} {pool.parallelism}"


def _accelerators(fleet: Fleet) -> str:
    names = {fleet.prefill.accelerator, fleet.decode.accelerator}
    if len(names) == 1:
        return names.pop()
    return f"{fleet.prefill.accelerator} (prefill) and {fleet.decode.accelerator} (decode)"
