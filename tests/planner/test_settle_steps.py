"""Fleets stepped up and down beside the formulas' choice, and a link between several at either end."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import pdplan
from pdplan.planner import Plan
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.problem import assemble
from pdplan.planner.search import Search
from pdplan.planner.settle import settle_fleet
from pdplan.planner.simulated import draw, pd_config, simulate_fleet
from pdplan.planner.verification import verify
from pdplan.queueing import MM1
from pdplan.queueing.mg1 import MG1
from pdplan.queueing.service import Atoms
from pdplan.serving.approximate_wait import ApproximateWait, TwoWaits
from pdplan.sim.result import SimResult
from pdplan.sim.run import run_pd
from pdplan.spec.scenario import Scenario


def scenario(rate: str, **others: Any) -> Scenario:
    document = {
        "version": 1,
        "model": "llama-3.1-8b",
        "accelerator": "h100-sxm-80gb",
        "link": "eth-25g",
        "node": {"nics": 1},
        "classes": [
            {
                "name": "chat",
                "rate": rate,
                "workload": "azure-conv-2023",
                "slo": {"ttft": {"p90": "2 s"}, "tpot": {"mean": "50 ms"}},
            }
        ],
        "prefill": {"parallel": {"tp": [1]}},
        "decode": {"parallel": {"tp": [1]}},
    }
    return Scenario.model_validate(document | others)


def fleet(rate: str, prefills: int, decodes: int, **others: Any) -> Disaggregated:
    problem = assemble(scenario(rate, **others))
    search = Search(problem)
    p, d = problem.options("prefill")[0], problem.options("decode")[0]
    return search.evaluator.fleet(p, prefills, d, decodes)


class TestLinkBetweenSeveral:
    def test_one_end_alone_sends_one_after_another(self) -> None:
        assert fleet("4 req/s", 1, 3).link.one_end
        assert fleet("4 req/s", 3, 1).link.one_end
        assert not fleet("4 req/s", 3, 2).link.one_end
        assert pd_config(fleet("4 req/s", 1, 3)).link.sharing == "fifo"
        assert pd_config(fleet("4 req/s", 3, 2)).link.sharing == "shared"

    def test_a_slower_receiver_is_an_end_of_its_own(self) -> None:
        # TP4 has four eighths of the NIC, TP1 one: the sender can feed several receivers at once
        one = fleet("4 req/s", 1, 3, prefill={"parallel": {"tp": [4]}})
        assert not one.link.one_end

    def test_heads_of_queues_choke_a_switch_and_shared_bandwidth_does_not(self) -> None:
        # Karol, Hluchyj and Morgan 1987: at most 2 - sqrt 2 = 0.586 of the ports with many inputs; 4 x 4
        # equal cells: 0.6553. The link is at 0.80 here.
        four = fleet("8.26 req/s", 4, 4)
        assert four.link.utilization == pytest.approx(0.80, abs=0.02)
        config = pd_config(four)
        stuck = replace(config, link=replace(config.link, sharing="fifo"))
        stream = draw(four.problem, 20_000, 0)
        backlog = SimResult(run_pd(stuck, stream, seed=0), stuck, ("chat",))
        assert backlog.stability.regime == "backlogged"
        assert simulate_fleet(four, 20_000, 0).stability.regime == "steady"

    @pytest.mark.slow
    @pytest.mark.parametrize("counts", [(2, 2), (4, 4), (6, 3)])
    @pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
    def test_the_wait_at_both_ends_against_simulation(self, counts: tuple[int, int], share: float) -> None:
        one = fleet("1 req/s", *counts)
        some = fleet(f"{share / one.link.utilization:.4g} req/s", *counts)
        mix = some.problem.demand
        expected = mix.mean(some.link.transfer_s(mix)) + some.link.wait.mean_s
        seen = float(np.mean(simulate_fleet(some, 100_000, 1).raw.transfer_s))
        assert 0.5 * expected < seen < 1.1 * expected  # on the careful side

    def test_two_waits_are_their_convolution(self) -> None:
        law = MM1(arrival_rate=0.5, service_s=1.0)
        both = TwoWaits(ApproximateWait(law, 0.0), ApproximateWait(law, 0.0))
        # W > t of one: 0.5 e^(-t/2). Sum: P = 0.25 + (0.5 + 0.25 + t/8) e^(-t/2) - 0.25 ... by hand:
        # density of the sum 0.25 e^(-t/2) + (1/16) t e^(-t/2), so P(>t) = (0.5 + t/8 + 0.25) e^(-t/2)
        t = np.array([0.5, 2.0, 6.0])
        assert both.sf(t) == pytest.approx((0.75 + t / 8) * np.exp(-t / 2), abs=2e-4)

    def test_lattice_of_both(self) -> None:
        # M/D/1 at load 1/2 waits 0.5 x 0.5 / (2 x 0.5) = 0.5 s on average
        one = ApproximateWait(MG1(0.5, Atoms(np.array([1.0]), np.array([1.0]))), 0.25)
        lattice = TwoWaits(one, one).lattice(0.01, 4096)
        assert lattice is not None
        assert lattice.mean_s == pytest.approx(2 * (0.25 + 0.5), rel=1e-3)


@cache
def careful() -> Plan:
    """Join-shortest-queue, whose law is taken as random's: half of the prefill pool is not needed."""
    return pdplan.plan(
        scenario(
            "",
            link="ib-ndr-400g",
            node={"nics": 8},
            prefill={"parallel": {"tp": [1]}, "router": "jsq", "discipline": "one_at_a_time"},
            max_utilization=0.95,
            classes=[
                {
                    "name": "chat",
                    "rate": "200 req/s",
                    "prompt_tokens": 2000,
                    "output_tokens": 100,
                    "slo": {"ttft": {"p99": "200 ms"}, "tpot": {"mean": "50 ms"}},
                }
            ],
        )
    )


@pytest.mark.slow
class TestDown:
    def test_less_that_is_proved_enough_is_bought(self) -> None:
        plan = careful()
        formulas = pdplan.plan(plan.scenario, verify=False)
        assert plan.fleet.prefill.count < formulas.fleet.prefill.count
        assert plan.verification is not None
        assert plan.verification.holds == "holds"
        assert any("proved enough" in step for step in plan.verification.stepped_up)

    def test_what_formulas_miss_is_reported_as_simulated(self) -> None:
        plan = careful()
        assert plan.fleet.status == "met"
        ttft = plan.classes[0].objectives[0]
        assert ttft.trust.value == "simulated"
        assert ttft.value <= ttft.limit

    def test_the_next_smaller_is_not_proved(self) -> None:
        plan = careful()
        search = plan.basis.search
        p, d = plan.basis.best.prefill, plan.basis.best.decode
        smaller = search.evaluator.fleet(p, plan.fleet.prefill.count - 1, d, plan.fleet.decode.count)
        limit = plan.scenario.max_utilization
        assert smaller.prefill.utilization > limit or verify(smaller, requests=160_000).holds != "holds"


@pytest.mark.slow
def test_a_step_up_goes_to_the_pool_that_helps() -> None:
    """The receiving end of the link is full: more prefill instances would not help, more decode does."""
    tight = scenario("5.5 req/s", max_utilization=0.99)
    document = tight.model_dump(mode="json", exclude_none=True)
    document["classes"][0]["slo"] = {"ttft": {"p90": "1.4 s"}}
    search = Search(assemble(Scenario.model_validate(document)))
    best = search.best()
    few = replace(best, prefill_count=3, decode_count=2)
    settled = settle_fleet(search, few, requests=20_000, seed=0)
    assert settled.verification.holds != "fails"
    assert settled.best.decode_count > 2
