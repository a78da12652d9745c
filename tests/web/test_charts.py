"""Pictures: places are right, words are escaped, every picture says what it shows."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from pdplan import units
from pdplan.planner import Plan, size
from pdplan.spec.builtin import builtin_scenario
from pdplan.web import words
from pdplan.web.charts.axis import Axis
from pdplan.web.charts.frontier import frontier_chart
from pdplan.web.charts.law import HEIGHT, WIDTH, Limit, law_chart, place
from pdplan.web.charts.tables import Bar, bar_table, verdict_table
from pdplan.web.deep import full_answer
from pdplan.web.laws import curve, simulated_curve
from pdplan.web.quick import kinds_of, quick_answer
from pdplan.web.stations import breakdown, loads

EVIL = '<img src=x onerror="alert(1)">{{7*7}}'


@pytest.fixture(scope="module")
def plan() -> Plan:
    return size(builtin_scenario())


@pytest.fixture(scope="module")
def answer() -> dict[str, Any]:
    return full_answer(builtin_scenario())


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def test_an_exponential_law_is_a_straight_line() -> None:
    # P(T > t) = exp(-t): at percentile p, t = -ln(1 - p) = 2.302585 x place
    points = curve(lambda t: np.exp(-np.asarray(t)))
    for latency, slower in points:
        assert latency == pytest.approx(2.302585 * place(slower), abs=2e-3)
    assert points[-1][0] == pytest.approx(6.9078, rel=0.01)


def test_a_simulated_law_is_that_of_its_values() -> None:
    values = np.random.default_rng(1).exponential(size=200_000)
    for latency, slower in simulated_curve(values)[:40]:
        assert latency == pytest.approx(-np.log(max(slower, 1e-9)), abs=0.05)


def test_a_law_chart_keeps_its_marks_inside_and_speaks() -> None:
    svg = law_chart("TTFT of chat", [[0.1, 1.0], [0.5, 0.1], [1.3, 0.001]], [Limit("p99", 1.0, 1.1, False)])
    root = parsed(svg)
    assert root.get("role") == "img"
    assert "p99 1.1 s, limit 1 s: missed" in str(root.get("aria-label"))
    for element in root.iter():
        for key in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.get(key, "0")) <= WIDTH
        for key in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.get(key, "0")) <= HEIGHT


def test_a_limit_far_above_is_named_and_not_drawn() -> None:
    svg = law_chart("TTFT of chat", [[0.1, 1.0], [0.2, 0.001]], [Limit("p99", 20.0, 0.19, True)])
    assert "above the picture" in svg


def test_words_of_people_are_escaped() -> None:
    assert "<img" not in law_chart(EVIL, [[0.1, 1.0], [0.2, 0.001]], [])
    assert "<img" not in bar_table(EVIL, [Bar(EVIL, EVIL, 0.5)])
    no = {"feasible": False, "binding": EVIL, "nearest": []}
    assert "<img" not in words.headline(no, 1, settled=True)


def test_a_bar_is_as_wide_as_its_share() -> None:
    table = bar_table("load", [Bar("prefill", "62%", 0.62, 0.85), Bar("link", "140%", 1.4, 0.85, True)])
    assert "width:62%" in table
    assert "left:85%" in table
    assert "width:100%" in table  # held inside


def test_axis_inverts() -> None:
    axis = Axis(10.0, 1000.0, 0.0, 100.0, log=True)
    places = [axis.at(v) for v in (10.0, 100.0, 1000.0, 5000.0)]
    assert places == pytest.approx([0.0, 50.0, 100.0, 100.0])


def test_the_map_waits_for_columns_and_frames_the_scenario() -> None:
    drawn = {
        "class": "chat",
        "prompt_tokens": [500.0, 1000.0],
        "bytes_per_s": [12.5e9, 50e9],
        "here": (1, 1),
        "states": [["split", "colocated"], None],
    }
    table = verdict_table(drawn)
    assert table.count("waiting") == 2
    assert table.count(" here") == 1
    assert re.search(r"100 Gb/s.*split", table, re.DOTALL)


def test_the_frontier_marks_what_no_fleet_beats() -> None:
    point = {"architecture": "split", "fleet": "1 P TP4 + 1 D TP4", "usd_per_hour": 20.0, "ttft_p99_s": 1.0}
    other = point | {"architecture": "colocated", "usd_per_hour": 30.0, "ttft_p99_s": 1.2}
    rows = [point | {"on_common_frontier": True}, other | {"on_common_frontier": False}]
    svg = frontier_chart(rows, 20.0, 2.0)
    parsed(svg)
    assert 'class="split best"' in svg
    assert 'class="colocated"' in svg


def test_the_page_says_what_the_plan_says(plan: Plan, answer: dict[str, Any]) -> None:
    top = words.headline(answer, 7, settled=True)
    assert f"{plan.cost.usd_per_hour:.2f} USD/h" in top
    assert plan.binding.tightest in top
    assert 'data-revision="7"' in top
    assert plan.verdicts[0].why in words.verdicts(answer)
    assert words.objectives(answer).count("met") >= 2


def test_parts_and_loads_are_those_of_the_plan(answer: dict[str, Any]) -> None:
    fleet = answer["fleet"]
    queue = fleet["classes"][0]["ttft_parts_s"]["queue"]
    assert f"<td>{units.show(queue, 'time')}</td>" in breakdown(fleet["classes"][0])
    assert f"{fleet['prefill']['utilization']:.0%} of 85%" in loads(fleet)


def test_the_answer_at_once_is_the_plan_of_these_kinds(plan: Plan) -> None:
    quick = quick_answer(builtin_scenario(), kinds_of(plan.basis.best))
    assert quick["fleet"]["label"] == plan.fleet.label
    assert quick["fleet"]["cost"] == plan.fleet.cost.document()
    for metric in ("ttft", "tpot", "e2e"):
        a, b = quick["fleet"]["classes"][0][metric], plan.fleet.document()["classes"][0][metric]
        for p in ("p50", "p90", "p95", "p99"):
            # a lattice of 512 points, read off a curve, against one of 4096
            assert a[p]["value_s"] == pytest.approx(b[p]["value_s"], rel=0.01)


def test_kinds_that_are_not_possible_are_left(answer: dict[str, Any]) -> None:
    # 140 GB of weights do not fit one GPU of 80 GB
    quick = quick_answer(builtin_scenario(), ((1, 1, 1, 1), (1, 1, 1, 1)))
    assert quick["fleet"]["label"] == answer["fleet"]["label"]
