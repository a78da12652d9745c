"""The pieces of the search over designs, and its face on the command line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdplan.planner.designs_ascending import Ascending, Count, Found
from pdplan.planner.designs_rank import Ranking
from pdplan.planner.designs_ways import Group, Way, all_ways, few_ways
from pdplan.planner.designs_yardstick import Yardstick
from pdplan.planner.search import MAX_INSTANCES

ONE = Yardstick("cost", ("a",), (2.0,), (700.0,), (float("inf"),), (1,))
TWO = Yardstick("cost", ("a", "b"), (2.0, 3.0), (700.0, 300.0), (float("inf"), float("inf")), (1, 1))


def fleet(yardstick: Yardstick, *gpus: int) -> Found:
    return Found(None, gpus, yardstick.key(gpus, 0, sum(gpus), 1))  # type: ignore[arg-type]


@given(threshold=st.integers(1, MAX_INSTANCES), start=st.integers(1, 50))
def test_count_finds_the_smallest_number(threshold: int, start: int) -> None:
    tried: list[int] = []

    def meets(n: int) -> bool:
        tried.append(n)
        return n >= threshold

    fleets = Ascending(ONE, [Count(lambda n: fleet(ONE, n), meets, start, start)])
    while not fleets.found:
        bound = fleets.key(0)
        assert bound is not None
        assert bound.gpus <= max(threshold, start)
        fleets.step()
    assert fleets.found[0].gpus == (max(threshold, start),)
    assert len(tried) < 60


def test_a_count_that_never_does_is_given_up() -> None:
    tried: list[int] = []
    count = Count(lambda n: fleet(ONE, n), lambda n: bool(tried.append(n)), 1, 1)  # type: ignore[func-returns-value]
    fleets = Ascending(ONE, [count])
    while fleets.key(0) is not None:
        fleets.step()
    assert len(tried) < 10
    assert max(tried) == MAX_INSTANCES


def test_fleets_come_in_order_without_those_that_are_beaten() -> None:
    """2 a + 3 b: (3, 0) 6, (0, 2) 6, (2, 1) 7, (4, 0) 8 is beaten by (3, 0)."""
    fleets = Ascending(TWO, [fleet(TWO, *g) for g in ((4, 0), (2, 1), (0, 2), (3, 0))])
    while fleets.key(len(fleets.found)) is not None:
        fleets.step()
    assert [f.gpus for f in fleets.found] == [(0, 2), (3, 0), (2, 1)]


vectors = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(any), min_size=1, max_size=6)


@given(first=vectors, second=vectors, stock=st.tuples(st.integers(1, 9), st.integers(1, 9)))
@pytest.mark.parametrize("node", [1, 4])
def test_groups_share_stock_and_nodes_as_brute_force_says(
    first: list[tuple[int, int]], second: list[tuple[int, int]], stock: tuple[int, int], node: int
) -> None:
    yard = Yardstick(
        "cost", ("a", "b"), (2.0, 3.0), (1.0, 1.0), (float(stock[0]), float(stock[1])), (node, node)
    )
    groups = {Group("split", ("x",)): first, Group("colocated", ("y",)): second}
    kept = {g: Ascending(yard, [fleet(yard, *v) for v in vs]) for g, vs in groups.items()}
    ranked, _ = Ranking([Way(tuple(groups))], kept.__getitem__, yard).best(1)
    sums = [(a + c, b + d) for a, b in first for c, d in second]
    bought = [tuple(-(-n // node) * node for n in s) for s in sums]
    costs = [2.0 * a + 3.0 * b for a, b in bought if a <= stock[0] and b <= stock[1]]
    assert [r.key.objective for r in ranked] == ([min(costs)] if costs else [])


def test_every_way_serves_every_class_once() -> None:
    names = ("a", "b", "c", "d")
    for way in (*all_ways(names, {}), *few_ways(names, dict.fromkeys(names, "split"))):
        assert sorted(part for g in way.groups for part in g.parts) == list(names)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from pdplan.cli import main; main(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", code, "designs", "--no-verify", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_command_prints_a_document() -> None:
    done = run("--json", "--set", "search.length_quantiles=[]")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == "pdplan.designs/1"
    assert [d["label"] for d in document["designs"]] == ["split: chat", "colocated: chat"]
    assert document["space"]["ways"] == 2


def test_command_says_an_honest_no() -> None:
    done = run("--set", "search.stock={h100-sxm-80gb: 3}")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("no design fits the stock") == 1
    assert "Traceback" not in done.stderr


def test_command_refuses_a_wrong_space() -> None:
    done = run("--set", "search.stock={h100-sxm-80gb: -3}")
    assert done.returncode == 2
    assert "search.stock" in done.stderr
    assert "Traceback" not in done.stderr
