"""The plan end to end: answers that published examples, monotonicity and its own laws can check."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdplan
from pdplan.errors import InfeasibleError, ScenarioError
from pdplan.planner import InfeasiblePlanError, Plan
from pdplan.planner.evaluate import Evaluator
from pdplan.planner.problem import assemble
from pdplan.planner.search import Search
from pdplan.spec.builtin import builtin_scenario
from pdplan.spec.scenario import Scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def with_set(*settings_: str) -> Scenario:
    return builtin_scenario(tuple(settings_))


@cache
def planned(*settings_: str) -> Plan:
    return pdplan.plan(with_set(*settings_), verify=False)


@cache
def deepseek() -> Plan:
    return pdplan.plan(Scenario.load(str(SCENARIOS / "deepseek-v31-kingsoft.yaml")), verify=False)


class TestKingsoft:
    """arXiv 2603.04716, section 4 and the authors' demo.py: 3.07 P, 3.79 D, ratio 0.81, built as 3P4D."""

    def test_isolated_arithmetic(self) -> None:
        b = deepseek().benchmark
        assert b is not None
        assert b.prefill_tokens_per_s == pytest.approx(25075.3158, rel=1e-6)
        assert b.decode_tokens_per_s == pytest.approx(1690.9547, rel=1e-4)
        assert b.counts.prefill == pytest.approx(3.07, abs=0.005)
        assert b.counts.decode == pytest.approx(3.79, abs=0.005)
        assert b.counts.ratio == pytest.approx(0.81, abs=0.005)

    def test_in_system_the_built_fleet_carries_what_was_measured(self) -> None:
        """The paper measures 4.8 M tokens/min on 3P4D for 5 M asked."""
        b = deepseek().benchmark
        assert b is not None
        assert b.stated == (3, 4)
        assert b.stated_carries is not None
        assert b.stated_carries * 60 / 1e6 == pytest.approx(4.8, rel=0.02)

    def test_the_station_agrees_with_the_papers_prefill_equation(self) -> None:
        """Equation 13 inverts the M/M/1 response; the planner solves the same law numerically."""
        b = deepseek().benchmark
        assert b is not None
        assert deepseek().need.prefill == pytest.approx(b.counts.prefill, rel=2.5e-3)

    def test_the_fleet_carries_the_whole_demand(self) -> None:
        p = deepseek()
        assert p.fleet.status == "met"
        assert (p.fleet.prefill.count, p.fleet.decode.count) == (4, 5)
        assert p.stated is not None
        assert p.stated.status == "missed"
        text = str(p)
        for words in ("3.07", "3.79", "0.81", "3P4D", "4 prefill TP8", "5 decode TP8"):
            assert words in text

    def test_ttft_at_bare_prefill_is_refused(self) -> None:
        path = str(SCENARIOS / "deepseek-v31-kingsoft.yaml")
        bare = 0.1 + 6144 / 28309
        with pytest.raises(InfeasibleError, match=r"overhead|bare|prefill"):
            pdplan.plan(Scenario.load(path, overrides=(f"classes.requests.slo.ttft={{mean: {bare} s}}",)))


class TestReport:
    def test_parts_add_up_to_the_mean(self) -> None:
        for c in planned().classes:
            assert sum(c.ttft_parts_s.values()) == pytest.approx(c.ttft.mean_s, rel=1e-9)

    def test_percentiles_are_ordered_and_objectives_met(self) -> None:
        for c in planned().classes:
            for latency in (c.ttft, c.tpot, c.itl, c.e2e):
                values = [latency.quantiles_s[p] for p in sorted(latency.quantiles_s)]
                assert values == sorted(values)
            assert all(o.status == "met" for o in c.objectives)

    def test_quantiles_at_any_probability(self) -> None:
        ttft = planned().classes[0].ttft
        assert ttft.quantiles_s[0.95] < ttft.quantile_s(0.97) < ttft.quantiles_s[0.99]

    def test_cost_is_price_times_gpus(self) -> None:
        p = planned("prices={h100-sxm-80gb: 2 USD/h}")
        assert p.cost.usd_per_hour == pytest.approx(2 * p.cost.gpus)

    def test_whole_nodes_round_up(self) -> None:
        p = planned("node.whole_nodes=true", "classes.chat.rate=0.2 req/s")
        assert p.cost.gpus_bought % 8 == 0
        assert p.cost.gpus_bought >= p.cost.gpus

    def test_little_holds_in_decode(self) -> None:
        """Mean batch = rate per instance x steps x mean step (Little's law)."""
        p = planned()
        problem = assemble(builtin_scenario())
        option = next(o for o in problem.options("decode") if o.tp == p.fleet.decode.tp)
        side = Evaluator(problem).decode(option, p.fleet.decode.count)
        steps = side.law.steps_per_s * side.law.mean_itl_s
        assert side.law.mean_batch == pytest.approx(steps, rel=0.02)

    def test_one_instance_fewer_breaks_something(self) -> None:
        p = planned("classes.chat.rate=60 req/s")
        assert p.fleet.prefill.count > 1
        assert "would be" in p.binding.prefill or "offered" in p.binding.prefill

    def test_need_is_about_what_is_bought(self) -> None:
        """Read at the size bought, where the router pools a little better than with one instance less."""
        p = planned("classes.chat.rate=60 req/s")
        assert p.fleet.prefill.count - 1.5 < p.need.prefill <= p.fleet.prefill.count * (1 + 1e-9)
        assert p.need.decode <= p.fleet.decode.count * (1 + 1e-9)

    def test_defaults_are_printed(self) -> None:
        text = str(planned())
        for name in ("step_factor", "discipline", "router", "max_utilization", "chunk_tokens"):
            assert name in text


class TestInfeasible:
    def test_names_the_nearest(self) -> None:
        with pytest.raises(InfeasiblePlanError) as caught:
            planned("classes.chat.slo.tpot={p95: 4 ms}")
        best = caught.value.out_of_reach[0]
        assert best.best_s > 0.004
        nearest = planned(f"classes.chat.slo.tpot={{p95: {best.best_s * 1.001} s}}")
        assert nearest.fleet.status == "met"

    def test_memory_that_does_not_hold_the_model(self) -> None:
        with pytest.raises(InfeasibleError, match="tp"):
            planned("prefill.parallel.tp=1", "decode.parallel.tp=1")

    def test_joint_attainment_out_of_reach(self) -> None:
        with pytest.raises(InfeasibleError):
            planned("classes.chat.slo={attainment: 99%, ttft: 40 ms, tpot: 50 ms}")


class TestEveryForm:
    @pytest.mark.parametrize(
        "setting",
        [
            "prefill.router=random",
            "prefill.router=least_work",
            "prefill.router=jsq",
            "prefill.discipline=one_at_a_time",
            "prefill.discipline=mm1",
            "prefill.prefix_hit=40%",
            "decode.tokens_per_step=1.8",
            "decode.prefix_hit=50%",
            "first_token_from=prefill",
            "overlap=80%",
            "kv_dtype=fp8",
            "weights_dtype=fp8",
            "prefill.accelerator=h200-sxm-141gb",
            "colocated.discipline=prefill_first",
            "classes.chat.slo={itl: {p99: 60 ms}, e2e: {p95: 20 s}}",
            "classes.chat.slo={attainment: 90%, ttft: 1 s, tpot: 50 ms}",
            "link=eth-25g",
        ],
    )
    def test_plans(self, setting: str) -> None:
        p = planned(setting)
        assert p.fleet.status == "met"
        assert p.document()["feasible"] is True

    def test_one_output_token_has_no_tpot(self) -> None:
        plan = pdplan.plan(scoring({"ttft": {"p99": "1 s"}}), verify=False)
        assert plan.fleet.status == "met"
        assert plan.fleet.classes[0].tpot is None

    @pytest.mark.parametrize(
        "slo",
        [
            {"tpot": {"p95": "60 ms"}},
            {"itl": {"p99": "60 ms"}},
            {"attainment": "90%", "ttft": "1 s", "tpot": "60 ms"},
        ],
    )
    def test_a_pace_objective_on_one_output_token_is_refused(self, slo: dict[str, object]) -> None:
        with pytest.raises(ScenarioError, match="class score: every request has one output token"):
            pdplan.plan(scoring(slo), verify=False)


def scoring(slo: dict[str, object]) -> Scenario:
    """One class whose requests have one output token."""
    lengths = {"prompt_tokens": 2000, "output_tokens": 1}
    return Scenario.model_validate(
        {
            "version": 1,
            "model": "llama-3.1-8b",
            "accelerator": "h100-sxm-80gb",
            "link": "ib-ndr-400g",
            "classes": [{"name": "score", "rate": "2 req/s", **lengths, "slo": slo}],
        }
    )


@cache
def cheapest(*settings_: str) -> float:
    """Price of the cheapest fleet [USD/h], without the report around it."""
    return Search(assemble(with_set(*settings_))).best().usd_per_hour


CHEAPER_WITH = {
    "looser ttft": ("classes.chat.slo.ttft={{p99: {} s}}", [0.9, 1.2, 2.0, 6.0]),
    "looser tpot": ("classes.chat.slo.tpot={{p95: {} ms}}", [16, 25, 40, 90]),
    "more overlap": ("overlap={}%", [0, 50, 100]),
    "more prefix hits": ("prefill.prefix_hit={}%", [0, 30, 60, 90]),
    "more NICs": ("node.nics={}", [1, 2, 8]),
    "more memory": ("memory.fraction={}", [0.85, 0.9, 0.95]),
}


@pytest.mark.parametrize("what", CHEAPER_WITH)
def test_easier_questions_never_cost_more(what: str) -> None:
    form, values = CHEAPER_WITH[what]
    costs = [cheapest(form.format(v), "classes.chat.rate=30 req/s") for v in values]
    assert costs == sorted(costs, reverse=True)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.05, 300), st.floats(1.01, 3))
def test_a_higher_rate_never_costs_less(rate: float, factor: float) -> None:
    low = cheapest(f"classes.chat.rate={rate!r} req/s")
    high = cheapest(f"classes.chat.rate={rate * factor!r} req/s")
    assert high >= low - 1e-9


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.05, 300),
    st.floats(1.01, 3),
    st.sampled_from(["random", "round_robin", "least_work"]),
    st.sampled_from(["batched", "one_at_a_time"]),
)
def test_a_higher_rate_never_costs_less_with_any_router(
    rate: float, factor: float, router: str, discipline: str
) -> None:
    same = (f"prefill.router={router}", f"prefill.discipline={discipline}")
    low = cheapest(f"classes.chat.rate={rate!r} req/s", *same)
    high = cheapest(f"classes.chat.rate={rate * factor!r} req/s", *same)
    assert high >= low - 1e-9


def test_instances_without_room_for_the_longest_request_are_left_out() -> None:
    """An L4 holds some 40,000 tokens of an 8B beside its weights: prompts of 60,000 need more of them."""
    from pdplan.planner.sizing import size
    from pdplan.spec.loading import parse_scenario

    text = """
version: 1
model: llama-3.1-8b
accelerator: l4
link: roce-100g
prefill: {parallel: {tp: [1, 4]}}
decode: {parallel: {tp: [1, 4]}}
classes:
  - {name: rag, rate: 0.05 req/s, prompt_tokens: 60000, output_tokens: 20, slo: {ttft: {p90: 300 s}}}
"""
    plan = size(parse_scenario(text))
    assert (plan.fleet.prefill.tp, plan.fleet.decode.tp) == (4, 4)
    assert any("does not hold the longest requests, of 60,0" in why for why in plan.rejected)


def test_requests_that_no_instance_holds_are_left_out_of_the_simulation_and_counted() -> None:
    """The far end of a lognormal law is longer than an L4 has room for: an engine refuses such a request."""
    from pdplan.spec.loading import parse_scenario

    text = """
version: 1
model: llama-3.1-8b
accelerator: l4
link: roce-100g
classes:
  - name: rag
    rate: 0.5 req/s
    prompt_tokens: {p50: 4000, p99: 20000}
    output_tokens: 200
    slo: {ttft: {p90: 60 s}}
"""
    plan = pdplan.plan(parse_scenario(text))
    assert plan.verification is not None
    assert plan.verification.left_out == 2  # of 20,000: at most one in 10,000 is that long
    assert plan.verification.requests == 19_998
    assert "2 longer than an instance holds were left out" in str(plan.verification)
    assert plan.verification.document()["left_out"] == 2
