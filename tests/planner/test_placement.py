"""DistServe's placement: the published search, its witnesses, and what is refused."""

from __future__ import annotations

import csv
import itertools
import json
import time
from pathlib import Path

import pytest

from pdplan.cli import main
from pdplan.errors import InfeasibleError, InputError
from pdplan.latency.fitted import DecodeFit, Fitted, PrefillFit
from pdplan.planner.placement_algorithms import placement, segments_fit
from pdplan.planner.placement_goodput import Goodputs, largest_rate
from pdplan.planner.placement_options import Room, inside_node, pipelined, placement_options
from pdplan.planner.problem import assemble
from pdplan.queueing import MD1
from pdplan.spec.builtin import builtin_scenario
from pdplan.spec.loading import load_scenario
from pdplan.spec.scenario import Scenario

#: What `python -m simdistserve.simulate` prints for one node of 4 A100 (its README): the rates per GPU tried
#: are 5/2, 5/4, 15/8, 25/16, 55/32; 25/16 held and 55/32 did not.
PUBLISHED, PUBLISHED_FAILS = 1.5625, 1.71875
RESOLUTION = PUBLISHED_FAILS - PUBLISHED

SEARCH = Path(__file__).parents[2] / "scenarios" / "distserve-search.yaml"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "measured" / "distserve_opt13b_a100.csv"


def opt_13b(*overrides: str) -> Scenario:
    return load_scenario(str(SEARCH), overrides=overrides)


def test_the_published_search() -> None:
    took = []
    for _ in range(2):  # the first one may import and compile
        start = time.process_time()
        found = placement(opt_13b(), affinity="low", verify=False)
        took.append(time.process_time() - start)
    assert min(took) < 1.0
    assert (found.prefill_option.label, found.decode_option.label) == ("TP2", "TP1")
    assert found.goodput_per_gpu == pytest.approx(PUBLISHED, abs=RESOLUTION)
    # n = ceil(R / goodput) pairs of three GPUs: 10 / 4.6 is more than 2
    assert (found.prefill_count, found.decode_count, found.gpus) == (3, 3, 9)


def test_the_engine_confirms_the_published_search() -> None:
    found = placement(opt_13b(), affinity="low", requests=10_000)
    assert (found.prefill_option.label, found.decode_option.label) == ("TP2", "TP1")
    assert found.goodput_per_gpu == pytest.approx(PUBLISHED, abs=RESOLUTION)
    assert found.missed == ""
    seen = found.prefill.seen
    assert seen is not None
    assert seen.rate < seen.fails_at <= 1.011 * seen.rate
    # What the formulas alone say is within the doubt that the search allows for.
    assert found.prefill.formula == pytest.approx(seen.rate, rel=0.15)


@pytest.mark.skipif(not SHARED.exists(), reason="the measured runs are not beside the repository")
def test_the_published_search_with_the_requests_themselves(tmp_path: Path) -> None:
    with SHARED.open() as file:
        rows = [r for r in csv.DictReader(file) if r["run"] == "distserve-c21d11-600-6"]
    lines = [f"{r['arrival_s']},{r['prompt_len']},{r['output_len']}" for r in rows]
    (tmp_path / "sharegpt.csv").write_text("\n".join(["arrival_s,prompt_tokens,output_tokens", *lines]))
    slo = "{attainment: 90%, ttft: 200 ms, tpot: 100 ms}"
    one = f"{{name: sharegpt, rate: 10 req/s, workload: {tmp_path / 'sharegpt.csv'}, slo: {slo}}}"
    found = placement(opt_13b(f"classes=[{one}]"), affinity="low", verify=False)
    assert (found.prefill_option.label, found.decode_option.label) == ("TP2", "TP1")
    assert found.goodput_per_gpu == pytest.approx(PUBLISHED, abs=RESOLUTION)


def test_decode_pipelines_scale_and_tensor_parallelism_shortens() -> None:
    """Decode PP scales throughput, TP lowers TPOT with falling return (DistServe, section 3.2)."""
    problem = inside_node(assemble(opt_13b()))
    goodputs = Goodputs(problem)
    options = {(o.tp, o.pp): o for o in placement_options(problem, "decode", Room(4))}
    rate = {key: goodputs.decode_alone(o).rate for key, o in options.items()}
    assert rate[1, 2] >= 0.9 * 2 * rate[1, 1]
    assert rate[1, 4] >= 0.9 * 4 * rate[1, 1]
    assert rate[2, 2] >= 0.9 * 2 * rate[2, 1]
    step = [float(options[tp, 1].latency.decode_step_s(32, 32 * 900)) for tp in (1, 2, 4)]
    assert step[0] > step[1] > step[2]
    assert step[0] / step[1] > step[1] / step[2] > 1.0


def test_pipeline_of_a_fit() -> None:
    """By hand: a + b B/2 + c C/2; overhead of the host at both stages, of contexts for half at each."""
    fit = Fitted(
        PrefillFit(0.02, 1e-4),
        (DecodeFit(0.020, 4e-4, 1e-6), DecodeFit(0.010, 6e-4, 1e-6, 50.0)),
        (1, 2048),
        (1, 100),
        "test",
        kv_capacity_tokens=1000,
        step_overhead_s=0.002,
        token_overhead_s=1e-7,
    )
    two = pipelined(fit, 2)
    # 0.020 + 4e-4 * 20 + 1e-6 * 5000 + 2 * 0.002 + 1e-7 * 5000
    assert float(two.decode_step_s(40, 10_000)) == pytest.approx(0.020 + 0.008 + 0.005 + 0.004 + 0.0005)
    # the second regime starts at 2 x 50: 0.010 + 6e-4 * 50 + 0.005 + 0.004 + 0.0005
    assert float(two.decode_step_s(100, 10_000)) == pytest.approx(0.010 + 0.030 + 0.005 + 0.004 + 0.0005)
    assert float(two.prefill_step_s(1000, 0)) == pytest.approx(0.02 + 0.1 + 0.004 + 1e-4)
    assert (two.decode_range, two.kv_capacity_tokens) == ((1, 200), None)
    assert pipelined(fit, 1) is fit
    with pytest.raises(InputError, match="at least 1"):
        pipelined(fit, 0)


def test_goodput_of_prefill_is_the_inverse_of_md1() -> None:
    """Equal prompts, one at a time, one instance: the rate at which the M/D/1 p90 wait + D is the limit."""
    slo = "{attainment: 90%, ttft: 200 ms, tpot: 100 ms}"
    one = f"{{name: equal, rate: 10 req/s, prompt_tokens: 512, output_tokens: 64, slo: {slo}}}"
    scenario = opt_13b(f"classes=[{one}]", "prefill.discipline=one_at_a_time")
    problem = inside_node(assemble(scenario))
    option = next(o for o in placement_options(problem, "prefill", Room(4)) if o.label == "TP2")
    rate = Goodputs(problem).prefill_alone(option).rate
    # 14.743 + 0.068577 * 512 + 2.4496e-6 * 512^2 = 50.497 ms, and 2 ms + 0.0512 ms of the host
    service_s = 0.050497 + 0.002 + 0.0000512
    law = MD1(arrival_rate=rate, service_s=service_s)
    assert law.wait_quantile_s(0.9) + service_s == pytest.approx(0.2, rel=0.01)


def test_best_first_finds_what_trying_all_finds() -> None:
    problem = inside_node(assemble(opt_13b()))
    goodputs, room = Goodputs(problem), Room(4)
    kinds = [placement_options(problem, role, room) for role in ("prefill", "decode")]
    pairs = [(p, d) for p, d in itertools.product(*kinds) if segments_fit(p, d, room)]
    every = max(goodputs.pair(p, d).rate / (p.gpus + d.gpus) for p, d in pairs)
    found = placement(opt_13b(), affinity="low", verify=False)
    assert found.considered == len(pairs)
    assert found.goodput_per_gpu == pytest.approx(every, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["prefill", "decode"])
def test_high_affinity_counts_each_phase(first: str) -> None:
    found = placement(opt_13b(f"first_token_from={first}"), affinity="high", verify=False)
    # R = 10: n carries it, n - 1 prefill would not
    for choice, count in ((found.prefill, found.prefill_count), (found.decode, found.decode_count)):
        assert count * choice.rate >= 10
    assert (found.prefill_count - 1) * found.prefill.rate < 10
    if first == "prefill":  # else more may be taken, so that the first step leaves TTFT some room
        assert (found.decode_count - 1) * found.decode.rate < 10
    assert found.goodput >= 10
    assert found.goodput_per_gpu == pytest.approx(found.goodput / found.gpus)


def test_nodes_let_an_instance_span() -> None:
    one = placement(opt_13b("node.gpus=2"), affinity="low", verify=False)
    two = placement(opt_13b("node.gpus=2"), affinity="low", nodes=2, verify=False)
    assert two.considered > one.considered
    assert two.goodput_per_gpu >= one.goodput_per_gpu


@pytest.mark.slow
def test_a_stricter_limit_never_raises_goodput() -> None:
    rates = [
        placement(
            opt_13b(f"classes.sharegpt.slo.ttft={ttft} ms"), affinity="low", verify=False
        ).goodput_per_gpu
        for ttft in (150, 300)
    ]
    assert rates == sorted(rates)


def test_the_largest_rate_of_a_known_line() -> None:
    assert largest_rate(lambda r: {"x": r - 3.7}, 100.0, "load").rate == pytest.approx(3.7, rel=2e-3)


@pytest.mark.parametrize(
    ("overrides", "affinity", "error", "said"),
    [
        ((), "both", InputError, "use high or low"),
        (("decode.accelerator=h100-sxm-80gb",), "low", InputError, "--affinity high"),
        (("node.gpus=1",), "low", InfeasibleError, "fit a node of 1 GPU"),
        (("prefill.parallel.tp=[4]", "node.gpus=2"), "low", InfeasibleError, "TP 4 or more"),
        (("classes.sharegpt.slo.ttft=1 ms",), "high", InfeasibleError, "at any rate, even idle"),
    ],
)
def test_refusals(overrides: tuple[str, ...], affinity: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as raised:
        placement(opt_13b(*overrides), affinity=affinity, verify=False)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for _ in range(2):
        with pytest.raises(SystemExit) as left:
            main(["placement", str(SEARCH), "--no-verify", "--json"])
        assert not left.value.code
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    document = json.loads(texts[0])
    assert document["schema"] == "pdplan.placement/1"
    assert (document["prefill"]["tp"], document["decode"]["tp"]) == (2, 1)
    assert document["trust"] == "approximate"
    with pytest.raises(SystemExit) as left:
        main(["placement", str(SEARCH), "--affinity", "middling"])
    assert left.value.code == 2
    assert "affinity 'middling' is not known" in capsys.readouterr().err


@pytest.mark.slow
def test_the_text_reads() -> None:
    found = placement(opt_13b(), affinity="low", requests=5_000)
    lines = str(found).splitlines()
    assert "Prefill TP2 + decode TP1" in str(found)
    assert max(map(len, lines)) <= 80
    assert "Simulated at the rate asked" in str(found)
    high = str(placement(builtin_scenario(), affinity="high", verify=False))
    assert "optimistic for prefill pipelines" in high
    flat = placement(builtin_scenario(("prefill.parallel.pp=[1]",)), affinity="high", verify=False)
    assert "Not simulated: formulas alone." in str(flat)
    alone = ("prefill.discipline=one_at_a_time", "prefill.parallel={tp: [1], pp: [2]}")
    piped = placement(builtin_scenario(alone), affinity="high", verify=False)
    assert piped.prefill_option.pp == 2
    assert "Not simulated: formulas alone." in str(piped)  # a law of its own: `pipeline_wait`
    assert max(map(len, high.splitlines())) <= 80
