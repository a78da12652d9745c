"""From a plan to what is deployed: the side that the verdicts choose, with everything a manifest needs."""

from __future__ import annotations

import math

from pdplan import units
from pdplan.cli.model_id import hugging_face_id
from pdplan.errors import InfeasibleError, UnsupportedError
from pdplan.interop.deploy.record import Deployment, PoolSpec, Role, Served, Wire
from pdplan.latency.memory import prefill_activation_bytes
from pdplan.latency.parameters import weight_bytes
from pdplan.planner import Plan
from pdplan.planner.instances import InstanceOption, weights_dtype
from pdplan.planner.no_colocated import no_colocated
from pdplan.planner.problem import Problem
from pdplan.planner.result import ClassPlan, Fleet, Objective, PoolPlan
from pdplan.spec.scenario import Scenario

#: Reasons of a verdict that leave a class to colocated instances.
_COLOCATE = frozenset({"no_interference", "slow_link", "fleet_too_small"})


def prefers_colocated(plan: Plan) -> bool:
    """Whether the verdicts are to colocate, and the colocated fleet costs no more than the split one.

    A verdict is of one class alone; classes that share a fleet may still be served for less by splitting it.
    A stated fleet is split.
    """
    cost = plan.colocated.cost
    return (
        plan.scenario.fleet is None
        and cost is not None
        and cost.usd_per_hour <= plan.cost.usd_per_hour + 1e-9
        and all(v.reason in _COLOCATE for v in plan.verdicts)
    )


def split_deployment(plan: Plan, *, model_id: str | None = None) -> Deployment:
    """Describe the split fleet: the stated one where the scenario states one, else the cheapest.

    Raises
    ------
    InfeasibleError
        The stated fleet is overloaded.
    InputError
        The model has no Hugging Face id.
    """
    fleet = _fleet(plan)
    pools = (_pool(plan, "prefill", fleet.prefill), _pool(plan, "decode", fleet.decode))
    problem = _problem(plan)
    options = [_option(plan, "prefill", fleet.prefill), _option(plan, "decode", fleet.decode)]
    link = problem.link
    wire = Wire(link.name, min(o.link_bytes_per_s for o in options), link.t0_s)
    notes = (
        ()
        if fleet.status == "met"
        else ("the plan does not meet every objective with this fleet: see Serves",)
    )
    return _deployment(plan, pools, wire, fleet.classes, model_id, _checked(plan, fleet), notes)


def colocated_deployment(plan: Plan, *, model_id: str | None = None) -> Deployment:
    """Describe the colocated fleet: the smallest that surely meets the objectives, else that may.

    Raises
    ------
    InfeasibleError
        No colocated fleet meets the objectives.
    InputError
        The model has no Hugging Face id.
    """
    colocated = plan.colocated
    count = colocated.count or colocated.count_low
    if colocated.pool is None or count is None:
        raise InfeasibleError(no_colocated(colocated.why))
    pool = _pool(plan, "colocated", colocated.pool, count=count)
    checked = colocated.settled or "the colocated fleet is by formulas"
    notes = []
    if colocated.count is None:
        notes.append(
            "the smallest colocated fleet that may meet TPOT: its percentile is a bracket, so measure it"
        )
    if plan.scenario.colocated.discipline == "prefill_first":
        notes.append("the plan lets prompts go first (prefill_first); vLLM mixes them into decode steps")
    return _deployment(plan, (pool,), None, colocated.classes, model_id, checked, tuple(notes))


def _fleet(plan: Plan) -> Fleet:
    if plan.scenario.fleet is None:
        return plan.fleet
    if plan.stated is None:
        raise InfeasibleError(
            "the stated fleet is overloaded: leave fleet out of the scenario, or raise its counts"
        )
    return plan.stated


def _problem(plan: Plan) -> Problem:
    problem: Problem = plan.basis.search.problem
    return problem


def _option(plan: Plan, role: Role, pool: PoolPlan) -> InstanceOption:
    if pool.dp_attention > 1 or pool.ep > 1:
        raise UnsupportedError(
            f"the {role} pool is {pool.parallelism}: deployments with attention data parallelism or expert "
            "parallelism are not written yet; plan with parallel.tp and parallel.pp alone to export"
        )
    return next(o for o in _problem(plan).options(role) if o.degrees == pool.degrees)


def _pool(plan: Plan, role: Role, pool: PoolPlan, *, count: int | None = None) -> PoolSpec:
    scenario, model = plan.scenario, _problem(plan).model
    option = _option(plan, role, pool)
    accelerator = option.accelerator
    sequences, tokens = _step_limits(scenario, role)
    activation = prefill_activation_bytes(model.shape, _largest_step(scenario, role), pool.tp)
    memory = accelerator.memory_bytes
    usable = scenario.memory.fraction - scenario.memory.reserve / memory
    capacity = option.kv_capacity_tokens
    return PoolSpec(
        role=role,
        count=pool.count if count is None else count,
        tp=pool.tp,
        pp=pool.pp,
        accelerator=accelerator.name,
        vendor=accelerator.vendor,
        memory_bytes=memory,
        memory_bytes_per_s=accelerator.memory_bytes_per_s,
        max_sequences=sequences,
        max_step_tokens=tokens,
        memory_fraction=usable,
        static_fraction=usable - activation / memory,
        kv_capacity_tokens=int(capacity) if capacity is not None and math.isfinite(capacity) else None,
        node_gpus=scenario.node.gpus or accelerator.gpus_per_node,
        # in turn is no worse than the random dealing that the colocated side is planned with
        router="round_robin" if role == "colocated" else getattr(scenario, role).router,
        prefix_hit=_prefix_hit(scenario, role),
    )


def _step_limits(scenario: Scenario, role: Role) -> tuple[int | None, int | None]:
    """Sequences and tokens of one step; None where the plan sets no limit."""
    if role == "prefill":
        discipline = scenario.prefill.discipline
        return (
            1 if discipline == "one_at_a_time" else None,
            scenario.prefill.max_batch_tokens if discipline == "batched" else None,
        )
    if role == "decode":
        return scenario.decode.max_batch, None
    return scenario.colocated.max_batch, scenario.colocated.chunk_tokens


def _largest_step(scenario: Scenario, role: Role) -> int:
    """Tokens of the step that the plan keeps working memory for [tok]."""
    steps = {
        "prefill": scenario.prefill.max_batch_tokens,
        "decode": scenario.decode.max_batch,
        "colocated": scenario.colocated.chunk_tokens,
    }
    return steps[role]


def _prefix_hit(scenario: Scenario, role: Role) -> float:
    """The largest share of prompt tokens that the plan expects in the cache of a pool."""
    if role == "decode":
        return scenario.decode.prefix_hit
    pool = scenario.prefill.prefix_hit
    return max(pool if c.prefix_hit is None else c.prefix_hit for c in scenario.classes)


def _deployment(
    plan: Plan,
    pools: tuple[PoolSpec, ...],
    wire: Wire | None,
    classes: tuple[ClassPlan, ...],
    model_id: str | None,
    checked: str,
    notes: tuple[str, ...] = (),
) -> Deployment:
    scenario, model = plan.scenario, _problem(plan).model
    identity, said = (model_id, "") if model_id is not None else hugging_face_id(scenario.model, model)
    planned = weights_dtype(scenario, model)
    released = None if model_id is not None else str(model.weights_dtype)
    return Deployment(
        title=scenario.name or model.name,
        model_name=model.name,
        model_id=identity,
        weights_dtype=planned,
        released_dtype=released,
        kv_dtype=scenario.kv_dtype,
        weights_bytes=weight_bytes(model.shape, released or planned),
        block_tokens=scenario.memory.block_tokens,
        max_context_tokens=model.shape.max_context_tokens,
        pools=pools,
        wire=wire,
        served=tuple(_served(c) for c in classes),
        checked=checked,
        chunked=scenario.colocated.discipline == "chunked",
        tokens_per_step=scenario.decode.tokens_per_step,
        notes=(*notes, *([said] if said else [])),
    )


def _served(plan: ClassPlan) -> Served:
    return Served(
        plan.name, plan.rate, plan.prompt_tokens, plan.output_tokens, tuple(_told(o) for o in plan.objectives)
    )


def _told(objective: Objective) -> str:
    """One objective as an acceptance test: the limit, what is planned, and how far to believe it."""
    unit = "fraction" if objective.is_share else "time"
    value = units.show(objective.value, unit)
    return f"{objective.target}: {objective.status}, {value} planned ({objective.trust.value})"


def _checked(plan: Plan, fleet: Fleet) -> str:
    if fleet is not plan.fleet:
        return "the fleet is the stated one, judged by formulas"
    return str(plan.verification) if plan.verification is not None else plan.unverified
