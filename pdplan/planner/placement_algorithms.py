"""DistServe's placement: the parallelism of both phases with the most goodput per GPU, and how many of each.

Algorithm 1 (high node affinity: any instance reaches any other fast) chooses each phase by itself: the
TP x PP with the largest goodput per GPU, and n = ceil(R / goodput) instances of each. Algorithm 2 (low
affinity: only GPUs of one node do) chooses a pair whose same-stage segments share a node, so that KV stays on
its scale-up links, and n = ceil(R / goodput) pairs.

Source: Zhong et al., DistServe, OSDI 2024, sections 4.1 and 4.2. There each goodput is a search by
simulation; here the closed form is inverted, and the engine settles what could still be the best.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

from pdplan.errors import InfeasibleError, UnknownNameError, did_you_mean
from pdplan.planner.instances import InstanceOption
from pdplan.planner.placement_goodput import Goodputs
from pdplan.planner.placement_options import Room, inside_node, placement_options
from pdplan.planner.placement_report import Choice, Placement, Unit
from pdplan.planner.placement_search import Settle, best_first
from pdplan.planner.problem import Problem, assemble
from pdplan.planner.stations import DecodeSide
from pdplan.spec.scenario import Scenario

Affinity = Literal["high", "low"]
AFFINITIES: tuple[Affinity, ...] = get_args(Affinity)

#: Decode instances added at most where those that carry the rate alone use TTFT up.
MORE_DECODE = 4

#: Requests that the engine serves at each rate when it settles a goodput.
REQUESTS = 20_000


def placement(
    scenario: Scenario,
    *,
    affinity: str = "low",
    nodes: int = 1,
    verify: bool = True,
    requests: int = REQUESTS,
    seed: int = 0,
) -> Placement:
    """Place prefill and decode as DistServe does: the most goodput per GPU.

    Parameters
    ----------
    scenario : Scenario
        Its ``node.gpus`` (else the accelerator's) is the size of a node. Objectives are judged each by
        itself: an attainment of 90% asks that 90% meet TTFT and that 90% meet TPOT.
    affinity : str
        ``high``: DistServe's Algorithm 1. ``low``: Algorithm 2.
    nodes : int
        Nodes that one instance may span (by PP; TP stays inside a node).
    verify : bool
        Settle by the engine every instance or pair that the formulas put above the best settled so far.
    requests : int
        Simulated at each rate.
    seed : int
        Of the Philox streams.

    Raises
    ------
    UnknownNameError
        Another affinity.
    InfeasibleError
        Nothing fits the node, or no rate meets the objectives.

    Examples
    --------
    >>> from pdplan.spec.builtin import builtin_scenario
    >>> p = placement(builtin_scenario(), affinity="high", verify=False)
    >>> p.prefill.option.role, p.prefill_count >= 1, p.goodput_per_gpu > 0
    ('prefill', True, True)
    """
    if affinity not in AFFINITIES:
        raise UnknownNameError(
            f"affinity {affinity!r} is not known: use high or low{did_you_mean(affinity, AFFINITIES)}"
        )
    problem = assemble(scenario)
    room = Room(_node_gpus(problem), nodes)
    settle: Settle | None = None
    if affinity == "low":
        problem = inside_node(problem)
    if verify and scenario.prefill.discipline != "mm1":
        from pdplan.planner.placement_engine import Judge  # the engine loads here

        settle = Judge(problem, requests, seed)
    return (low_affinity if affinity == "low" else high_affinity)(problem, room, settle)


def high_affinity(problem: Problem, room: Room, settle: Settle | None = None) -> Placement:
    """Choose each phase by itself (Algorithm 1).

    The phase that holds the first token is judged with what the other adds to it: where decode emits it, TTFT
    of prefill includes transfer, admission and first step beside the decode chosen (and more decode instances
    are taken where those alone use TTFT up); where prefill does, TPOT of decode includes the transfer.
    """
    prefills, decodes = _kinds(problem, room)
    choose = _decode_first if problem.scenario.first_token_from == "decode" else _prefill_first
    prefill_rows, decode_rows, decode_count = choose(problem, prefills, decodes, settle)
    prefill, decode = _top(prefill_rows), _top(decode_rows)
    found = Placement(
        problem=problem,
        affinity="high",
        room=room,
        prefill=prefill,
        decode=decode,
        prefill_count=_instances(problem.demand.arrival_rate, prefill.rate),
        decode_count=decode_count,
        considered=len(prefills) + len(decodes),
        rows=(*prefill_rows, *decode_rows),
    )
    return found if settle is None else settle.whole(found)


#: Rows of both phases, and how many decode instances.
Phases = tuple[tuple[Choice, ...], tuple[Choice, ...], int]


def _prefill_first(
    problem: Problem, prefills: list[InstanceOption], decodes: list[InstanceOption], settle: Settle | None
) -> Phases:
    """Prefill emits the first token: it is judged alone, decode with the transfer."""
    goodputs = Goodputs(problem)
    partner = max(decodes, key=lambda o: (o.pp == 1, o.tp))
    prefill_rows = best_first(
        [Unit(o, partner, of="prefill") for o in prefills],
        [lambda u: goodputs.prefill_ceiling(u.prefill)],
        lambda u: goodputs.prefill_alone(u.prefill),
        settle,
    )
    prefill = _top(prefill_rows)
    decode_rows = best_first(
        [Unit(prefill.option, o, of="decode", partner_rate=prefill.rate) for o in decodes],
        [lambda u: goodputs.decode_alone(u.decode).rate],
        lambda u: goodputs.decode_beside(u.decode, prefill.option),
        settle,
    )
    return prefill_rows, decode_rows, _instances(problem.demand.arrival_rate, _top(decode_rows).rate)


def _decode_first(
    problem: Problem, prefills: list[InstanceOption], decodes: list[InstanceOption], settle: Settle | None
) -> Phases:
    """Decode emits the first token: it is judged alone, prefill beside as many as will be bought."""
    goodputs, rate = Goodputs(problem), problem.demand.arrival_rate
    partner = max(prefills, key=lambda o: (o.pp == 1, o.tp))
    decode_rows = best_first(
        [Unit(partner, o, of="decode") for o in decodes],
        [lambda u: goodputs.decode_ceiling(u.decode)],
        lambda u: goodputs.decode_alone(u.decode),
        settle,
    )
    decode = _top(decode_rows)
    least = _instances(rate, decode.rate)
    prefill_rows: tuple[Choice, ...] = ()
    for count in range(least, least + 1 + MORE_DECODE):
        side = DecodeSide(goodputs.at(rate / count), decode.option, 1)
        prefill_rows = best_first(
            [Unit(o, decode.option, of="prefill", partner_rate=rate / count) for o in prefills],
            [lambda u: goodputs.prefill_ceiling(u.prefill)],
            lambda u, beside=side: goodputs.prefill_beside(u.prefill, beside),  # type: ignore[misc]
            settle,
        )
        if prefill_rows[0].rate > 0.0:
            break
    return prefill_rows, decode_rows, count


def low_affinity(problem: Problem, room: Room, settle: Settle | None = None) -> Placement:
    """Choose a pair whose same-stage segments share a node (Algorithm 2); KV takes the problem's link."""
    goodputs = Goodputs(problem)
    prefills, decodes = _kinds(problem, room)
    pairs = [Unit(p, d, of="pair") for p in prefills for d in decodes if segments_fit(p, d, room)]
    if not pairs:
        raise InfeasibleError(
            f"no prefill and decode instance fit a node of {room.node_gpus} GPUs together: give smaller "
            "degrees, larger nodes, or --affinity high"
        )
    rows = best_first(
        pairs,
        [
            lambda u: min(goodputs.prefill_ceiling(u.prefill), goodputs.decode_alone(u.decode).rate),
            lambda u: goodputs.prefill_alone(u.prefill).rate,
        ],
        lambda u: goodputs.pair(u.prefill, u.decode),
        settle,
    )
    best = _top(rows)
    count = _instances(problem.demand.arrival_rate, best.rate)
    found = Placement(
        problem=problem,
        affinity="low",
        room=room,
        prefill=best,
        decode=best,
        prefill_count=count,
        decode_count=count,
        considered=len(pairs),
        rows=rows,
    )
    return found if settle is None else settle.whole(found)


def segments_fit(prefill: InstanceOption, decode: InstanceOption, room: Room) -> bool:
    """Whether the instances can be cut so that same-stage segments of both fit one node.

    Over c nodes, each holds 1/c of the stages of both.

    Examples
    --------
    >>> from types import SimpleNamespace as Kind
    >>> tp2, pp2 = Kind(pp=1, gpus=2), Kind(pp=2, gpus=4)
    >>> segments_fit(tp2, tp2, Room(4)), segments_fit(tp2, pp2, Room(4)), segments_fit(pp2, pp2, Room(4, 2))
    (True, False, True)
    """
    both = prefill.gpus + decode.gpus
    return any(
        prefill.pp % c == 0 and decode.pp % c == 0 and both <= c * room.node_gpus
        for c in range(1, room.nodes + 1)
    )


def _top(rows: tuple[Choice, ...]) -> Choice:
    if rows[0].rate == 0.0:
        raise InfeasibleError(
            f"no placement meets the objectives at any rate, even idle: {rows[0].by}; "
            "loosen it, or allow more GPUs"
        )
    return rows[0]


def _kinds(problem: Problem, room: Room) -> tuple[list[InstanceOption], list[InstanceOption]]:
    return placement_options(problem, "prefill", room), placement_options(problem, "decode", room)


def _node_gpus(problem: Problem) -> int:
    return problem.scenario.node.gpus or problem.options("prefill")[0].accelerator.gpus_per_node


def _instances(rate: float, goodput: float) -> int:
    """ceil(R / goodput), a goodput that is R to rounding counted as enough."""
    return max(1, math.ceil(rate / goodput - 1e-9))
