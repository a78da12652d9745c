"""Pareto frontiers: exact against brute force, points that hold in the engine, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.cli import main
from pdplan.errors import InfeasibleError, InputError
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.pareto_fleets import MixedFleet, SplitFleet, mixed_fleets, split_fleets
from pdplan.planner.pareto_frames import SHARES, pareto
from pdplan.planner.pareto_frontier import frontier
from pdplan.planner.pareto_report import Pareto
from pdplan.planner.problem import assemble
from pdplan.planner.verification import verify
from pdplan.spec.builtin import builtin_scenario

#: Equal requests: the laws take a few milliseconds.
EQUAL = (
    "[{name: chat, rate: 8 req/s, prompt_tokens: 1155, output_tokens: 211, "
    "slo: {ttft: {p99: 2 s}, tpot: {p95: 50 ms}}}]"
)
SMALL = ("prefill.parallel.tp=[2, 4]", "decode.parallel.tp=[2, 4]", f"classes={EQUAL}")


@pytest.fixture(scope="module")
def throughput() -> Pareto:
    return pareto(builtin_scenario(SMALL), gpus=12)


@pytest.fixture(scope="module")
def cost() -> Pareto:
    return pareto(builtin_scenario(SMALL), gpus=12, frame="cost")


# ---------------------------------------------------------------------- the frontier itself

few = st.integers(0, 6).map(float)
any_number = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(few, few) | st.tuples(any_number, any_number), max_size=40))
def test_the_frontier_is_what_brute_force_finds(points: list[tuple[float, float]]) -> None:
    def dominated(a: tuple[float, float]) -> bool:
        return any(b[0] >= a[0] and b[1] >= a[1] and b != a for b in points)

    found = frontier(points)
    assert {points[i] for i in found} == {p for p in points if not dominated(p)}
    assert len({points[i] for i in found}) == len(found)
    assert all(points.index(points[i]) == i for i in found)  # of equal points the first
    assert [points[i][1] for i in found] == sorted(points[i][1] for i in found)


@given(st.lists(st.tuples(any_number, any_number), max_size=30))
@settings(max_examples=30)
def test_a_frontier_is_its_own(points: list[tuple[float, float]]) -> None:
    kept = [points[i] for i in frontier(points)]
    assert [kept[i] for i in frontier(kept)] == kept


# ---------------------------------------------------------------------- fleets


def test_fleets_have_exactly_the_gpus() -> None:
    problem = assemble(builtin_scenario(SMALL))
    found = list(split_fleets(problem, 12))
    assert {f.gpus for f in found} == {12}
    # TP2+TP2: P + D = 6, 5 ways; TP2+TP4: P + 2 D = 6, 2 ways; TP4+TP2: 2; TP4+TP4: P + D = 3, 2
    assert len(found) == 5 + 2 + 2 + 2
    assert len({f.label for f in found}) == len(found)
    assert [f.label for f in mixed_fleets(problem, 12)] == ["6 x TP2", "3 x TP4"]


def test_the_largest_rate_is_on_the_edge() -> None:
    """At the rate found a plan's own judge is content; 2% beyond it is not."""
    from pdplan.planner.need import excess

    problem = assemble(builtin_scenario(SMALL))
    for fleet in list(split_fleets(problem, 8))[:2]:
        rate = fleet.largest.rate
        if rate == 0.0:
            continue
        assert _kept(fleet.at(rate), excess)
        try:
            beyond = _kept(fleet.at(1.02 * rate), excess)
        except InfeasibleError:
            beyond = False
        assert not beyond


def _kept(fleet: Disaggregated, excess: Any) -> bool:
    limit = fleet.problem.scenario.max_utilization
    loads = (fleet.prefill.utilization, fleet.decode.utilization, fleet.link.utilization)
    return excess(fleet) <= 1e-9 and max(loads) <= limit * (1 + 1e-9)


def test_largest_rate_of_colocated_is_between_its_ends() -> None:
    problem = assemble(builtin_scenario(SMALL))
    fleet = next(f for f in mixed_fleets(problem, 8) if f.option.tp == 4)
    sure, perhaps = fleet.largest.rate, fleet.largest_perhaps.rate
    assert 0.0 < sure <= perhaps
    assert fleet.at(sure).meets(end=1)
    assert not fleet.at(1.02 * sure).meets(end=1)


# ---------------------------------------------------------------------- frames


def test_no_point_of_the_throughput_frame_is_dominated(throughput: Pareto) -> None:
    for one in throughput.points:
        for other in throughput.points:
            if one.fleet.architecture != other.fleet.architecture or one.sure != other.sure or one is other:
                continue
            assert (
                one.tokens_per_s_per_gpu > other.tokens_per_s_per_gpu
                or one.tokens_per_s_user > other.tokens_per_s_user
            )


def test_the_common_frontier_falls(throughput: Pareto) -> None:
    best = throughput.best
    assert len(best) > 3
    assert [p.tokens_per_s_user for p in best] == sorted((p.tokens_per_s_user for p in best), reverse=True)
    assert all(p.sure for p in best)


def test_points_add_up(throughput: Pareto) -> None:
    problem = throughput.problem
    for p in throughput.points:
        assert p.tokens_per_s_per_gpu == pytest.approx(p.rate * problem.demand.mean_output_tokens / 12)
        assert p.share in SHARES
        assert p.usd_per_hour == pytest.approx(12 * 2.99)  # the catalog's price of an H100
        assert p.ttft_p99_s > 0


def test_every_ratio_is_there(throughput: Pareto) -> None:
    ratios = [(r.fleet.prefill_count, r.fleet.decode_count) for r in throughput.ratios]
    assert len(ratios) == len(set(ratios)) >= 2
    most = max(r.rate for r in throughput.ratios)
    assert most == max(p.rate for p in throughput.points if isinstance(p.fleet, SplitFleet))


def test_cheapest_of_the_cost_frame_is_the_cheapest_of_all(cost: Pareto) -> None:
    """Brute force over the same space, without bounds: nothing cheaper meets the objectives but TTFT."""
    problem = assemble(builtin_scenario(SMALL))
    split = [p for p in cost.points if isinstance(p.fleet, SplitFleet)]
    every = [f for n in range(1, 13) for f in split_fleets(problem, n) if f.meets_all_but_ttft()]
    rate = problem.demand.arrival_rate
    scored = [(-f.usd_per_hour, -f.ttft_p99_s(rate)) for f in every]
    assert {(-p.usd_per_hour, -p.ttft_p99_s) for p in split} == {scored[i] for i in frontier(scored)}


def test_cost_falls_as_ttft_rises(cost: Pareto) -> None:
    costs = [p.usd_per_hour for p in cost.best]
    assert costs == sorted(costs)
    ttfts = [p.ttft_p99_s for p in cost.best]
    assert ttfts == sorted(ttfts, reverse=True)


def test_the_engine_agrees_with_the_top_of_the_frontier(throughput: Pareto) -> None:
    """The split point of most throughput, at 95% of its rate: the engine finds every objective met."""
    top = max((p for p in throughput.points if isinstance(p.fleet, SplitFleet)), key=lambda p: p.rate)
    assert isinstance(top.fleet, SplitFleet)
    assert verify(top.fleet.at(0.95 * top.rate), requests=20_000).holds != "fails"


@pytest.mark.slow
def test_joint_objectives_and_several_classes() -> None:
    two = "{attainment: 90%, ttft: 1 s, tpot: 60 ms}"
    other = "{name: code, rate: 2 req/s, prompt_tokens: 2000, output_tokens: 40, slo: {ttft: {p95: 1 s}}}"
    classes = EQUAL.replace("{ttft: {p99: 2 s}, tpot: {p95: 50 ms}}", two)[:-1] + f", {other}]"
    scenario = builtin_scenario((*SMALL[:2], f"classes={classes}", "first_token_from=prefill"))
    for frame in ("throughput", "cost"):
        found = pareto(scenario, gpus=8, frame=frame)
        assert any(p.fleet.architecture == "split" for p in found.points)


# ---------------------------------------------------------------------- text, files, refusals


def test_text_fits_and_says_its_trust(throughput: Pareto, cost: Pareto) -> None:
    for found in (throughput, cost):
        text = str(found)
        assert max(map(len, text.splitlines())) <= 80
        assert "approximate" in text
    assert "P:D as the knob" in str(throughput)


def test_csv_and_plot(throughput: Pareto, cost: Pareto, tmp_path: Path) -> None:
    path = throughput.to_csv(tmp_path / "points.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(throughput.points)
    assert {r["architecture"] for r in rows} == {"split", "colocated"}
    with pytest.raises(InputError, match="does not exist"):
        throughput.to_csv(tmp_path / "nowhere" / "points.csv")
    pytest.importorskip("matplotlib")
    for found in (throughput, cost):
        axes = found.plot()
        assert axes.get_xlabel()
        assert found.plot(axes) is axes


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"frame": "speed"}, InputError, "use throughput or cost"),
        ({"gpus": 0}, InputError, "of 1 to 512 GPUs"),
        ({"gpus": 1}, InfeasibleError, "exactly 1 GPU"),
        ({"gpus": 4, "frame": "cost"}, InfeasibleError, "more --gpus"),
    ],
)
def test_refusals(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as raised:
        pareto(builtin_scenario(SMALL), **options)
    assert "\n" not in str(raised.value)


def test_one_token_each_has_no_speed() -> None:
    one = "{name: chat, rate: 2 req/s, prompt_tokens: 500, output_tokens: 1, slo: {ttft: {p99: 2 s}}}"
    scenario = builtin_scenario((*SMALL[:2], f"classes=[{one}]"))
    with pytest.raises(InputError, match="nobody has a speed"):
        pareto(scenario, gpus=8)


@pytest.mark.slow
def test_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    sets = [x for s in SMALL for x in ("--set", s)]
    with pytest.raises(SystemExit) as left:
        main(["pareto", "--gpus", "8", "--json", "-o", str(path), *sets])
    assert not left.value.code
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "pdplan.pareto/1"
    assert document["frontier"] == "throughput"
    assert len(document["points"]) == len(path.read_text().splitlines()) - 1
    with pytest.raises(SystemExit) as left:
        main(["pareto", "--frontier", "beauty"])
    assert left.value.code == 2
    assert "frontier 'beauty' is not known" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["points.txt", "points", "points.CSV.gz"])
def test_points_are_written_as_csv_alone(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["pareto", "--gpus", "8", "-o", str(tmp_path / name)])
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"pdplan: --output is {tmp_path / name}: its name must end in .csv\n"
    assert list(tmp_path.iterdir()) == []


def test_sure_points_of_colocated_come_from_their_own_fleet(throughput: Pareto) -> None:
    for p in throughput.points:
        if isinstance(p.fleet, MixedFleet) and p.sure:
            assert p.rate <= p.fleet.largest.rate * (1 + 1e-9)
