"""The search over designs: exact over a small space, stock and objective bind, text and document."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InfeasibleError, ScenarioError
from pdplan.planner.colocated import ColocatedFleet
from pdplan.planner.designs_report import DesignReport
from pdplan.planner.designs_search import DesignSearch, designs
from pdplan.planner.judge import judge
from pdplan.planner.problem import assemble
from pdplan.planner.search import Search
from pdplan.spec.loading import parse_scenario
from pdplan.spec.scenario import Scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"

#: Fixed lengths keep the laws fast; two accelerators of different price and speed.
SMALL = """
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
prefill: {parallel: {tp: [1, 2]}}
decode: {parallel: {tp: [1, 2]}}
classes:
  - {name: chat, rate: 20 req/s, prompt_tokens: 1500, output_tokens: 200,
     slo: {ttft: {p95: 500 ms}, tpot: {p95: 20 ms}}}
search: {accelerators: [h100-sxm-80gb, l40s]}
"""


def scenario(*overrides: str, text: str = SMALL) -> Scenario:
    return parse_scenario(text, overrides=overrides)


def report(*overrides: str, text: str = SMALL) -> DesignReport:
    return designs(scenario(*overrides, text=text), verify=False)


def fleets_that_meet(search: DesignSearch, most: int) -> list[dict[str, int]]:
    """GPUs of every split fleet of up to ``most`` instances a pool, and of colocated ones, that meet all."""
    problem = search.problem
    laws = Search(problem)
    fleets: list[dict[str, int]] = []
    counts = range(1, most + 1)
    for p, d in itertools.product(search.kinds.prefill, search.kinds.decode):
        for n, m in itertools.product(counts, counts):
            if (
                laws.prefill_stable(p.option, n)
                and laws.decode_meets(d.option, m)
                and laws.fleet_meets(laws.evaluator.fleet(p.option, n, d.option, m))
            ):
                use = dict.fromkeys(search.yardstick.names, 0)
                use[p.option.accelerator.name] += n * p.option.gpus
                use[d.option.accelerator.name] += m * d.option.gpus
                fleets.append(use)
    for c, n in itertools.product(search.kinds.colocated, range(1, 2 * most + 1)):
        if ColocatedFleet(problem, c.option, n).meets(end=1):
            use = dict.fromkeys(search.yardstick.names, 0)
            use[c.option.accelerator.name] = n * c.option.gpus
            fleets.append(use)
    return fleets


def least(search: DesignSearch, fleets: list[dict[str, int]]) -> float:
    """Smallest objective of the fleets that the stock holds, in whole nodes where asked."""
    yard, node = search.yardstick, search.problem.scenario.node
    each = {"cost": yard.usd_per_hour, "power": yard.power_w, "gpus": (1.0,) * len(yard.names)}
    price = dict(zip(yard.names, each[search.space.objective], strict=True))
    whole = node.gpus if node.whole_nodes and node.gpus else 1
    values = []
    for use in fleets:
        bought = {name: -(-n // whole) * whole for name, n in use.items()}
        if all(n <= search.space.stock.get(name, 10**9) for name, n in bought.items()):
            values.append(sum(n * price[name] for name, n in bought.items()))
    return min(values)


@pytest.fixture(scope="module")
def small_fleets() -> list[dict[str, int]]:
    return fleets_that_meet(DesignSearch(assemble(scenario())), 4)


@pytest.mark.parametrize(
    ("objective", "more"),
    [
        ("cost", ()),
        ("gpus", ()),
        ("power", ()),
        ("cost", ("search.stock={h100-sxm-80gb: 1}",)),
        ("gpus", ("search.stock={h100-sxm-80gb: 1}",)),
        ("cost", ("node.gpus=3", "node.whole_nodes=true", "prices.l40s=1.6 USD/h")),
    ],
)
def test_search_agrees_with_brute_force(
    small_fleets: list[dict[str, int]], objective: str, more: tuple[str, ...]
) -> None:
    search = DesignSearch(assemble(scenario(f"search.objective={objective}", *more)))
    found = search.report().best
    assert found.value == pytest.approx(least(search, small_fleets), abs=1e-6)
    assert found.status == "met"
    for pools in found.pools:  # the full report of the fleet says the same
        if not isinstance(pools.fleet, ColocatedFleet):
            assert judge(pools.fleet).status == "met"


def test_two_classes_agree_with_brute_force_over_the_ways() -> None:
    """Sharing or not, split or not: the best of the six ways, each sized by itself."""
    text = SMALL.replace(
        "search:",
        "  - {name: code, rate: 30 req/s, prompt_tokens: 3000, output_tokens: 20,\n"
        "     slo: {ttft: {p95: 1 s}, tpot: {mean: 40 ms}}}\n"
        "search:",
    ).replace(", l40s", "")
    sc = scenario("search.length_quantiles=[]", "prefill.parallel.tp=1", text=text)
    search = DesignSearch(assemble(sc))
    whole = least(search, fleets_that_meet(search, 6))
    alone = []
    for name in ("chat", "code"):
        index = [t.name for t in search.problem.traffic].index(name)
        one = DesignSearch(search.problem.only(index))
        alone.append(least(one, fleets_that_meet(one, 4)))
    assert len(search.ways) == 6
    assert search.report().best.value == pytest.approx(min(whole, sum(alone)), abs=1e-6)


def test_objectives_differ_where_prices_do() -> None:
    """Fast GPUs made dear: fewer of them are needed, many cheap ones cost less."""
    dear = ("prices.h100-sxm-80gb=40 USD/h", "prices.l40s=0.5 USD/h")
    by_cost, by_gpus = report(*dear), report(*dear, "search.objective=gpus")
    assert by_cost.best.cost.usd_per_hour < by_gpus.best.cost.usd_per_hour
    assert by_gpus.best.cost.gpus < by_cost.best.cost.gpus
    assert by_gpus.best.value == by_gpus.best.cost.gpus
    assert report("search.objective=power").best.value == pytest.approx(
        report("search.objective=power").best.cost.power_w
    )


def used(result: DesignReport, accelerator: str) -> int:
    pools = [p for group in result.best.document()["groups"] for p in group["pools"]]
    return sum(p["gpus"] for p in pools if p["accelerator"] == accelerator)


def test_stock_binds() -> None:
    free = report()
    favourite = max(("h100-sxm-80gb", "l40s"), key=lambda name: used(free, name))
    less = used(free, favourite) - 1
    bound = report(f"search.stock={{{favourite}: {less}}}")
    assert used(bound, favourite) <= less
    assert bound.best.value >= free.best.value


def test_no_stock_at_all_is_an_honest_no() -> None:
    with pytest.raises(InfeasibleError, match=r"no design fits the stock: the best without it takes \d+ x"):
        report("search.stock={h100-sxm-80gb: 0, l40s: 0}")


def test_out_of_reach_names_the_objective() -> None:
    with pytest.raises(InfeasibleError, match="ttft p95 <= 1 ms cannot be met"):
        report("classes.chat.slo.ttft={p95: 1 ms}")


def test_whole_nodes_are_bought_whole() -> None:
    loose, whole = report(), report("node.whole_nodes=true", "node.gpus=8")
    assert whole.best.cost.gpus_bought % 8 == 0
    assert whole.best.value == pytest.approx(whole.best.cost.usd_per_hour)
    assert whole.best.value >= loose.best.value
    assert whole.best.value == min(d.value for d in whole.designs)


def test_value_is_the_cost_of_the_fleet() -> None:
    result = report()
    for design in result.designs:
        assert design.value == pytest.approx(design.cost.usd_per_hour)
    assert [d.value for d in result.designs] == sorted(d.value for d in result.designs)


def test_chunk_size_and_batch_cap_are_chosen() -> None:
    """More to choose from is never worse, and what is chosen is on the list."""
    one = report("search.chunk_tokens=8192", "search.max_batch=32")
    more = report("search.chunk_tokens=[256, 1024, 8192]", "search.max_batch=[32, 256]")
    assert more.best.value <= one.best.value
    assert more.space.colocated_kinds == 6 * one.space.colocated_kinds
    assert more.space.decode_kinds == 2 * one.space.decode_kinds
    for design in more.designs:
        for pool in (p for g in design.document()["groups"] for p in g["pools"]):
            assert pool.get("chunk_tokens", 256) in (256, 1024, 8192)
            assert pool.get("max_batch", 32) in (32, 256)


def test_accelerators_of_a_profile_cannot_be_told_apart() -> None:
    with pytest.raises(ScenarioError, match=r"scenario:11: search.accelerators: the step times .* of h100"):
        report("latency={max_prefill: 28309 tok/s, decode_table: {1: 10 ms, 64: 20 ms}}")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"search.accelerators: .*h1000"):
        report("search.accelerators=[h1000]")
    with pytest.raises(ScenarioError, match=r"search.stock: .*l44s"):
        report("search.stock={l44s: 3}")


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(
    rate=st.floats(5.0, 60.0),
    more=st.floats(1.0, 2.0),
    ttft_ms=st.integers(300, 1500),
    looser=st.integers(0, 1000),
    stock=st.integers(2, 10),
    extra=st.integers(0, 6),
)
def test_monotone(rate: float, more: float, ttft_ms: int, looser: int, stock: int, extra: int) -> None:
    """More stock or a looser SLO never raises the objective, a higher rate never lowers it."""

    def value(rate: float, ttft: int, stock: int) -> float:
        try:
            result = report(
                f"classes.chat.rate={rate!r} req/s",
                f"classes.chat.slo.ttft={{p95: {ttft} ms}}",
                f"search.stock={{h100-sxm-80gb: {stock}}}",
                "search.length_quantiles=[]",
                "prefill.parallel.tp=1",
            )
        except InfeasibleError:
            return float("inf")
        return result.best.value if result.designs else float("inf")

    base = value(rate, ttft_ms, stock)
    assert value(rate, ttft_ms, stock + extra) <= base
    assert value(rate, ttft_ms + looser, stock) <= base
    assert value(rate * more, ttft_ms, stock) >= base


@pytest.mark.parametrize(
    ("cuts", "ways"),
    [("[]", 22), pytest.param("[0.5, 0.9]", 90, marks=pytest.mark.slow)],
)
def test_three_classes_run_and_print(cuts: str, ways: int) -> None:
    """22 partitions into split and colocated groups; a class alone may also be cut at two lengths.

    With two cuts a single class has 4 ways: 1 x 2 + 3 x 2 x 4 + 4^3 = 90.
    """
    source = str(SCENARIOS / "three-classes.yaml")
    sc = Scenario.load(source, overrides=(f"search.length_quantiles={cuts}", "prefill.parallel.tp=4"))
    result = designs(sc, verify=False)
    text = str(result)
    assert result.best.status == "met"
    assert result.space.ways == ways
    assert "The runner-up lost:" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    document = result.document()
    assert document["schema"] == "pdplan.designs/1"
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_document_is_the_same_every_time() -> None:
    first, second = (json.dumps(report().document()) for _ in range(2))
    assert first == second


@pytest.mark.slow
def test_the_engine_settles_what_is_ranked() -> None:
    """With verification every ranked fleet has been simulated, and none is contradicted."""
    formulas = report("search.length_quantiles=[]")
    settled = designs(scenario("search.length_quantiles=[]"), requests=5000)
    for design in settled.designs:
        for pools in design.pools:
            assert pools.verification is None or pools.verification.holds != "fails"
    assert settled.best.basis == "simulation"
    assert settled.space.simulated > 0
    bracket = [d.value for d in (*formulas.designs, *formulas.undetermined) if "colocated" in d.label]
    for design in settled.designs:
        if design.label.startswith("colocated"):
            assert design.value <= max(bracket)


def test_classes_are_cut_by_prompt_length() -> None:
    """Both parts together are the class: rate, mean length; each keeps the objectives."""
    text = SMALL.replace("prompt_tokens: 1500", "prompt_tokens: {mean: 1500, p99: 9000}")
    search = DesignSearch(assemble(scenario("search.length_quantiles=[0.5, 0.9]", text=text)))
    whole = search.problem.traffic[0]
    assert len(search.ways) == 4
    for cut in search.cuts["chat"]:
        rate = cut.short.demand.arrival_rate + cut.long.demand.arrival_rate
        tokens = sum(p.demand.arrival_rate * p.demand.mean_prompt_tokens for p in (cut.short, cut.long))
        assert rate == pytest.approx(whole.demand.arrival_rate)
        assert tokens == pytest.approx(rate * whole.demand.mean_prompt_tokens)
        assert cut.short.slo == cut.long.slo == whole.slo
        assert cut.short.demand.prompt_tokens.max() <= cut.prompt_tokens < cut.long.demand.prompt_tokens.min()


def test_equal_prompts_are_not_cut() -> None:
    assert len(DesignSearch(assemble(scenario())).ways) == 2


def test_an_instance_that_cannot_hold_the_longest_request_is_left_out() -> None:
    """300,000 prompt tokens of 131,072 B are 39 GB of KV: an L40S (48 GB, 16 GB of weights) has no room."""
    result = report(
        "classes.chat.prompt_tokens=300000",
        "classes.chat.rate=0.01 req/s",
        "classes.chat.slo={ttft: {mean: 1000 s}}",
        "prefill.parallel.tp=1",
        "decode.parallel.tp=1",
    )
    pools = [p for d in result.designs for g in d.document()["groups"] for p in g["pools"]]
    assert {p["accelerator"] for p in pools} == {"h100-sxm-80gb"}


def test_many_classes_search_a_stated_list_of_ways() -> None:
    classes = "\n".join(
        f"  - {{name: c{i}, rate: {5 + i} req/s, prompt_tokens: {400 * (i + 1)}, output_tokens: {40 + i},\n"
        "     slo: {ttft: {p95: 1 s}, tpot: {p95: 30 ms}}}"
        for i in range(5)
    )
    head, tail = SMALL.split("  - {name: chat")[0], "search: {accelerators: [h100-sxm-80gb]}\n"
    result = report("prefill.parallel.tp=1", "decode.parallel.tp=1", text=f"{head}{classes}\n{tail}")
    assert result.space.restricted
    assert 2 < result.space.ways <= 6
    assert "a restricted list" in str(result)
