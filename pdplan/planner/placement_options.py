"""Instances that a placement may be built of: every TP x PP that fits the GPUs, pipelines included."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pdplan.errors import InfeasibleError, InputError, UnsupportedError
from pdplan.latency.fitted import DecodeFit, Fitted
from pdplan.latency.profile import LatencyProfile
from pdplan.planner.instances import (
    InstanceOption,
    Role,
    instance_options,
    link_share_bytes_per_s,
    load_named_profile,
)
from pdplan.planner.problem import Problem
from pdplan.spec.link import Link
from pdplan.spec.pools import Parallel

#: Start-up time of a copy between two GPUs of a node, as of the catalog's NVLinks.
PEER_COPY = "10 us"


@dataclass(frozen=True, slots=True)
class Room:
    """GPUs of a node, and nodes that one instance may span."""

    node_gpus: int
    nodes: int = 1

    @property
    def gpus(self) -> int:
        """Most GPUs of an instance."""
        return self.node_gpus * self.nodes


def pipelined(fit: Fitted, stages: int) -> Fitted:
    """Return fitted step times cut into equal pipeline stages.

    A prompt passes all stages in the time of the whole step. A decode step is one token for every sequence:
    the batch runs as ``stages`` parts, each in another stage, so that the fixed part is paid once and the
    rest for a part of the batch. The host's overhead of a step is paid at every stage.

    Parameters
    ----------
    fit : Fitted
        Step times without a pipeline.
    stages : int
        PP [-].

    Notes
    -----
    The hand-over between stages is left out, and stages are equal (layers divisible by PP). Both as in the
    published simulator of DistServe (Zhong et al., OSDI 2024), where a stage takes 1/PP of the step.

    Raises
    ------
    InputError
        Fewer than one stage.

    Examples
    --------
    >>> from pdplan.latency.fitted import PrefillFit
    >>> one = Fitted(PrefillFit(0.02, 1e-4), (DecodeFit(0.02, 4e-4),), (1, 2048), (1, 128), "example")
    >>> two = pipelined(one, 2)
    >>> round(float(one.decode_step_s(100, 0)), 4), round(float(two.decode_step_s(100, 0)), 4)
    (0.06, 0.04)
    """
    if stages < 1:
        raise InputError(f"a pipeline has {stages} stages: it must have at least 1")
    if stages == 1:
        return fit
    # The overhead per context token is of the part that a stage works on; that of prompt tokens is not.
    rest = fit.token_overhead_s * (1.0 - 1.0 / stages)
    regimes = tuple(
        DecodeFit(
            r.fixed_s,
            r.per_sequence_s / stages,
            r.per_context_token_s / stages - rest,
            r.from_batch * stages,
        )
        for r in fit.decode
    )
    low, high = fit.decode_range
    sums = fit.context_sum_range
    return replace(
        fit,
        decode=regimes,
        decode_range=(low, high * stages),
        context_sum_range=None if sums is None else (sums[0], sums[1] * stages),
        step_overhead_s=fit.step_overhead_s * stages,
        kv_capacity_tokens=None,
        source=f"{fit.source}, in {stages} equal pipeline stages",
    )


def placement_options(problem: Problem, role: Role, room: Room) -> list[InstanceOption]:
    """Return the instances of a role that fit the GPUs: TP inside a node, PP over nodes.

    TP degrees are the scenario's. PP degrees are those it writes, else every divisor of the number of layers.
    Where a latency profile was fitted without pipelines, they are derived (`pipelined`).

    Raises
    ------
    InfeasibleError
        None fits.
    """
    scenario = problem.scenario
    pool = scenario.decode if role == "decode" else scenario.prefill
    if max(*pool.parallel.ep, *pool.parallel.dp_attention) > 1:
        raise UnsupportedError(
            f"{role}.parallel has ep or dp_attention: DistServe's placement knows TP and PP alone; "
            "leave them out"
        )
    tps = tuple(tp for tp in pool.parallel.tp if tp <= room.node_gpus)
    if not tps:
        raise InfeasibleError(
            f"{role} is to use TP {min(pool.parallel.tp)} or more, but a node has {room.node_gpus} GPUs: "
            f"add a smaller degree to {role}.parallel.tp"
        )
    pps = _stages(problem, pool.parallel, room.gpus // min(tps))
    parallel = pool.parallel.model_copy(update={"tp": tps, "pp": tuple(sorted({1, *pps}))})
    changed = scenario.model_copy(update={role: pool.model_copy(update={"parallel": parallel})})
    measured = _possible(replace(problem, scenario=changed), role)
    found = {(o.tp, o.pp): o for o in measured}
    profile = _profile(problem)
    if profile is not None:
        for flat in [o for o in measured if o.pp == 1]:
            for pp in pps:
                derived = _derived(problem, profile, flat, pp, room.node_gpus)
                if derived is not None:
                    found.setdefault((flat.tp, pp), derived)
    fitting = [o for (_, pp), o in sorted(found.items()) if o.gpus <= room.gpus and pp in pps]
    if not fitting:
        raise InfeasibleError(
            f"no {role} instance fits {room.gpus} GPUs: give smaller degrees, or more nodes"
        )
    return fitting


def _possible(problem: Problem, role: Role) -> list[InstanceOption]:
    return instance_options(problem.scenario, role, problem.model, problem.link)[0]


def _stages(problem: Problem, parallel: Parallel, most: int) -> tuple[int, ...]:
    """Pipeline degrees to try: as written, else the divisors of the number of layers."""
    if "pp" in parallel.model_fields_set:
        return tuple(pp for pp in parallel.pp if pp <= most)
    layers = problem.model.shape.layers
    return tuple(pp for pp in range(1, most + 1) if layers % pp == 0)


def _profile(problem: Problem) -> LatencyProfile | None:
    latency = problem.scenario.latency
    if not isinstance(latency, str) or latency == "roofline":
        return None
    return load_named_profile(problem.scenario, latency)


def _derived(
    problem: Problem, profile: LatencyProfile, flat: InstanceOption, pp: int, node_gpus: int
) -> InstanceOption | None:
    """Return an instance of ``pp`` stages of a measured one; None where its step times are no fit."""
    if not isinstance(flat.latency, Fitted):
        return None
    capacity = profile.kv_capacity_tokens(flat.tp, pp)
    if capacity is None and flat.kv_capacity_tokens is not None:
        capacity = int(pp * flat.kv_capacity_tokens)  # at least: weights are spread thinner
    gpus = flat.tp * pp
    return replace(
        flat,
        pp=pp,
        latency=replace(pipelined(flat.latency, pp), kv_capacity_tokens=capacity),
        kv_capacity_tokens=None if capacity is None else float(capacity),
        price_usd_per_hour=flat.price_usd_per_hour * pp,
        link_bytes_per_s=link_share_bytes_per_s(
            problem.link, problem.scenario, flat.accelerator, gpus, node_gpus
        ),
    )


def inside_node(problem: Problem) -> Problem:
    """Return the problem with KV over the node's own scale-up links, as same-stage segments move it.

    Raises
    ------
    InputError
        Prefill and decode are on different accelerators: they do not share a node.
    """
    scenario = problem.scenario
    names = {pool.accelerator or scenario.accelerator for pool in (scenario.prefill, scenario.decode)}
    if len(names) > 1:
        raise InputError(
            "low affinity puts prefill and decode in one node, but they are on "
            f"{' and '.join(sorted(names))}: use --affinity high, or one accelerator"
        )
    accelerator = problem.options("prefill")[0].accelerator
    link = Link.model_validate(
        {
            "name": "scale-up-of-the-node",
            "kind": "nvlink",
            "bandwidth": f"{accelerator.scale_up_bytes_per_s!r} B/s",
            "startup": PEER_COPY,
            "sources": problem.link.sources,
        }
    )
    return replace(problem, link=link)
