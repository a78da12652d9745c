"""Doubt: the grammar, the samples, and answers held against plain judging of every sample."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import pdplan
from pdplan.cli import main
from pdplan.errors import InputError, PdplanError, ScenarioError
from pdplan.latency.scaled import ScaledLatency
from pdplan.planner.doubt_answer import Probability
from pdplan.planner.doubt_grow import grow
from pdplan.planner.doubt_inputs import (
    INPUTS,
    ROOFLINE,
    DoubtfulInput,
    doubtful_inputs,
    draw_factors,
    fit_spread,
)
from pdplan.planner.doubt_judge import Jury
from pdplan.planner.doubt_promise import kept, promises
from pdplan.planner.doubt_sample import doubted
from pdplan.planner.evaluate import Disaggregated
from pdplan.planner.problem import assemble
from pdplan.planner.search import Search
from pdplan.planner.simulation import chosen_fleet
from pdplan.planner.sobol import scrambled_sobol
from pdplan.planner.vary import scaled
from pdplan.spec.loading import parse_scenario
from pdplan.spec.uncertainty import CERTAIN, Interval, Lognormal, read_spread

ROOFLINE_PAGE = Path(__file__).parents[2] / "docs" / "validation" / "roofline.md"
SIMPLE = """
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
latency: {max_prefill: 10000 tok/s, decode_table: {10: 10 ms, 100: 19 ms}}
prefill: {parallel: {tp: 1}, discipline: one_at_a_time}
decode: {parallel: {tp: 1}, step_factor: 0.9, max_batch: 100}
colocated: {parallel: {tp: 1}}
classes:
  - {name: chat, rate: 15 req/s, prompt_tokens: 1000, output_tokens: 100,
     slo: {ttft: {p95: 500 ms}, tpot: {p95: 13 ms}}}
uncertainty:
  rate: +-20%
"""


def scenario(*overrides: str) -> pdplan.Scenario:
    return parse_scenario(SIMPLE, "simple.yaml", overrides)


def jury(*overrides: str, samples: int = 64) -> tuple[Jury, Disaggregated]:
    fleet = chosen_fleet(scenario(*overrides))
    prefill, decode = fleet.prefill.option, fleet.decode.option
    inputs = doubtful_inputs(fleet.problem, prefill, decode)
    return Jury(fleet.problem, prefill, decode, inputs, draw_factors(inputs, samples, 0)), fleet


# ---------------------------------------------------------------- the grammar


@pytest.mark.parametrize(
    ("written", "spread"),
    [
        ("+-20%", Interval(0.8, 1.2)),
        ("+/- 20 %", Interval(0.8, 1.2)),
        ("±5%", Interval(0.95, 1.05)),
        ("+-0%", CERTAIN),
        ("certain", CERTAIN),
        ({"low": "-10%", "high": "+30%"}, Interval(0.9, 1.3)),
        ({"low": "5%", "high": "30%"}, Interval(1.05, 1.3)),
        ({"lognormal": {"sd": 0.2}}, Lognormal(0.2)),
        ({"lognormal": {"sd": "20%", "median": "-10%"}}, Lognormal(0.2, 0.9)),
    ],
)
def test_spreads_are_read_and_written_back(written: object, spread: object) -> None:
    found = read_spread(written)
    assert found == spread
    assert found is not None
    assert read_spread(found.document()) == found


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("uncertainty.rate=20%", 'write "+-20%"'),
        ("uncertainty.rate=0.2", 'write "+-20%"'),
        ("uncertainty.rate=+-20", 'write "+-20%"'),
        ("uncertainty.rate=+-100%", "must lie between"),
        ("uncertainty.rate=+-nan%", "not a number"),
        ("uncertainty.rate=+--5%", "must lie between"),
        ("uncertainty.rate=yes", 'write "+-20%"'),
        ("uncertainty.rate=[1, 2]", 'write "+-20%"'),
        ("uncertainty.rate={low: -10%}", 'write "+-20%"'),
        ("uncertainty.rate={low: -10%, high: 1.3}", "high is 1.3: write the change"),
        ("uncertainty.rate={low: 30%, high: 10%}", "low lies above high"),
        ("uncertainty.rate={low: -100%, high: 10%}", "above -100%"),
        ("uncertainty.rate={low: 0%, high: 1000%}", "at most +900%"),
        ("uncertainty.rate={lognormal: {}}", "write {sd: 0.2}"),
        ("uncertainty.rate={lognormal: {sd: 0}}", "sd is 0"),
        ("uncertainty.rate={lognormal: {sd: 2}}", "sd is 2"),
        ("uncertainty.rate={lognormal: {sd: .inf}}", "must be finite"),
        ("uncertainty.rate={lognormal: {mean: 1}}", "write {sd: 0.2}"),
        ("uncertainty.rte=+-20%", "did you mean rate"),
        ("uncertainty=some", "uncertainty is 'some'"),
    ],
)
def test_nonsense_is_refused_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario(setting)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("simple.yaml:")


def test_a_line_of_a_file_is_named() -> None:
    with pytest.raises(ScenarioError, match=r"^simple.yaml:14: uncertainty.rate is '20%'"):
        parse_scenario(SIMPLE.replace("+-20%", "20%"), "simple.yaml")


def test_a_step_factor_stays_below_one() -> None:
    with pytest.raises(ScenarioError, match=r"reaches 1.035: .* at most high: \+11.11%"):
        pdplan.doubt(scenario("uncertainty.step_factor=+-15%"), samples=16)
    with pytest.raises(ScenarioError, match="give an interval"):
        pdplan.doubt(scenario("uncertainty.step_factor={lognormal: {sd: 0.1}}"), samples=16)


def test_the_scenario_survives_its_json() -> None:
    once = scenario("uncertainty.decode_time={lognormal: {sd: 0.1, median: +7%}}")
    again = pdplan.Scenario.model_validate(once.model_dump(mode="json", exclude_none=True))
    assert again.uncertainty == once.uncertainty


@given(u=st.floats(1e-9, 1 - 1e-9), sd=st.floats(0.01, 1.0), median=st.floats(0.2, 5.0))
def test_lognormal_quantiles_are_scipys(u: float, sd: float, median: float) -> None:
    wanted = stats.lognorm.ppf(u, sd, scale=median)
    assert Lognormal(sd, median).quantile(u) == pytest.approx(wanted, rel=1e-9)


# ---------------------------------------------------------------- where the defaults come from


def test_the_roofline_spread_is_that_of_its_page() -> None:
    """Median and 1.4826 MAD of log(measured/predicted), from the rows of docs/validation/roofline.md."""
    rows: dict[str, list[float]] = {"prefill": [], "decode": []}
    for line in ROOFLINE_PAGE.read_text().splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if len(cells) == 7 and cells[1] in rows and re.fullmatch(r"[\d.]+", cells[4]):
            rows[cells[1]].append(float(cells[4]) / float(cells[5]))
    assert {k: len(v) for k, v in rows.items()} == {"prefill": 35, "decode": 41}
    for phase, ratios in rows.items():
        logs = np.log(ratios)
        middle = float(np.median(logs))
        spread = ROOFLINE[f"{phase}_time"]
        assert spread.median == pytest.approx(math.exp(middle), abs=0.006)
        assert spread.sd == pytest.approx(1.4826 * float(np.median(np.abs(logs - middle))), abs=0.006)


def test_a_fit_speaks_for_itself() -> None:
    said = "prefill rows 7, median 3.5%, largest 4.8%; decode rows 19, median 0.1%, largest 10.2%"
    prefill, decode = (fit_spread(f"{kind}_time", said, "mine") for kind in ("prefill", "decode"))
    # of a normal, half lies within 0.6745 sd: 0.035 / 0.6745 = 0.0519
    assert prefill == DoubtfulInput(
        "prefill_time", Lognormal(0.0519), "error of the fit of mine: median 3.5%"
    )
    assert decode.spread == Lognormal(0.01)  # never below 1%
    assert fit_spread("prefill_time", "not published", "mine").is_certain


def test_a_catalog_profile_gives_the_error_of_its_fit() -> None:
    sc = parse_scenario(
        SIMPLE.replace(
            "latency: {max_prefill: 10000 tok/s, decode_table: {10: 10 ms, 100: 19 ms}}",
            "latency: dynamo-llama-3.1-8b-fp8-h200",
        ),
        "fit.yaml",
    )
    problem = assemble(sc)
    prefill, decode = problem.options("prefill")[0], problem.options("decode")[0]
    found = {i.name: i for i in doubtful_inputs(problem, prefill, decode)}
    assert found["prefill_time"].spread == Lognormal(0.0252)  # 1.7% / 0.6745
    assert found["decode_time"].spread == Lognormal(0.0326)  # 2.2% / 0.6745
    assert "dynamo-llama-3.1-8b-fp8-h200" in found["decode_time"].source
    assert found["rate"].source == "scenario"
    assert found["link"].is_certain


# ---------------------------------------------------------------- the samples


def test_samples_follow_their_laws_and_their_seed() -> None:
    inputs = tuple(
        DoubtfulInput(name, spread, "test")
        for name, spread in zip(
            INPUTS,
            [Interval(0.8, 1.2), CERTAIN, Lognormal(0.2), *[CERTAIN] * 3, Lognormal(0.1, 2.0)],
            strict=True,
        )
    )
    rows = draw_factors(inputs, 256, 3)
    assert np.array_equal(rows, draw_factors(inputs, 256, 3))
    assert not np.array_equal(rows, draw_factors(inputs, 256, 4))
    for column, row in enumerate(inputs):
        if row.is_certain:
            assert (rows[:, column] == 1.0).all()
            continue
        # a scrambled Sobol sequence has one point in each of its 256 slices
        edges = row.spread.quantile(np.arange(1, 256) / 256)
        assert (np.bincount(np.searchsorted(edges, rows[:, column]), minlength=256) == 1).all()
    with pytest.raises(InputError, match="samples is 8"):
        draw_factors(inputs, 8, 0)


def test_each_factor_does_what_it_says() -> None:
    fleet = chosen_fleet(scenario())
    ones = dict.fromkeys(INPUTS, 1.0)
    sample = doubted(
        fleet.problem,
        fleet.prefill.option,
        fleet.decode.option,
        ones
        | {"rate": 1.5, "prompt_tokens": 2.0, "output_tokens": 0.5, "prefill_time": 3.0, "link": 0.25}
        | {"decode_time": 1.2, "step_factor": 0.8},
    )
    demand = sample.evaluator.problem.demand
    assert (demand.arrival_rate, demand.mean_prompt_tokens, demand.mean_output_tokens) == (22.5, 2000.0, 50.0)
    bare = fleet.prefill.option
    assert sample.prefill.latency.prefill_step_s(1000.0, 1e6) == pytest.approx(0.3)
    assert sample.decode.latency.decode_step_s(10.0, 1e4) == pytest.approx(0.010 * 1.5)  # 1.2 / 0.8
    assert sample.prefill.link_bytes_per_s == 0.25 * bare.link_bytes_per_s
    assert sample.prefill.price_usd_per_hour == bare.price_usd_per_hour
    latency = ScaledLatency(bare.latency, 2.0, 1.0)
    mixed = bare.latency.mixed_step_s(10.0, 1e4, 500.0, 25e4)
    assert latency.mixed_step_s(10.0, 1e4, 500.0, 25e4) == pytest.approx(2 * mixed - 0.010)


def test_as_planned_is_judged_as_the_plan_judges() -> None:
    for text in (SIMPLE, SIMPLE.replace("p95: 500 ms", "p95: 100 ms")):
        fleet = chosen_fleet(parse_scenario(text + "fleet: {prefill: {count: 2}, decode: {count: 2}}\n"))
        ones = dict.fromkeys(INPUTS, 1.0)
        sample = doubted(fleet.problem, fleet.prefill.option, fleet.decode.option, ones)
        asked = promises(fleet.problem)
        found = dict(zip(map(str, asked), kept(sample, 2, 2, asked), strict=True))
        traffic = fleet.problem.traffic[0]
        for target in traffic.slo.targets:
            assert found[f"chat: {target}"] == (fleet.value(traffic.demand, target) <= target.limit_s)


@given(power=st.integers(0, 9), dimensions=st.integers(1, 7), seed=st.integers(0, 2**31))
def test_sobol_points_are_scipys(power: int, dimensions: int, seed: int) -> None:
    wanted = stats.qmc.Sobol(dimensions, scramble=True, seed=seed).random_base2(power)
    assert np.array_equal(scrambled_sobol(power, dimensions, seed), wanted)


# ---------------------------------------------------------------- judging

CASES = [
    ("uncertainty={rate: +-30%}",),
    (
        "uncertainty={rate: +-20%, prefill_time: {lognormal: {sd: 0.2}}, link: {low: -90%, high: +10%}}",
        "prefill.discipline=batched",
    ),
    ("uncertainty={decode_time: +-10%, step_factor: {low: -8%, high: 0%}, prompt_tokens: +-40%}",),
    ("uncertainty={rate: +-20%, output_tokens: {lognormal: {sd: 0.3}}}",),
    ("uncertainty={rate: +-40%, prefill_time: +-30%}", "first_token_from=prefill"),
    (
        "uncertainty={rate: +-40%, prefill_time: +-30%}",
        "classes.chat.slo={attainment: 90%, ttft: 300 ms, tpot: 14 ms}",
    ),
]


@pytest.mark.parametrize(
    "overrides", [CASES[0], *(pytest.param(case, marks=pytest.mark.slow) for case in CASES[1:])]
)
def test_what_one_sample_says_of_others_is_what_they_say(overrides: tuple[str, ...]) -> None:
    """Every promise at every sample, judged one by one; the jury judges the fewest it can."""
    bench, fleet = jury(*overrides, samples=32)
    p, d = fleet.prefill.count, fleet.decode.count
    plain = [kept(bench.sample(i), p, d, bench.asked) for i in range(32)]
    assert np.array_equal(bench.table(p, d), plain)
    assert 0.0 < np.mean(np.all(plain, axis=1)) < 1.0


def test_few_samples_are_judged() -> None:
    bench, fleet = jury("uncertainty={rate: +-30%}", samples=256)
    bench.table(fleet.prefill.count, fleet.decode.count)
    assert bench.judged[0] <= 40  # one direction: by bisection, for each promise


@pytest.mark.parametrize(
    ("overrides", "confidence"),
    [
        pytest.param(CASES[0], 0.9, id="one", marks=pytest.mark.slow),
        *(pytest.param(case, c, marks=pytest.mark.slow) for case in CASES for c in (0.75, 0.95)),
    ],
)
def test_the_surer_fleet_is_the_cheapest_of_all(overrides: tuple[str, ...], confidence: float) -> None:
    bench, fleet = jury(*overrides, samples=16)
    start, wanted = (fleet.prefill.count, fleet.decode.count), math.ceil(confidence * 16)
    reach = grow(bench, start, wanted)
    assert reach.counts is not None
    held = {
        (p, d): sum(all(kept(bench.sample(i), p, d, bench.asked)) for i in range(16))
        for p, d in product(range(start[0], reach.counts[0] + 1), range(start[1], reach.counts[1] + 3))
    }
    assert held[reach.counts] >= wanted
    assert bench.share(*reach.counts) == held[reach.counts] / 16
    # prices are alike: instances are what is paid
    enough = [sum(c) for c, n in held.items() if n >= wanted]
    assert min(enough) == sum(reach.counts)


@pytest.mark.slow
def test_the_probability_is_where_the_rate_breaks_it() -> None:
    """Only the rate is in doubt, uniformly: the share of rates below the largest that holds, by bisection."""
    found = pdplan.doubt(scenario("uncertainty={rate: +-40%}"), samples=256)
    fleet = chosen_fleet(scenario())
    p, d = fleet.prefill, fleet.decode

    def holds(scale: float) -> bool:
        search = Search(scaled(fleet.problem, scale))
        asked = promises(search.problem)
        side = replace(doubted(search.problem, p.option, d.option, dict.fromkeys(INPUTS, 1.0)))
        return all(kept(side, p.count, d.count, asked))

    low, high = 1.0, 1.4
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    assert found.probability.value == pytest.approx((low - 0.6) / 0.8, abs=2 / 256)
    assert found.drivers[0].name == "rate"
    assert found.drivers[0].holds_low == 1.0


def test_what_drives_the_failures_is_found() -> None:
    """TTFT hangs on prefill and TPOT on decode; each objective names its own."""
    setting = "uncertainty={prefill_time: +-50%, decode_time: +-40%, link: +-10%}"
    found = pdplan.doubt(scenario(setting), samples=64)
    by = {str(p.promise): p for p in found.promises}
    ttft, tpot = by["chat: ttft p95 <= 500 ms"], by["chat: tpot p95 <= 13 ms"]
    assert ttft.probability.value < 1.0
    assert tpot.probability.value < 1.0
    assert ttft.driver is not None
    assert ttft.driver.name == "prefill_time"
    assert tpot.driver is not None
    assert tpot.driver.name == "decode_time"
    assert found.drivers[-1].name == "link"


@pytest.mark.slow
def test_more_confidence_never_costs_less_and_is_confirmed_on_fresh_samples() -> None:
    costs = []
    for confidence in (0.5, 0.95):
        off = scenario("uncertainty.rate={lognormal: {sd: 0.3}}")
        found = pdplan.doubt(off, confidence=confidence, samples=128)
        assert found.sure is not None
        assert found.sure.probability.value >= confidence
        assert found.sure.fresh.value == pytest.approx(found.sure.probability.value, abs=0.02)
        assert found.sure.usd_per_hour >= found.usd_per_hour
        costs.append(found.sure.usd_per_hour)
    assert costs == sorted(costs)
    assert costs[-1] > costs[0]


def test_what_no_number_of_instances_reaches_is_said() -> None:
    """A prompt alone takes 100 ms: no fleet meets 130 ms at half again of it."""
    setting = "uncertainty={prefill_time: +-50%}"
    found = pdplan.doubt(scenario(setting, "classes.chat.slo.ttft={p95: 130 ms}"), samples=64)
    assert not found
    assert found.sure is None
    assert 0.5 < found.best_share < 0.85
    assert found.in_the_way == "chat: ttft p95 <= 130 ms"
    assert "No number of these instances holds with 95%" in str(found)


@pytest.mark.parametrize(("held", "samples"), [(0, 64), (1, 64), (200, 256), (64, 64)])
def test_intervals_are_wilsons(held: int, samples: int) -> None:
    wanted = stats.binomtest(held, samples).proportion_ci(0.95, method="wilson")
    found = Probability.of(held, samples)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-6)


# ---------------------------------------------------------------- what people type


def test_nothing_in_doubt_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"^simple.yaml: no input is in doubt: .*\+-20%"):
        pdplan.doubt(scenario("uncertainty={rate: certain}"))
    with pytest.raises(PdplanError, match="confidence is 1"):
        pdplan.doubt(scenario(), confidence=1.0)


@pytest.mark.slow
def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "simple.yaml"
    file.write_text(SIMPLE)
    outputs = []
    for _ in range(2):
        with pytest.raises(SystemExit) as left:
            main(["doubt", str(file), "--samples", "32", "--json"])
        assert left.value.code == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    document = json.loads(outputs[0])
    assert document["schema"] == "pdplan.doubt/1"
    assert document["probability"]["low"] < document["probability"]["value"] < 1.0
    assert document["confident_fleet"]["usd_per_hour"] > document["usd_per_hour"]
    with pytest.raises(SystemExit) as left:
        main(["doubt", str(file), "--samples", "32"])
    text = capsys.readouterr().out
    assert "To hold with 95%" in text
    assert "request rate: +-20% (scenario)" in text
    with pytest.raises(SystemExit) as left:
        main(["doubt", str(file), "--samples", "32", "--set", "uncertainty.prefill_time=+-50%",
              "--set", "classes.chat.slo.ttft={p95: 130 ms}"])  # fmt: skip
    assert left.value.code == 1
    for wrong in (["--samples", "3"], ["--confidence", "95"], ["--confidence", "soon"], ["--seed", "-1"]):
        with pytest.raises(SystemExit) as left:
            main(["doubt", str(file), *wrong])
        assert left.value.code == 2
