"""Every ``.plot``: the axes come back labelled with units, one line per thing, and nothing global changes."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

import pdplan
from pdplan.errors import InputError
from pdplan.planner.sweep_axes import axes_of
from pdplan.planner.sweep_grid import SweepResult
from pdplan.planner.validation import Validation
from pdplan.plotting import draw_limit, time_unit
from pdplan.queueing import (
    GIG1,
    KLB,
    MD1,
    MG1,
    MM1,
    MM1K,
    BatchService,
    ErlangA,
    Exponential,
    MDc,
    MGc,
    MMc,
    MMcK,
    SlowModulated,
)
from pdplan.serving.composition import ttft_law
from pdplan.serving.delays import Residual
from pdplan.sim.statistics import AgreementRow
from pdplan.spec.loading import parse_scenario
from pdplan.trust import Trust

CHAT = """
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: roce-100g
prefill: {parallel: {tp: [1]}}
decode: {parallel: {tp: [1]}}
classes:
  - name: chat
    rate: 6 req/s
    prompt_tokens: 1000
    output_tokens: 100
    slo: {ttft: {p99: 1 s}, tpot: {p95: 50 ms}}
  - name: code
    rate: 3 req/s
    prompt_tokens: 2000
    output_tokens: 20
    slo: {attainment: 90%, ttft: 1 s, tpot: 50 ms}
"""


@pytest.fixture(autouse=True)
def _agg() -> Iterator[None]:
    """Draw without a screen, and hold that pyplot's settings stay as they were."""
    plt.switch_backend("Agg")
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert {k: v for k, v in mpl.rcParams.items() if before.get(k) != v} == {}


@pytest.fixture(scope="module")
def plan() -> pdplan.planner.Plan:
    return pdplan.plan(parse_scenario(CHAT), verify=False)


def labels(ax: Any) -> list[str]:
    return [tick.get_text() for tick in ax.get_yticklabels()]


def test_a_law_is_one_line_that_passes_through_its_percentiles() -> None:
    law = MD1(arrival_rate=0.9, service_s=1.0)
    ax = law.plot()
    (line,) = ax.lines
    t, share = line.get_data()
    assert ax.get_xlabel() == "waiting time [s]"
    assert ax.get_ylabel() == "share that takes longer [%]"
    assert line.get_label() == "MD1, load 90%"
    np.testing.assert_allclose(share, law.wait_sf(np.asarray(t)), rtol=1e-12)
    assert np.interp(-0.01, -np.asarray(share), t) == pytest.approx(law.wait_quantile_s(0.99), rel=1e-3)


@pytest.mark.parametrize(
    "law",
    [
        MM1(arrival_rate=0.5, service_s=1.0),
        MG1(arrival_rate=0.5, service=Exponential(1.0)),
        MMc(arrival_rate=3.0, service_s=1.0, servers=4),
        MDc(arrival_rate=3.0, service_s=1.0, servers=4),
        MGc(3.0, Exponential(1.0), 4),
        GIG1(arrival_rate=0.8, service=Exponential(1.0), arrival_scv=1.0),
        KLB(arrival_rate=0.5, mean_service_s=1.0, arrival_scv=1.0, service_scv=1.0),
        BatchService(arrival_rate=0.8, step_base_s=0.3, step_per_customer_s=0.7, max_batch=4),
        SlowModulated([0.5, 0.5], [0.2, 0.8], Exponential(1.0)),
        ErlangA(9.5, 1.0, 10, 2.0),
        MM1K(0.9, 1.0, 10),
        MMcK(3.0, 1.0, 4, 10),
    ],
    ids=lambda law: type(law).__name__,
)
def test_every_station_draws_itself(law: Any) -> None:
    ax = law.plot(label="this one")
    assert [line.get_label() for line in ax.lines] == ["this one"]
    unit = next(u for u, name in ((1.0, "[s]"), (1e-3, "[ms]")) if ax.get_xlabel().endswith(name))
    assert unit * ax.get_xlim()[1] >= law.wait_quantile_s(0.999)


def test_the_second_law_keeps_the_unit_and_gets_a_colour_of_its_own() -> None:
    ax = MD1(arrival_rate=90.0, service_s=0.01).plot()  # p999 near 0.33 s: in ms
    MM1(arrival_rate=90.0, service_s=0.01).plot(ax)
    assert ax.get_xlabel() == "waiting time [ms]"
    assert len({line.get_color() for line in ax.lines}) == 2
    t, _ = ax.lines[1].get_data()
    assert max(t) == pytest.approx(
        1e3 * MM1(arrival_rate=90.0, service_s=0.01).wait_quantile_s(0.999), rel=0.03
    )


def test_axes_that_are_given_are_used_and_no_figure_is_made() -> None:
    figure, ax = plt.subplots()
    known = plt.get_fignums()
    assert MD1(arrival_rate=0.5, service_s=1.0).plot(ax) is ax
    assert plt.get_fignums() == known
    assert figure.axes == [ax]


def test_a_law_of_ttft_draws_itself() -> None:
    law = ttft_law({"join": Residual(0.02)}, {"prefill": np.array([0.1, 0.3])}, np.array([0.5, 0.5]))
    ax = law.plot()
    assert (ax.get_xlabel(), [line.get_label() for line in ax.lines]) == ("TTFT [ms]", ["TTFT"])
    t, share = ax.lines[0].get_data()
    assert np.interp(200.0, t, share) == pytest.approx(0.5)  # between the two prompts


def test_a_percentile_target_shades_what_must_stay_free() -> None:
    ax = MD1(arrival_rate=0.5, service_s=1.0).plot()
    draw_limit(ax, 30.0, 0.01, "p99")
    assert ax.get_xlim()[1] >= 30.0
    assert ax.lines[-1].get_label() == "p99"
    assert len(ax.collections) == 1


def test_a_plan_shows_loads_and_objectives_as_shares_of_their_limits(plan: Any) -> None:
    ax = plan.plot()
    assert ax.get_xlabel() == "used of the limit [%]"
    assert labels(ax)[:4] == ["prefill load", "decode load", "link load", "KV memory, p99"]
    assert labels(ax)[4:6] == ["chat: TTFT p99 ≤ 1 s", "chat: TPOT p95 ≤ 50 ms"]
    widths = [bar.get_width() for container in ax.containers for bar in container]
    load = plan.fleet.prefill.utilization / plan.fleet.prefill.utilization_limit
    assert widths[0] == pytest.approx(100 * load)
    assert widths[4] == pytest.approx(100 * plan.classes[0].ttft.quantile_s(0.99) / 1.0)
    # of 10% that may miss, (1 - high)/0.1 to (1 - low)/0.1 do
    joint = plan.classes[1].objectives[0]
    assert any(w == pytest.approx(100 * (1 - joint.high) / 0.1) for w in widths)


def test_parts_of_ttft_add_up_to_its_mean(plan: Any) -> None:
    chat = plan.classes[0]
    ax = chat.plot()
    assert ax.get_xlabel() == "mean TTFT [ms]"
    width = sum(bar.get_width() for container in ax.containers for bar in container)
    assert width == pytest.approx(1e3 * chat.ttft.mean_s, rel=0.01)  # parts below 0.2% are left out
    assert labels(ax) == ["chat"]


def test_a_latency_draws_its_percentiles(plan: Any) -> None:
    ttft = plan.classes[0].ttft
    ax = ttft.plot()
    t, share = ax.lines[0].get_data()
    assert ax.get_xlabel() == "TTFT [ms]"
    assert np.interp(-0.05, -np.asarray(share), t) == pytest.approx(1e3 * ttft.quantile_s(0.95), rel=0.02)


def test_a_split_report_draws_costs_and_ledgers(plan: Any) -> None:
    report = pdplan.planner.verdicts.SplitReport(plan.scenario, plan.verdicts)
    ax = report.plot()
    assert ax.get_xlabel() == "cost of the class by itself [USD/h]"
    assert [name.split(":")[0] for name in labels(ax)] == ["chat", "code"]
    widths = [bar.get_width() for container in ax.containers for bar in container]
    assert plan.verdicts[0].fleet.cost.usd_per_hour in widths
    ledger = report.verdicts[0].plot()
    assert ledger.get_xlabel().startswith("time [")
    assert len(ledger.containers) == 2


def test_a_validation_draws_a_point_per_quantity(plan: Any) -> None:
    def row(name: str, formula: tuple[float, float], seen: float, half: float, verdict: str) -> AgreementRow:
        low, high = formula
        off = (seen - high) / high if seen > high else min(seen - low, 0.0) / max(low, 1e-300)
        ends = (seen - half, seen + half)
        return AgreementRow(
            name, "s", low, high, seen, *ends, 0.99, 0.0, off, verdict, Trust.APPROXIMATE, 100
        )

    rows = (
        row("chat TTFT mean", (0.2, 0.2), 0.21, 0.02, "agrees"),
        row("chat TTFT p99", (1.0, 1.0), 0.8, 0.05, "disagrees"),  # 20% off: as approximations may
        row("chat TPOT p99", (1.0, 1.0), 1.4, 0.05, "disagrees"),  # 40% off: too much
        row("chat transfer mean", (0.0, 0.0), 0.0, 0.0, "agrees"),  # a formula of 0 has no share
    )
    ax = Validation(plan.scenario, plan.fleet, rows, 100, 0, 0).plot()
    assert ax.get_xlabel() == "simulated less formula [% of the formula]"
    assert labels(ax) == [r.quantity for r in rows[:3]]
    points = [container.lines[0] for container in ax.containers]
    assert [float(p.get_xdata()[0]) for p in points] == pytest.approx([5.0, -20.0, 40.0])
    assert len({p.get_color() for p in points}) == 3
    named = [text.get_text() for text in ax.get_legend().get_texts()]
    assert named == ["agrees", "differs, as approximations may", "disagrees"]


def test_a_sweep_draws_a_line_for_each_value_of_the_other_axis() -> None:
    over = {"classes.chat.rate": ["4 req/s", "8 req/s"], "link": ["roce-100g", "eth-25g"]}
    rows = tuple(
        {"classes.chat.rate": rate, "link": link, "reason": "", "usd_per_hour": usd, "chat.ttft_p99_s": 0.3}
        for rate, link, usd in (
            ("4 req/s", "roce-100g", 5.98),
            ("4 req/s", "eth-25g", None),
            ("8 req/s", "roce-100g", 8.97),
            ("8 req/s", "eth-25g", 11.96),
        )
    )
    found = SweepResult(parse_scenario(CHAT), axes_of(over), "plan", "grid", rows)
    ax = found.plot()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("classes.chat.rate [req/s]", "cost [USD/h]")
    assert [line.get_label() for line in ax.lines] == ["link roce-100g", "link eth-25g"]
    assert list(ax.lines[0].get_xdata()) == [4.0, 8.0]
    assert list(ax.lines[0].get_ydata()) == [5.98, 8.97]
    assert np.isnan(ax.lines[1].get_ydata()[0])  # no fleet there: a gap
    other = found.plot(x="link", y="chat.ttft_p99_s")
    assert (other.get_xlabel(), other.get_ylabel()) == ("link", "chat ttft p99 [ms]")
    assert list(other.lines[0].get_ydata()) == [300.0, 300.0]
    for wrong in ({"x": "rate"}, {"y": "usd"}, {"y": "reason"}):
        with pytest.raises(InputError):
            found.plot(**wrong)


def test_without_matplotlib_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"^plots need matplotlib: pip install 'pdplan\[plot\]'$"):
        MD1(arrival_rate=0.5, service_s=1.0).plot()


@pytest.mark.parametrize(("longest_s", "name"), [(3.0, "s"), (1.9, "ms"), (0.0019, "us"), (0.0, "us")])
def test_times_have_a_readable_unit(longest_s: float, name: str) -> None:
    assert time_unit(longest_s)[1] == name
