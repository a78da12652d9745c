"""Plans with attention ranks and expert parallelism: counts, cost, KV, link, engine, and what is refused."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

import pdplan
from pdplan.errors import InfeasibleError, UnsupportedError
from pdplan.latency.expert_degrees import Degrees
from pdplan.latency.scaled import ScaledLatency
from pdplan.planner.colocated import size_colocated
from pdplan.planner.problem import assemble
from pdplan.planner.search import Search
from pdplan.planner.simulated import simulate_fleet
from pdplan.planner.sizing import size
from pdplan.planner.split_text import colocated_lines
from pdplan.planner.stations import PrefillSide

SCENARIO = str(Path(__file__).parents[2] / "scenarios" / "deepseek-r1-ep.yaml")


@pytest.fixture(scope="module")
def planned() -> pdplan.Plan:
    return size(pdplan.Scenario.load(SCENARIO))


@pytest.mark.slow
def test_gpus_and_cost_count_every_rank(planned: pdplan.Plan) -> None:
    fleet = planned.fleet
    p, d = fleet.prefill, fleet.decode
    assert p.degrees == Degrees(1, 1, p.ep, p.ep)
    assert p.gpus == p.count * p.dp_attention
    assert fleet.cost.gpus == p.gpus + d.gpus
    assert fleet.cost.usd_per_hour == pytest.approx(2.0 * fleet.cost.gpus)  # 2 USD a GPU-hour
    assert f"{p.count} prefill DP{p.ep} EP{p.ep}" in str(planned)
    document = p.document()
    assert (document["dp_attention"], document["ep"], document["gpus"]) == (p.ep, p.ep, p.gpus)


def test_capacity_is_the_sum_of_the_ranks() -> None:
    problem = assemble(pdplan.Scenario.load(SCENARIO))
    for option in problem.options("decode"):
        # H800 of 81559 MiB, 92% used, 70,272 B of KV a token: what the weights leave, on every rank
        capacity = option.kv_capacity_tokens
        assert capacity is not None
        rank = capacity / option.dp_attention
        assert rank % 16 == 0
        assert 0 < rank * 70272 < 0.92 * 81559 * 2**20


def test_kv_of_a_request_has_the_nics_of_its_rank() -> None:
    problem = assemble(pdplan.Scenario.load(SCENARIO))
    search = Search(problem)
    prefill, decode = problem.options("prefill")[0], problem.options("decode")[0]
    fleet = search.evaluator.fleet(prefill, 3, decode, 2)
    # a GPU each with one port of 400 Gb/s
    assert fleet.link.bytes_per_s == 50e9
    assert prefill.link_bytes_per_s == 50e9 * prefill.dp_attention
    egress = fleet.link.offered_bytes_per_s / (3 * prefill.dp_attention * 50e9)
    assert fleet.link.egress_utilization == pytest.approx(egress)


def test_plan_is_quick() -> None:
    scenario = pdplan.Scenario.load(SCENARIO)
    start = time.process_time()
    size(scenario)
    assert time.process_time() - start < 3.0


def test_the_stated_fleet_is_found_by_all_its_degrees(planned: pdplan.Plan) -> None:
    again = pdplan.simulate(planned.scenario, fleet=planned.fleet, requests=500)
    assert (
        again.decode.instances == planned.fleet.decode.count if hasattr(again.decode, "instances") else True
    )
    wrong = (
        "fleet={prefill: {count: 3, dp_attention: 8, ep: 8}, decode: {count: 2, dp_attention: 32, ep: 32}}",
    )
    with pytest.raises(InfeasibleError, match="the stated prefill pool is DP8 EP8, not among"):
        pdplan.simulate(pdplan.Scenario.load(SCENARIO, overrides=wrong), requests=500)


@pytest.mark.slow
def test_engine_agrees_on_decode(planned: pdplan.Plan) -> None:
    problem = assemble(planned.scenario)
    search = Search(problem)
    p, d = planned.fleet.prefill, planned.fleet.decode
    prefill = next(o for o in problem.options("prefill") if o.degrees == p.degrees)
    decode = next(o for o in problem.options("decode") if o.degrees == d.degrees)
    fleet = search.evaluator.fleet(prefill, p.count, decode, d.count)
    # a request decodes for 22 s: 100,000 of them last 38 times as long, the batch's growth is no matter
    seen = simulate_fleet(fleet, 100_000, 0).statistic("tpot", None, None).value
    assert fleet.tpot(problem.demand).mean_s == pytest.approx(seen, rel=0.03)


def test_colocated_fleets_that_take_over_attention_ranks_are_not_judged() -> None:
    problem = assemble(pdplan.Scenario.load(SCENARIO, overrides=("colocated.parallel=null",)))
    (line,) = colocated_lines(size_colocated(problem), 200)
    assert line.startswith(
        "Colocated: no fleet can be judged: dp_attention, taken over from the prefill pool, "
    )
    assert line.endswith("give theirs, e.g. colocated: {parallel: {tp: 8}}.")


@pytest.mark.parametrize(
    ("overrides", "error", "says"),
    [
        (
            ("colocated.parallel={tp: 1, dp_attention: 16, ep: 16}",),
            UnsupportedError,
            "not modelled in colocated",
        ),
        (("prefill.discipline=one_at_a_time",), UnsupportedError, "use batched"),
        (("latency=deepseek-v3.1-h200-sglang",), UnsupportedError, "with latency: roofline only"),
        (("model=llama-3.1-70b",), InfeasibleError, "no experts to share"),
        (("decode.parallel.ep=7",), InfeasibleError, "ep is 7 with tp 1 and dp_attention"),
    ],
)
def test_what_is_not_modelled_is_refused(
    overrides: tuple[str, ...], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        size(pdplan.Scenario.load(SCENARIO, overrides=overrides))


def test_colocated_ranks_do_not_keep_the_split_fleet_from_being_planned(tmp_path: Path) -> None:
    kept = [line for line in Path(SCENARIO).read_text().splitlines() if not line.startswith("colocated:")]
    (tmp_path / "ranks.yaml").write_text("\n".join(kept))
    plan = size(pdplan.Scenario.load(str(tmp_path / "ranks.yaml")))
    assert plan.fleet.prefill.dp_attention > 1
    assert "dp_attention, taken over from the prefill pool, is not modelled" in str(plan.colocated.document())


def test_slower_prefill_of_ranks_makes_ttft_longer() -> None:
    problem = assemble(pdplan.Scenario.load(SCENARIO))
    option = problem.options("prefill")[0]
    plain = PrefillSide(problem, option, 3).station
    slower = PrefillSide(problem, replace(option, latency=ScaledLatency(option.latency, 1.05)), 3).station
    assert slower.ranks == plain.ranks == option.dp_attention
    assert slower.utilization == pytest.approx(1.05 * plain.utilization)


def test_a_deployment_is_refused_by_name(planned: pdplan.Plan) -> None:
    from pdplan.cli.deployment import split_deployment

    with pytest.raises(UnsupportedError, match="deployments with attention data parallelism"):
        split_deployment(planned)
