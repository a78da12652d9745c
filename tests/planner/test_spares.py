"""Spares: exact against scipy, against simulated failures and repairs, and what one loss does."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import pdplan
from pdplan.cli import main
from pdplan.errors import InfeasibleError, InputError, ScenarioError
from pdplan.planner.spares_law import PoolNeed, down_share, joint_spares, short_share, spares_for
from pdplan.spec.loading import parse_scenario

SIMPLE = """
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
latency: {max_prefill: 10000 tok/s, decode_table: {10: 10 ms, 100: 19 ms}}
prefill: {parallel: {tp: 1}}
decode: {parallel: {tp: 1}, step_factor: 1.0, max_batch: 100}
colocated: {parallel: {tp: 1}}
classes:
  - {name: chat, rate: 15 req/s, prompt_tokens: 1000, output_tokens: 100,
     slo: {ttft: {mean: 2 s}, tpot: {p95: 30 ms}}}
fleet: {prefill: {count: 2}, decode: {count: 2}}
availability: {target: 99.9%, mtbf: 720 h, mttr: 30 min}
"""


def scenario(*overrides: str) -> pdplan.Scenario:
    return parse_scenario(SIMPLE, "simple.yaml", overrides)


# ---------------------------------------------------------------- the law


@pytest.mark.parametrize("down", [1e-5, 0.003, 0.1, 0.6])
def test_short_share_is_the_binomial_tail(down: float) -> None:
    for needed, spares in product((1, 2, 7, 40, 300), (0, 1, 2, 5)):
        wanted = stats.binom.sf(spares, needed + spares, down)  # more than `spares` of them away
        assert short_share(needed, spares, down) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("repair", ["exponential", "constant"])
def test_short_share_agrees_with_simulated_failures_and_repairs(repair: str) -> None:
    """Machines that fail after exponential times and are repaired on their own; 40 runs, 99.9% interval."""
    rng = np.random.default_rng(7)
    needed, spares, mtbf, mttr, until = 4, 1, 9.0, 1.0, 4000.0
    shares = []
    for _ in range(40):
        times, steps = [], []
        for _ in range(needed + spares):
            cycles = int(until / (mtbf + mttr) * 2)
            up = rng.exponential(mtbf, cycles)
            away = rng.exponential(mttr, cycles) if repair == "exponential" else np.full(cycles, mttr)
            fails = np.cumsum(up + np.concatenate([[0.0], away[:-1]]))
            times += [fails, fails + away]
            steps += [np.ones(cycles), -np.ones(cycles)]
        at, step = np.concatenate(times), np.concatenate(steps)
        order = np.argsort(at)
        at, away_now = at[order], np.cumsum(step[order])
        warm = 200.0  # all start up: leave the first repairs out
        edges = np.clip(np.append(at, until), warm, until)
        shares.append(float(np.diff(edges) @ (away_now > spares)) / (until - warm))
    half = stats.t.ppf(0.9995, 39) * np.std(shares, ddof=1) / 40**0.5
    exact = short_share(needed, spares, down_share(mtbf, mttr))
    assert exact == pytest.approx(0.08146, abs=1e-5)  # 1 - 0.9^5 - 5 x 0.1 x 0.9^4
    assert abs(np.mean(shares) - exact) < half
    assert half < 0.1 * exact


@given(needed=st.integers(1, 500), spares=st.integers(0, 60), down=st.floats(0, 0.9))
def test_more_spares_never_lower_availability(needed: int, spares: int, down: float) -> None:
    here = short_share(needed, spares, down)
    assert 0.0 <= here <= 1.0
    assert short_share(needed, spares + 1, down) <= here * (1 + 1e-12)
    assert short_share(needed + 1, spares, down) >= here * (1 - 1e-12)


@given(needed=st.integers(1, 200), down=st.floats(1e-6, 0.3), short=st.floats(1e-8, 0.5))
def test_spares_are_the_fewest(needed: int, down: float, short: float) -> None:
    found = spares_for(needed, down, short)
    assert found is not None
    assert short_share(needed, found, down) <= short
    assert found == 0 or short_share(needed, found - 1, down) > short


@given(
    counts=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    downs=st.tuples(st.floats(1e-4, 0.1), st.floats(1e-4, 0.1)),
    prices=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    short=st.floats(1e-4, 0.05),
)
def test_joint_spares_are_the_cheapest_of_all_pairs(
    counts: tuple[int, int], downs: tuple[float, float], prices: tuple[int, int], short: float
) -> None:
    pools = [PoolNeed(n, q, float(price), 1) for n, q, price in zip(counts, downs, prices, strict=True)]
    found = joint_spares(pools[0], pools[1], short)
    assert found is not None

    def both_up(a: int, b: int) -> float:
        return (1 - short_share(counts[0], a, downs[0])) * (1 - short_share(counts[1], b, downs[1]))

    assert both_up(*found) >= 1 - short - 1e-12
    cost = found[0] * prices[0] + found[1] * prices[1]
    cheaper = [
        (a, b)
        for a, b in product(range(31), repeat=2)
        if a * prices[0] + b * prices[1] < cost and both_up(a, b) >= 1 - short + 1e-12
    ]
    assert not cheaper


def test_free_instances_still_get_finitely_many_spares() -> None:
    assert joint_spares(PoolNeed(3, 0.01, 0.0, 1), PoolNeed(3, 0.01, 0.0, 1), 0.01) == (1, 1)


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="down is 1"):
        short_share(3, 1, 1.0)
    with pytest.raises(InputError, match="mttr_s"):
        down_share(10.0, float("nan"))
    assert spares_for(1, 0.9999, 1e-300) is None  # beyond any number that is tried


# ---------------------------------------------------------------- a fleet


def test_spares_of_a_fleet_by_hand() -> None:
    """One GPU each: q = 0.5/720.5 = 6.940e-4. Two needed: 2 q = 1.388e-3 short, over 1e-3 alone and jointly.

    With one spare 3 q^2 = 1.445e-6 each, 2.9e-6 jointly. A single prefill spare would leave decode at 1.4e-3.
    """
    found = pdplan.spares(scenario())
    q = 0.5 / 720.5
    assert found.prefill.down == pytest.approx(q, rel=1e-12)
    assert found.prefill.short_without == pytest.approx(1 - (1 - q) ** 2, rel=1e-9)
    assert (found.prefill.spares, found.decode.spares) == (1, 1)
    assert found.short_with == pytest.approx(6 * q**2, rel=2e-3)
    assert (found.gpus, found.gpus_with) == (4, 6)
    assert found.usd_per_hour_with == pytest.approx(1.5 * found.usd_per_hour)
    assert found.prefill.losses_per_year == pytest.approx(2 * 8760 / 720)


def test_pools_share_the_target() -> None:
    """Each pool alone reaches 99.8% with 1.4e-3 short; both at once, 2.8e-3 short, do not."""
    found = pdplan.spares(scenario("availability.target=99.8%"))
    assert (found.prefill.alone, found.decode.alone) == (0, 0)
    assert found.prefill.spares + found.decode.spares == 1


def test_a_lost_prefill_lets_the_backlog_grow() -> None:
    """10000 tok/s and prompts of 1000 tokens: one instance carries 10 req/s of 15."""
    prefill, decode, nic, half = pdplan.spares(scenario()).losses
    assert prefill.what == "one prefill instance"
    assert prefill.backlog_per_s == pytest.approx(5.0, rel=1e-9)
    assert not prefill.holds
    assert prefill.objectives[0].value is None
    # TPOT has no part in prefill: it is as before
    assert prefill.objectives[1].holds
    # decode of one: t(n) = 9 + 0.1 n ms, 1500 tokens/s: n = 1.5 (9 + 0.1 n) = 15.9, t = 10.6 ms
    assert decode.backlog_per_s == 0.0
    assert decode.holds
    assert decode.objectives[1].value is not None
    assert 0.0095 < decode.objectives[1].value < 0.0125
    # one GPU of eight has one of eight NICs: without it, it is an instance lost
    assert nic.objectives == ()
    assert "single NIC" in nic.note
    assert half.holds


def test_an_only_instance_takes_everything_with_it() -> None:
    found = pdplan.spares(
        scenario("classes.chat.rate=5 req/s", "fleet.prefill.count=1", "fleet.decode.count=1")
    )
    for loss in found.losses[:2]:
        assert loss.backlog_per_s == 5.0
        assert "only one" in loss.note
        assert not any(o.holds for o in loss.objectives)
    assert "backlog grows at 5 req/s, to 9,000 requests" in str(found)  # 5/s x 1800 s


def test_one_nic_of_several_and_half_a_link() -> None:
    found = pdplan.spares(scenario("node={gpus: 8, nics: 16}"))
    nic, half = found.losses[2:]
    assert nic.what == "one NIC of an instance"  # two of sixteen NICs each: half is left
    assert [o.value for o in nic.objectives] == [o.value for o in half.objectives]
    planned = found.planned[0][1].value
    assert nic.objectives[0].value is not None
    assert nic.objectives[0].value > planned


@pytest.mark.parametrize("target", ["90%", "99.9%", "99.99%", "99.9999%"])
def test_a_higher_target_never_costs_less(target: str) -> None:
    asked = pdplan.spares(scenario(f"availability.target={target}"))
    higher = pdplan.spares(scenario(f"availability.target={0.5 * (100 + float(target[:-1]))}%"))
    assert higher.usd_per_hour_with >= asked.usd_per_hour_with
    assert 1 - asked.short_with >= asked.availability.target


# ---------------------------------------------------------------- what people type


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("availability.target=100%", "availability.target is 100%: nothing is always up"),
        ("availability.target=0%", "greater than 0"),
        ("availability.mtbf=720", "without a unit"),
        ("availability.mtbf=0 h", "greater than 0"),
        ("availability.mttr=-30 min", "greater than 0"),
        ("availability.mttr=.nan", "must be finite"),
        ("availability.mttr=800 h", "is not below mtbf"),
        ("availability.mtrr=1 h", "did you mean mttr"),
    ],
)
def test_nonsense_is_refused_in_one_line(setting: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario(setting)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("simple.yaml:")


def test_a_target_out_of_reach_is_an_honest_no() -> None:
    with pytest.raises(InfeasibleError, match="spares"):
        pdplan.spares(
            scenario(
                "availability={target: 99.999%, mtbf: 31 min, mttr: 30 min}", "fleet.prefill.count=90000"
            )
        )


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["spares", "--json"])
    assert left.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "pdplan.spares/1"
    assert document["assumed"] == ["target", "mtbf", "mttr"]
    assert document["availability_with"] >= document["target"]
    with pytest.raises(SystemExit) as left:
        main(["spares", "--set", "availability={mtbf: 720 h, mttr: 1 h}"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert "Add 1 prefill + 1 decode: 16 GPUs" in text
    assert max(len(line) for line in text.splitlines()) <= 90
    with pytest.raises(SystemExit) as left:
        main(["spares", "--set", "availability.target=2"])
    assert left.value.code == 2
