"""Sweeps: axes, points, rows that no error stops, logs that go on, the same rows whoever works them."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_scenarios import EQUAL_REQUESTS

import pdplan
from pdplan.errors import InputError
from pdplan.planner import sweep_run
from pdplan.planner.sizing import size
from pdplan.planner.sweep_axes import axes_of, parse_axis
from pdplan.planner.sweep_grid import sweep
from pdplan.planner.sweep_log import log_path, open_log, read_log
from pdplan.planner.sweep_points import Base, grid, latin
from pdplan.planner.sweep_row import fleet_row
from pdplan.planner.sweep_smooth import at_rates
from pdplan.spec.loading import parse_scenario


@pytest.fixture(scope="module")
def scenario() -> pdplan.Scenario:
    return parse_scenario(EQUAL_REQUESTS)


# ---------------------------------------------------------------- axes


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=1..4", (1, 2, 3, 4)),
        ("a=2..20:10", (2, 4, 6, 8, 10, 12, 14, 16, 18, 20)),
        ("a=0..1:3", (0, 0.5, 1)),
        ("a=log 1..100:3", (1, 10, 100)),
        ("a=3..9:1", (3,)),
        ("a=[x, 2, 3.5]", ("x", 2, 3.5)),
        ("a=x", ("x",)),
        ("a=[[1], [1, 2]]", ([1], [1, 2])),
        ("a='1..4'", ("1..4",)),
    ],
)
def test_axis_values(text: str, values: tuple[Any, ...]) -> None:
    assert parse_axis(text).values() == values


@pytest.mark.parametrize("text", ["a=2..4 req/s:3", "a=2 req/s..4 req/s:3", "a=2 req/s .. 4:3"])
def test_a_unit_follows_every_number(text: str) -> None:
    axis = parse_axis(text)
    assert (axis.unit, axis.column, axis.setting(3)) == ("req/s", "a [req/s]", 'a="3 req/s"')


@pytest.mark.parametrize(
    "text",
    [
        *("a", "=1", "a=", "a=4..1", "a=log 0..1:3", "a=1..2:0", "a=0.5..1", "a=1 s..2 ms:3", "a=x..y"),
        *("a=[]", "a=[.nan]", "a=[1", "a=1..9999999"),
    ],
)
def test_wrong_axes_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_axis(text).values()
    assert "\n" not in str(caught.value)
    assert "--over" in str(caught.value)


def test_an_axis_twice_or_none_is_refused() -> None:
    for over in ([], ["a=1", "a=2"]):
        with pytest.raises(InputError):
            axes_of(over)


def test_bare_numbers_take_the_unit_of_their_field(scenario: pdplan.Scenario) -> None:
    found = sweep(scenario, {"classes.chat.rate": [4, 8]}, quantities="means")
    assert found.columns[0] == "classes.chat.rate [req/s]"
    explicit = sweep(scenario, ["classes.chat.rate=[240 req/min, 480 req/min]"], quantities="means")
    assert [r["prefill_load"] for r in found.rows] == [r["prefill_load"] for r in explicit.rows]


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), seed=st.integers(0, 99))
def test_a_latin_hypercube_uses_each_part_of_each_axis_once(n: int, seed: int) -> None:
    axes = axes_of({"x": "0.0..1", "y": "log 1..100:2"})
    points = latin(axes, n, seed)
    assert points == latin(axes, n, seed)
    x = sorted(int(p.values["x"] * n) for p in points)
    y = sorted(int(np.log10(p.values["y"]) / 2 * n) for p in points)
    assert x == y == list(range(n))


# ---------------------------------------------------------------- rows


@pytest.mark.slow
def test_rows_are_the_plans(scenario: pdplan.Scenario) -> None:
    found = sweep(scenario, ["classes.chat.rate=[8, 40]", "link=[roce-100g, ib-ndr-400g]"])
    assert len(found.rows) == 4
    assert [(r["classes.chat.rate [req/s]"], r["link"]) for r in found.rows[:2]] == [
        (8, "roce-100g"),
        (8, "ib-ndr-400g"),
    ]
    plan = size(parse_scenario(EQUAL_REQUESTS, overrides=("classes.chat.rate=40 req/s", "link=ib-ndr-400g")))
    row = found.rows[3]
    assert (row["fleet"], row["gpus"]) == (plan.fleet.label, plan.cost.gpus)
    assert row["usd_per_hour"] == pytest.approx(plan.cost.usd_per_hour, rel=1e-9)
    assert row["chat.ttft_p99_s"] == pytest.approx(plan.classes[0].ttft.quantile_s(0.99), rel=1e-9)
    assert row["chat.verdict"] == plan.verdicts[0].reason
    assert (row["binding_prefill"], row["tightest"]) == (plan.binding.prefill, plan.binding.tightest)
    assert found.cheapest() == found.rows[0]


def test_errors_of_a_point_become_its_row(scenario: pdplan.Scenario) -> None:
    found = sweep(
        scenario, {"classes.chat.slo.ttft.p99": ["2 s", "1 ms"], "overlap": [0.5, 2]}, quantities="plan"
    )
    assert [r["status"] for r in found.rows] == ["met", "bad input", "infeasible", "bad input"]
    assert "cannot be met" in found.rows[2]["reason"]
    assert found.rows[1]["reason"].startswith("overlap is 2")
    json.dumps(found.document(), allow_nan=False)
    text = str(found)
    assert "4 points (grid): 1 met, 1 infeasible, 2 bad input" in text


def test_a_bug_at_a_point_is_its_row(scenario: pdplan.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    from pdplan.planner import sweep_row

    def broken(_: Any) -> Any:
        raise ZeroDivisionError("x")

    monkeypatch.setitem(sweep_row._ROW_OF, "plan", broken)
    row = sweep(scenario, {"overlap": [0]}).rows[0]
    assert (row["status"], row["reason"]) == ("bug", "ZeroDivisionError: x")


def test_fleet_counts_judge_the_stated_fleet(scenario: pdplan.Scenario) -> None:
    found = sweep(scenario, {"fleet.prefill.count": "1..3", "classes.chat.rate": ["40 req/s", "80 req/s"]})
    assert found.quantities == "fleet"
    assert "as planned" in found.note
    assert [r["prefill_count"] for r in found.rows if "prefill_count" in r] == sorted(
        r["prefill_count"] for r in found.rows if "prefill_count" in r
    )
    assert found.rows[1]["status"] == "overloaded"  # 80 req/s x 1000 tok on one H100
    waits = [r["chat.ttft_mean_s"] for r in found.rows[::2] if "chat.ttft_mean_s" in r]
    assert len(waits) >= 2
    assert waits == sorted(waits, reverse=True)


def test_unknown_fields_are_refused_at_once(scenario: pdplan.Scenario) -> None:
    for key in ("classes.chat.rte", "classes.rag.rate", "lnk"):
        with pytest.raises(InputError, match="--over"):
            sweep(scenario, {key: ["1 req/s"]})


def test_bad_arguments(scenario: pdplan.Scenario, tmp_path: Path) -> None:
    for more in (
        {"workers": 0},
        {"quantities": "all"},
        {"latin_points": 0},
        {"output": tmp_path / "x.txt"},
        {"output": tmp_path / "no" / "x.csv"},
    ):
        with pytest.raises(InputError):
            sweep(scenario, {"overlap": [0]}, **more)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_too_many_points_are_refused() -> None:
    with pytest.raises(InputError, match="at most"):
        grid(axes_of(["a=1..2000", "b=1..2000"]))


# ---------------------------------------------------------------- files


@pytest.mark.slow
def test_a_killed_sweep_goes_on(scenario: pdplan.Scenario, tmp_path: Path, monkeypatch: Any) -> None:
    over = {"fleet.prefill.count": [1, 2, 3], "overlap": [0, 2]}
    whole = tmp_path / "whole.csv"
    sweep(scenario, over, output=whole, workers=1)
    part = tmp_path / "part.csv"
    real = sweep_run.row_of
    seen: list[Any] = []

    def dies(*given: Any) -> Any:
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(given)
        return real(*given)

    monkeypatch.setattr(sweep_run, "row_of", dies)
    with pytest.raises(KeyboardInterrupt):
        sweep(scenario, over, output=part, workers=1)
    assert not part.exists()
    log = log_path(part)
    assert len(log.read_text().splitlines()) == 3
    with log.open("a") as file:
        file.write('{"key": "torn')  # what a kill leaves
    monkeypatch.setattr(sweep_run, "row_of", real)
    found = sweep(scenario, over, output=part, workers=1)
    assert found.continued == 3
    assert part.read_bytes() == whole.read_bytes()
    again = sweep(scenario, over, output=part, workers=1)
    assert again.continued == 6
    assert part.read_bytes() == whole.read_bytes()
    rows = list(csv.DictReader(part.read_text().splitlines()))
    assert [r["status"] for r in rows][::2] == ["met", "met", "met"]


def test_another_scenario_or_file_is_another_point(scenario: pdplan.Scenario, tmp_path: Path) -> None:
    points = grid(axes_of({"overlap": [0]}))
    other = parse_scenario(EQUAL_REQUESTS.replace("2 s", "3 s"))
    keys = {Base.of(s).keys(points, q)[0] for s in (scenario, other) for q in ("plan", "fleet")}
    assert len(keys) == 4
    path = tmp_path / "s.yaml"
    path.write_text(EQUAL_REQUESTS.replace("prompt_tokens: 1000\n    output_tokens: 200", "workload: w.csv"))
    found = []
    for content in ("a", "b"):
        (tmp_path / "w.csv").write_text(content)
        found.append(Base.of(pdplan.Scenario.load(str(path))).keys(points, "plan"))
    assert found[0] != found[1]


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "x.jsonl"
    log.write_bytes(b"\x00\x01\nnot a log\n")
    with pytest.raises(InputError, match="not a log"):
        read_log(log, ["k"])
    assert read_log(tmp_path / "none", ["k"]) == {}
    with pytest.raises(InputError), open_log(tmp_path / "no" / "log"):
        pass


def test_parquet_has_types(scenario: pdplan.Scenario, tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "x.parquet"
    sweep(scenario, {"classes.chat.rate": ["8 req/s", "-1 req/s"]}, output=path, workers=1)
    table = parquet.read_table(path)
    assert table.column("feasible").to_pylist() == [True, False]
    assert table.column("gpus").to_pylist()[1] is None
    assert str(table.schema.field("usd_per_hour").type) == "double"
    assert str(table.schema.field("prefill_count").type) == "int64"


# ---------------------------------------------------------------- who works them


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_bytes(scenario: pdplan.Scenario, tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    files = []
    for workers in (1, 2, 3):
        path = tmp_path / f"{workers}.csv"
        sweep(scenario, ["classes.chat.rate=2..60:14", "overlap=[0, 2]"], workers=workers, output=path)
        files.append(path.read_bytes())
    assert files[0] == files[1] == files[2]


def test_without_joblib_the_remedy_is_named(scenario: pdplan.Scenario, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(InputError, match=r"pdplan\[cluster\]"):
        sweep(scenario, {"overlap": [0, 1]}, workers=2)
    assert sweep_run._workers(1000) == 1
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pdplan\[cluster\]"):
        sweep(scenario, {"overlap": [0, 1]}, dask="tcp://localhost:1")


class _FakeClient:
    """A cluster in this process; ``versions`` is what its workers say."""

    versions: ClassVar[dict[str, str]] = {}

    def __init__(self, address: str, timeout: str) -> None:
        if "nowhere" in address:
            raise OSError("timed out")
        self.address = address

    def __enter__(self) -> _FakeClient:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.versions, 1)

    def run(self, function: Any, code: str) -> dict[str, str]:
        assert function(code) == pdplan.__version__
        return self.versions

    def submit(self, function: Any, *given: Any, pure: bool) -> Any:
        done = function(*given)
        return SimpleNamespace(result=lambda: done)

    def cancel(self, futures: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("address", "versions", "words"),
    [
        ("tcp://nowhere:1", {}, "no scheduler answers"),
        ("tcp://x:1", {}, "no workers"),
        ("tcp://x:1", {"w1": "0.0.0"}, "runs pdplan 0.0.0"),
        ("tcp://x:1", {"w1": ""}, "has no pdplan"),
        ("tcp://x:1", {"w1": pdplan.__version__, "w2": pdplan.__version__}, None),
    ],
)
def test_a_cluster_is_checked_first(
    scenario: pdplan.Scenario, monkeypatch: Any, address: str, versions: dict[str, str], words: str | None
) -> None:
    fake = SimpleNamespace(Client=_FakeClient, as_completed=lambda futures: reversed(futures))
    monkeypatch.setitem(sys.modules, "distributed", fake)
    monkeypatch.setattr(_FakeClient, "versions", versions)
    over = {"overlap": [0, 0.5, 2]}
    if words is None:
        assert sweep(scenario, over, dask=address).rows == sweep(scenario, over, workers=1).rows
    else:
        with pytest.raises(InputError, match=words):
            sweep(scenario, over, dask=address)


# ---------------------------------------------------------------- means


@pytest.mark.slow
def test_means_are_those_of_the_judged_fleet() -> None:
    fixed = parse_scenario(EQUAL_REQUESTS + "fleet: {prefill: {count: 2}, decode: {count: 1}}\n")
    over = ["classes.chat.rate=1..80 req/s:60", "fleet.prefill.count=1..2", "overlap=[0, 0.5]"]
    found = sweep(fixed, over, quantities="means")
    base, points = Base.of(fixed), grid(axes_of(over))
    columns = ("prefill_load", "decode_load", "link_load", "chat.ttft_mean_s", "chat.tpot_mean_s")
    compared = 0
    for i in range(0, len(points), 17):
        row = found.rows[i]
        if row["status"] == "overloaded":
            continue
        alone = fleet_row(base.scenario(points[i].settings))
        assert all(row[c] == pytest.approx(alone[c], rel=1e-3) for c in columns)
        assert row["usd_per_hour"] == alone["usd_per_hour"]
        compared += 1
    assert compared >= 8
    assert {"overloaded", "undetermined"} <= set(found.counts)  # p99 of TTFT is not looked at


def test_means_of_two_classes_and_bad_points() -> None:
    text = EQUAL_REQUESTS.replace("    slo", "    slo").replace(
        "prefill:",
        "  - {name: rag, rate: 1 req/s, prompt_tokens: 4000, output_tokens: 50,"
        " slo: {ttft: {mean: 1 s}}}\nprefill:",
        1,
    )
    two = parse_scenario(text + "fleet: {prefill: {count: 2}, decode: {count: 1}}\n")
    over = {
        "classes.rag.rate": ["2 req/s", "0 req/s"],
        "classes.chat.rate": ["4 req/s", "5 req/s"],
        "fleet.decode.count": [1, 0],
    }
    found = sweep(two, over, quantities="means")
    assert [r["status"] == "bad input" for r in found.rows] == [False, True, False, True] + [True] * 4
    alone = fleet_row(Base.of(two).scenario(("classes.rag.rate=2 req/s", "classes.chat.rate=5 req/s")))
    for column in ("chat.ttft_mean_s", "rag.ttft_mean_s", "rag.tpot_mean_s"):
        assert found.rows[2][column] == pytest.approx(alone[column], rel=1e-9)


def test_smooth_stays_within_a_thousandth_of_an_exact_law() -> None:
    # M/D/1 beside a constant: W = rho / (2 (1 - rho)) with a service of 1 s; unstable from 1 on.
    def means(rate: float) -> Any:
        if rate >= 1:
            raise pdplan.InfeasibleError("overloaded")
        return np.array([0.3 + rate / (2 * (1 - rate)), rate])

    rates = np.linspace(0.01, 1.2, 2000)
    found = at_rates(means, rates)
    for rate, answer in zip(rates, found, strict=True):
        if rate >= 1:
            assert isinstance(answer, pdplan.InfeasibleError)
        else:
            assert answer[0] == pytest.approx(0.3 + rate / (2 * (1 - rate)), rel=1e-3)
            assert answer[1] == pytest.approx(rate, rel=1e-3)


@pytest.mark.speed
def test_ten_thousand_means_in_ten_seconds() -> None:
    import time

    fixed = parse_scenario(EQUAL_REQUESTS + "fleet: {prefill: {count: 2}, decode: {count: 1}}\n")
    begin = time.process_time()
    found = sweep(fixed, ["classes.chat.rate=1..60:10000"], quantities="means")
    assert len(found.rows) == 10_000
    assert time.process_time() - begin < 10.0


@pytest.mark.speed
def test_ten_thousand_means_of_25_fleets_into_overload_in_ten_seconds() -> None:
    import time

    fixed = parse_scenario(EQUAL_REQUESTS + "fleet: {prefill: {count: 2}, decode: {count: 1}}\n")
    over = ["classes.chat.rate=1..60:400", "fleet.prefill.count=1..5", "fleet.decode.count=1..5"]
    begin = time.process_time()
    found = sweep(fixed, over, quantities="means")
    assert len(found.rows) == 10_000
    assert found.counts["overloaded"] > 0
    assert time.process_time() - begin < 10.0


@pytest.mark.parametrize("first", ["decode", "prefill"])
@pytest.mark.parametrize("counts", [(1, 1), (3, 2)])
def test_joined_means_are_those_of_the_fleet(first: str, counts: tuple[int, int]) -> None:
    from pdplan.planner.problem import assemble
    from pdplan.planner.search import Search
    from pdplan.planner.sweep_curves import Wire, decode_means, prefill_means
    from pdplan.planner.vary import scaled

    problem = assemble(
        parse_scenario(EQUAL_REQUESTS, overrides=(f"first_token_from={first}", "link=eth-100g"))
    )
    p, d = problem.options("prefill")[0], problem.options("decode")[0]
    fleet = Search(problem).evaluator.fleet(p, counts[0], d, counts[1])
    idle = Search(scaled(problem, 1e-6)).evaluator.fleet(p, counts[0], d, counts[1])
    rates = [t.demand.arrival_rate for t in problem.traffic]
    found = Wire.of(idle).vector(rates, prefill_means(fleet.prefill), decode_means(fleet.decode))
    expected = [fleet.prefill.utilization, fleet.decode.utilization, fleet.link.utilization]
    expected.append(fleet.decode.kv_p99_share or 1e-30)
    for t in problem.traffic:
        expected += [fleet.ttft(t.demand).mean_s, fleet.tpot(t.demand).mean_s]
    assert found == pytest.approx(expected, rel=1e-12)
