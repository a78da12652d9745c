"""`solve`: what it answers gives what was asked, closed forms are right by hand, and refusals are clear."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InfeasibleError, InputError, PdplanError
from pdplan.planner import Plan
from pdplan.planner.sizing import size
from pdplan.planner.solving import read_value, solve_formula, solve_plan
from pdplan.planner.solving_formulas import FORMULAS
from pdplan.serving.prefill import mean_ttft_intra_op_s, mean_ttft_s
from pdplan.spec.builtin import builtin_scenario


@pytest.fixture(scope="module")
def plan() -> Plan:
    return size(builtin_scenario())


def test_rate_from_mean_ttft_by_hand() -> None:
    # D = 0.2, TTFT = 0.6: 0.2 + R 0.04 / (2 (1 - 0.2 R)) = 0.6 -> 0.04 R = 0.8 - 0.16 R -> R = 4
    found = solve_formula("mean_ttft", "arrival_rate", "600 ms", {"D": "200 ms"})
    assert found.value == pytest.approx(4.0, rel=1e-12)
    assert found.method.startswith("closed form")
    assert found.inverse == "R = 2 · (TTFT - D) / (D · (2 · TTFT - D))"


def test_speedup_from_mean_ttft_by_hand() -> None:
    # D/K + R D^2 / (2 K (K - R D)) = T with R D = 0.8, T = 0.3: 0.3 K^2 - (0.2 + 0.24) K + 0.08 = 0
    # after bringing 2 T K (K - 0.8) = 2 D (K - 0.8) + 0.16 together: K = (0.88 + sqrt(0.7744 - 0.384)) / 1.2
    found = solve_formula("mean_ttft_intra_op", "K", "300 ms", {"R": "4/s", "D": "200 ms"})
    by_hand = (0.88 + math.sqrt(0.88**2 - 4 * 0.6 * 0.16)) / 1.2
    assert found.value == pytest.approx(by_hand, rel=1e-12)
    assert mean_ttft_intra_op_s(4.0, 0.2, found.value) == pytest.approx(0.3, rel=1e-12)


def test_overlap_and_bandwidth_from_penalty_are_the_published_ones() -> None:
    # 2048 tokens of an 8B on 25 GbE, prefill 205 ms: 5% of it needs an overlap of 0.369, 10% of 0.319
    numbers = {"payload_bytes": "256 MiB", "link_bytes_per_s": "25 Gb/s", "prefill_s": "205 ms"}
    assert solve_formula("visible_penalty", "o", "5%", numbers).value == pytest.approx(0.369, abs=5e-4)
    assert solve_formula("visible_penalty", "o", "10%", numbers).value == pytest.approx(0.319, abs=5e-4)
    # without overlap 5% needs 2^28 B / (0.05 * 0.205 s) = 26.19 GB/s
    del numbers["link_bytes_per_s"]
    wide = solve_formula("visible_penalty", "link_bytes_per_s", "5%", numbers)
    assert wide.value == pytest.approx(2**28 / (0.05 * 0.205), rel=1e-12)


def test_batch_from_tpot_by_hand() -> None:
    # 20 ms + 0.1 ms B = 30 ms -> B = 100; with 1e-6 s of KV reads a token at 100 tokens: 10 / 0.2 = 50
    assert solve_formula("tpot", "batch", "30 ms", {"a": "20 ms", "beta": "0.1 ms"}).value == pytest.approx(
        100
    )
    more = {"a": "20 ms", "beta": "0.1 ms", "gamma": "1e-6", "c": "100"}
    assert solve_formula("tpot", "batch", "30 ms", more).value == pytest.approx(50)


EXAMPLES = {
    "arrival_rate": "1.5/s",
    "service_s": "0.2 s",
    "mean_service_s": "0.2 s",
    "stages": "2",
    "speedup": "1.5",
    "service_scv": "1.3",
    "payload_bytes": "256 MiB",
    "link_bytes_per_s": "2 GB/s",
    "startup_s": "1 ms",
    "transfer_s": "80 ms",
    "prefill_s": "205 ms",
    "overlap_fraction": "0.2",
    "mean_payload_bytes": "256 MiB",
    "instances": "2",
    "batch": "40",
    "mean_context_tokens": "900",
    "fixed_s": "20 ms",
    "per_sequence_s": "0.1 ms",
    "per_context_token_s": "1e-7",
    "max_prefill_tokens_per_s": "28309 tok/s",
    "prompt_tokens": "6144",
    "ttft_s": "2 s",
    "overhead_s": "100 ms",
}


#: Those that the default tests invert; the others wait for the slow run.
QUICK = ("mean_ttft", "visible_penalty", "penalty")


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        pytest.param(n, a, marks=() if n in QUICK else pytest.mark.slow)
        for n, f in FORMULAS.items()
        for a in f.arguments
    ],
)
def test_every_formula_is_inverted_in_every_argument(name: str, unknown: str) -> None:
    formula = FORMULAS[name]
    numbers = {a: read_value(EXAMPLES[a], u, a) for a, (_, u, _) in formula.arguments.items()}
    value = float(formula.function(**numbers))
    others = {a: EXAMPLES[a] for a in formula.arguments if a != unknown}
    asked = f"{value:.17g} {formula.unit}".strip()
    found = solve_formula(name, unknown, asked, others)
    again = float(formula.function(**{**numbers, unknown: found.value}))
    assert again == pytest.approx(value, rel=1e-9)
    assert abs(found.residual) < 1e-9
    near = [found.value, *(float(n.split(" = ")[1].split(" ")[0]) for n in found.notes)]
    assert any(v == pytest.approx(numbers[unknown], rel=1e-4) for v in near)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 0.98), st.floats(1e-3, 10.0))
def test_rate_comes_back(rho: float, service: float) -> None:
    ttft = mean_ttft_s(rho / service, service)
    found = solve_formula("mean_ttft", "R", f"{ttft!r} s", {"D": f"{service!r} s"})
    assert found.value == pytest.approx(rho / service, rel=1e-6)


@pytest.mark.slow
def test_loads_and_links_of_a_plan_are_closed(plan: Plan) -> None:
    by_name = {d.name: d for d in plan.derivations}
    now, rate = by_name["prefill.utilization"].value, plan.classes[0].rate
    found = solve_plan(plan, "prefill.utilization", "rate", "80%")
    assert found.value == pytest.approx(rate * 0.8 / now, rel=1e-9)
    wire = solve_plan(plan, "link.penalty", "link.bandwidth", "5%")
    payload, prefill = by_name["link.payload"].value, by_name["prefill.service"].value
    startup = by_name["link.startup"].value
    assert wire.value == pytest.approx(payload / (0.05 * prefill - startup), rel=1e-9)
    assert wire.method.startswith("closed form")
    assert r"\frac" in wire.latex


def test_a_percentile_is_a_bracketed_root_and_its_plan_agrees(plan: Plan) -> None:
    found = solve_plan(plan, "ttft.p99", "rate", "1 s")  # below the plan's own 1.33 s
    assert found.method.startswith("bracketed root")
    assert abs(found.residual) < 1e-3
    other = size(
        builtin_scenario(
            (f"classes.chat.rate={found.value!r} req/s", "prefill.parallel.tp=[4]", "decode.parallel.tp=[4]")
        )
    )
    assert other.fleet.label == plan.fleet.label
    assert other.classes[0].ttft.quantile_s(0.99) == pytest.approx(1.0, rel=2e-3)


def test_the_limit_is_asked_for_by_default(plan: Plan) -> None:
    found = solve_plan(plan, "ttft.p99", "rate", None)
    assert found.asked == "2 s"
    assert found.value > plan.classes[0].rate


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (("mean_ttft", "R", "100 ms", {"D": "200 ms"}), InfeasibleError, "at least 0.2 s"),
        (("mean_ttft", "Q", "1 s", {"D": "200 ms"}), InputError, "not in the formula"),
        (("mean_ttft", "R", "1 s", {}), InputError, "add --given service_s=VALUE"),
        (("mean_ttft", "R", "1 parsec", {"D": "200 ms"}), InputError, "parsec"),
        (("penalty", "X", "nan", {"P": "1 s"}), InputError, "finite"),
        (("penalty", "X", "many", {"P": "1 s"}), InputError, "must be a number"),
        (
            ("visible_penalty", "o", "100%", {"b": "1 MiB", "r": "1 GB/s", "P": "1 s"}),
            InfeasibleError,
            "at most",
        ),
    ],
)
def test_refusals_of_formulas(
    arguments: tuple[str, str, str, dict[str, str]], kind: type, words: str
) -> None:
    with pytest.raises(kind, match=words) as refused:
        solve_formula(*arguments)
    assert isinstance(refused.value, PdplanError)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("quantity", "unknown", "equals", "kind", "words"),
    [
        ("ttft.p98", "rate", None, InputError, "did you mean"),
        ("ttft.p99", "foo", None, InputError, "a root is taken in"),
        ("ttft.p99", "rate", "1 ms", InfeasibleError, "between"),
        ("tpot.p95", "rate", "50 ms", InfeasibleError, "the fleet is full"),
        ("rate", "rate", None, InputError, "nothing to invert"),
        ("need.prefill", "rate", None, InputError, "of the whole plan"),
        ("link.transfer", "color", "1 ms", InputError, "not in its formula"),
    ],
)
def test_refusals_of_plans(
    plan: Plan, quantity: str, unknown: str, equals: str | None, kind: type, words: str
) -> None:
    with pytest.raises(kind, match=words):
        solve_plan(plan, quantity, unknown, equals)
