"""Schedules over a day and replanning."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_scenarios import EQUAL_REQUESTS

import pdplan
from pdplan.errors import InfeasibleError, InputError
from pdplan.planner.judge import judge
from pdplan.planner.replan import replan
from pdplan.planner.replan_trace import with_trace
from pdplan.planner.schedule import held, schedule, starts
from pdplan.planner.schedule_profile import RateProfile, profile_of_trace, read_profile
from pdplan.planner.simulation import chosen_fleet
from pdplan.planner.sizing import size
from pdplan.spec.loading import parse_scenario

TWO = EQUAL_REQUESTS.replace(
    "prefill:",
    "  - {name: rag, rate: 2 req/s, prompt_tokens: 4000, output_tokens: 50, slo: {ttft: {mean: 1 s}}}\n"
    "prefill:",
    1,
)
COUNTS = st.lists(st.integers(1, 6), min_size=1, max_size=24)


def scenario(*settings: str) -> pdplan.Scenario:
    return parse_scenario(EQUAL_REQUESTS, overrides=settings)


# ---------------------------------------------------------------- counts in time


@settings(max_examples=100, deadline=None)
@given(needed=COUNTS, least=st.integers(1, 6), repeats=st.booleans())
def test_held_counts_cover_the_need_and_never_dip_briefly(
    needed: list[int], least: int, repeats: bool
) -> None:
    found = held(needed, least, repeats=repeats)
    assert all(a >= b for a, b in zip(found, needed, strict=True))
    assert max(found) == max(needed)
    assert held(found, least, repeats=repeats) == found
    if least == 1:
        assert found == needed
    n = len(needed)
    if repeats or n == 1:
        return
    for level in set(found):  # a run below a level, higher on both sides, lasts
        runs, at = [], 0
        while at < n:
            end = at
            while end < n and found[end] < level:
                end += 1
            if end > at and at > 0:
                runs.append(end - at)
            at = max(end, at + 1)
        assert all(run >= least for run in runs)


@settings(max_examples=50, deadline=None)
@given(counts=COUNTS)
def test_over_a_day_what_starts_stops(counts: list[int]) -> None:
    stopped = sum(max(0, a - b) for a, b in zip(counts, [*counts[1:], counts[0]], strict=True))
    assert sum(starts(counts, repeats=True)) == stopped


def test_a_day_by_hand() -> None:
    rates = (5.0, 5.0, 60.0, 5.0, 60.0, 5.0, 5.0, 5.0)
    s = schedule(scenario(), RateProfile(3600.0, {"": rates}, True, "day"), startup_s=600.0, hysteresis=2)
    peak = size(scenario("classes.chat.rate=60 req/s")).fleet
    low = size(scenario("classes.chat.rate=5 req/s")).fleet
    big, small = (peak.prefill.count, peak.decode.count), (low.prefill.count, low.decode.count)
    assert s.static == big != small
    # The dip of one hour at 3 h is filled, the night of five hours is not.
    assert [(x.prefill, x.decode) for x in s.steps] == [small, small, big, big, big, small, small, small]
    assert s.steps[2].started_prefill == big[0] - small[0]
    # One GPU each (TP1): 3 h of the big fleet, 5 h of the small, and 10 min for each instance that starts.
    started = sum(big) - sum(small)
    assert s.gpu_hours == pytest.approx(3 * sum(big) + 5 * sum(small) + started * 600 / 3600, rel=1e-12)
    assert s.static_gpu_hours == 8 * sum(big)
    assert s.saved == pytest.approx(1 - s.gpu_hours / s.static_gpu_hours)
    text = str(s)
    assert "order at 01:50" in text
    json.dumps(s.document(), allow_nan=False)


def test_an_instance_is_not_stopped_for_less_than_its_start() -> None:
    rates = (60.0, 5.0, 5.0, 60.0)
    profile = RateProfile(3600.0, {"": rates}, False, "trace")
    quick = schedule(scenario(), profile, startup_s=60.0, hysteresis=1)
    slow = schedule(scenario(), profile, startup_s=2.5 * 3600.0, hysteresis=1)
    assert quick.steps[1].prefill < quick.static[0]
    assert slow.steps[1].prefill == slow.steps[2].prefill == slow.static[0]


def test_classes_with_profiles_of_their_own() -> None:
    two = parse_scenario(TWO)
    own = RateProfile(3600.0, {"rag": (0.0, 3.0), "chat": (9.0, 0.0)}, True, "day")
    s = schedule(two, own)
    assert [x.rates for x in s.steps] == [(9.0, 0.0), (0.0, 3.0)]
    with pytest.raises(InputError, match="no class 'x'"):
        schedule(two, RateProfile(3600.0, {"x": (1.0,), "chat": (1.0,)}, True, "day"))
    with pytest.raises(InputError, match="no rates of class 'rag'"):
        schedule(two, RateProfile(3600.0, {"chat": (1.0,)}, True, "day"))


def test_an_hour_without_a_fleet_is_named() -> None:
    with pytest.raises(InfeasibleError, match="cannot be met"):
        schedule(scenario("classes.chat.slo.ttft.p99=1 ms"), RateProfile(3600.0, {"": (1.0,)}, True, "day"))


def test_wrong_arguments() -> None:
    profile = RateProfile(3600.0, {"": (1.0,)}, True, "day")
    with pytest.raises(InputError, match="hysteresis"):
        schedule(scenario(), profile, hysteresis=0)
    with pytest.raises(InputError, match="startup"):
        schedule(scenario(), profile, startup_s=-1.0)


# ---------------------------------------------------------------- profiles


def test_profiles_of_a_day(tmp_path: Path) -> None:
    for name, text, rates, step_s in (
        ("a.yaml", "rates: [2 req/s, 60 req/min]", {"": (2.0, 1.0)}, 900.0),
        (
            "b.yaml",
            "step: 30 min\nrates: {chat: [1 req/s], rag: [0 req/s]}",
            {"chat": (1.0,), "rag": (0.0,)},
            1800.0,
        ),
        ("c.csv", "hour,rate_req_per_s\n0,1.5\n1,3\n", {"": (1.5, 3.0)}, 900.0),
        ("d.csv", "chat_req_per_min,rag_req_per_s\n60,2\n", {"chat": (1.0,), "rag": (2.0,)}, 900.0),
    ):
        (tmp_path / name).write_text(text)
        found = read_profile(str(tmp_path / name), 900.0)
        assert (dict(found.rates), found.step_s, found.repeats) == (rates, step_s, True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", b""),
        ("a.yaml", b"\xff\xfe\x00"),
        ("a.csv", b"a\x00b"),
        ("a.yaml", b"rates: ["),
        ("a.yaml", b"rates: 3"),
        ("a.yaml", b"rates: []"),
        ("a.yaml", b"rates: [3]"),
        ("a.yaml", b"rates: [-3 req/s]"),
        ("a.yaml", b"rates: [.nan]"),
        ("a.yaml", b"rates: [0 req/s]"),
        ("a.yaml", b"rates: {a: [1 req/s], b: [1 req/s, 2 req/s]}"),
        ("a.yaml", b"rate: [1 req/s]"),
        ("a.yaml", b"rates: [1 req/s]\nsteps: 1 h"),
        ("a.yaml", b"rates: [1 req/s]\nstep: 0 s"),
        ("a.csv", b"hour,rate\n0,1\n"),
        ("a.csv", b"hour\n0\n"),
        ("a.csv", b"rate_req_per_s\n"),
        ("a.csv", b"rate_req_per_s\nx\n"),
        ("a.csv", b"rate_req_per_s\nnan\n"),
        ("a.csv", b"rate_req_per_s\n1,2\n"),
        ("a.txt", b"1"),
    ],
)
def test_wrong_profiles_are_refused_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_profile(str(path))
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def _trace(path: Path, gaps: list[float]) -> str:
    lines, at = ["arrived_at,num_prefill_tokens,num_decode_tokens"], 0.0
    for gap in gaps:
        lines.append(f"{at:.6f},1000,200")
        at += gap
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_a_trace_gives_mean_rates(tmp_path: Path) -> None:
    # 60 s at 2 req/s, then 60 s at 4 req/s, and one more request at the end.
    path = _trace(tmp_path / "t.csv", [0.5] * 120 + [0.25] * 240 + [1.0])
    profile = profile_of_trace(path, 60.0)
    assert not profile.repeats
    assert profile.rates[""] == pytest.approx((2.0, 4.0), rel=0.02)
    with pytest.raises(InputError, match="shorter --step"):
        profile_of_trace(path, 3600.0)


# ---------------------------------------------------------------- replan


def test_keep_where_nothing_changed_or_little_came() -> None:
    r = replan(scenario(), scenario("classes.chat.rate=9 req/s"))
    assert (r.decision, r.added, bool(r)) == ("keep", (0, 0), True)
    assert str(r).startswith("KEEP 1 prefill TP1 + 1 decode TP1")


@pytest.mark.slow
@pytest.mark.parametrize("rate", [40, 70, 200])
def test_the_smallest_addition_is_found(rate: int) -> None:
    new = scenario(f"classes.chat.rate={rate} req/s")
    r = replan(scenario(), new)
    assert r.decision == "add"
    assert not r
    assert r.fleet.status == "met"
    # Brute force: no fleet with fewer GPUs added meets the objectives (every instance is one GPU).
    for prefill in range(1, 2 + r.added_gpus):
        for decode in range(1, 2 + r.added_gpus):
            if prefill + decode - 2 >= r.added_gpus:
                continue
            stated = scenario(
                f"classes.chat.rate={rate} req/s",
                f"fleet.prefill.count={prefill}",
                f"fleet.decode.count={decode}",
            )
            with contextlib.suppress(InfeasibleError):  # overloaded
                assert judge(chosen_fleet(stated)).status == "missed"
    json.dumps(r.document(), allow_nan=False)


def test_a_stated_fleet_is_what_stands() -> None:
    old = scenario("fleet.prefill.count=6", "fleet.decode.count=1")
    r = replan(old, scenario("classes.chat.rate=70 req/s"))
    assert r.old_counts == (6, 1)
    assert r.added[0] == 0
    assert "a new plan would be" in str(replan(old, scenario()))


def test_a_new_plan_where_no_number_would_do() -> None:
    old = scenario()
    # A tighter TTFT than any TP1 instance gives: only TP8 reaches it.
    alone = size(scenario("classes.chat.rate=0.01 req/s")).classes[0].ttft.mean_s
    new = scenario(f"classes.chat.slo.ttft.p99={0.7 * alone} s", "prefill.parallel.tp=[1, 8]")
    r = replan(old, new)
    assert r.decision == "new"
    assert r.fleet.prefill.tp == 8
    assert "no number of these instances would do" in r.reason
    assert str(r).startswith("REPLACE")
    with pytest.raises(InfeasibleError, match="cannot be met"):
        replan(old, scenario("classes.chat.slo.ttft.p99=1 ms"))


def test_a_trace_as_the_new_workload(tmp_path: Path) -> None:
    path = _trace(tmp_path / "t.csv", [0.5] * 240 + [0.02] * 3600)
    new = with_trace(scenario(), path)
    r = replan(scenario(), new)
    assert r.fleet.classes[0].rate == pytest.approx(50.0, rel=0.05)
    with pytest.raises(InputError, match="one class"):
        with_trace(parse_scenario(TWO), path)
