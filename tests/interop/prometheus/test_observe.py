"""An hour of a known engine, read through a stand-in for Prometheus: rates, lengths, latencies, drift."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from documents import arguments, commands_of

from pdplan.cli import main
from pdplan.errors import InputError
from pdplan.interop.prometheus import PrometheusClient, observe
from pdplan.workload import Workload

NOW = 10_000.0
SCENARIO = """\
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
classes:
  - name: chat
    rate: {rate} req/s
    prompt_tokens: {{mean: 1300, scv: 0.7}}
    output_tokens: {{mean: 95, scv: 0.7}}
    slo: {{ttft: {{p99: 600 ms}}, tpot: {{p95: 30 ms}}}}
"""


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["observe", *argv])
    out = capsys.readouterr()
    return int(left.value.code or 0), out.out, out.err


@pytest.fixture
def hour(lab: SimpleNamespace) -> SimpleNamespace:
    """Two requests per second for over an hour, scraped every 100 s."""
    store, engine = lab.Store(now=NOW), lab.Engine()
    store.scrape(engine, lambda t: int(2 * (t - 5000)), np.arange(NOW - 4000, NOW, 100.0))
    return store


@pytest.fixture
def url(lab: SimpleNamespace, hour: SimpleNamespace) -> Iterator[str]:
    with lab.serve_store(hour) as address:
        yield address


def test_an_hour_comes_back(url: str) -> None:
    """Each quarter is one kind: prompt (100 + 700 + 1500 + 3000)/4 = 1325, output 381/4 = 95.25.

    TTFT (50 + 90 + 300 + 400)/4 = 210 ms. TPOT over the three kinds with a second token (20 + 30 + 40)/3 =
    30 ms: the entry of 0 that vLLM makes for the first kind is out. ITL over gaps: (29 x 20 + 199 x 30 +
    149 x 40)/377 = 33.183 ms. E2E: (50 + 670 + 6270 + 6360)/4 = 3337.5 ms.
    """
    seen = observe(PrometheusClient(url), 3600.0)
    assert seen.engine == "vllm"
    assert seen.arrivals.rate == pytest.approx(2.0, rel=1e-9)
    assert seen.arrivals.peak_rate == pytest.approx(2.0)
    assert seen.requests == pytest.approx(2.0 * seen.span_s)
    assert seen.prompt.mean == pytest.approx(1325.0)
    assert seen.output.mean == pytest.approx(95.25)
    means = {m: law.mean for m, law in seen.latencies.items()}
    assert means == pytest.approx({"ttft": 0.21, "tpot": 0.03, "itl": 12.51 / 377, "e2e": 3.3375}, rel=1e-3)
    assert seen.latencies["ttft"].bracket(0.99) == (0.25, 0.5)
    assert seen.latencies["tpot"].bracket(0.01) == (0.01, 0.025)
    assert seen.prefix_hit == pytest.approx(0.3)
    assert seen.restarts == 0
    assert any("TPOT of 0" in note for note in seen.notes)


def test_the_workload_file_is_a_workload(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "seen.yaml"
    code, out, _ = run(capsys, "--prometheus", url, "-o", str(target))
    assert code == 0
    assert f"written: {target}" in out
    workload = Workload.from_document(yaml.safe_load(target.read_text()))
    assert workload.name == "seen"
    assert workload.prompt.mean == pytest.approx(1325.0, rel=1e-5)
    assert workload.output.mean == pytest.approx(95.25, rel=1e-5)
    # a quarter of the requests lies in each bucket of its kind
    assert 50 < workload.prompt.quantile(0.249) <= 100
    assert 500 < workload.prompt.quantile(0.251) <= 1000
    assert workload.output.quantile(0.2) == 1.0
    assert workload.prefix_hit == 0.3
    assert workload.arrivals is not None
    assert workload.arrivals.rate == pytest.approx(2.0)
    assert [p.name for p in tmp_path.iterdir()] == ["seen.yaml"]


@pytest.mark.parametrize("columns", [80, 120])
def test_text_is_plain_and_fits(
    url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SCENARIO.format(rate=2))
    _, out, err = run(capsys, "--prometheus", url, "--scenario", str(scenario))
    assert "vLLM" in out
    assert "2 req/s on average" in out
    assert "1325" in out
    assert "30.0% of the prompt tokens" in out
    assert "(250-500 ms)" in out
    assert err == ""
    assert max(map(len, out.splitlines())) <= columns


def test_no_plan_is_an_honest_no_after_what_was_seen(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario, target = tmp_path / "s.yaml", tmp_path / "w.yaml"
    scenario.write_text(SCENARIO.format(rate=2).replace("600 ms", "1 us"))
    code, out, err = run(capsys, "--prometheus", url, "--scenario", str(scenario), "-o", str(target))
    assert code == 1
    assert "2 req/s on average" in out
    assert "there is no plan to compare with" in err
    assert target.exists()


@pytest.mark.slow
def test_the_documents_commands_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "chat.yaml").write_text(SCENARIO.format(rate=2))
    monkeypatch.chdir(tmp_path)
    lines = [arguments(line) for line in commands_of("pdplan observe ")]
    assert lines
    for _, *options in lines:
        options[options.index("--prometheus") + 1] = url
        code, out, _ = run(capsys, *options)
        assert code == 0, options
        assert "vLLM" in out


@pytest.mark.slow
def test_drift_says_what_moved_and_what_to_do(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario, report = tmp_path / "s.yaml", tmp_path / "drift.json"
    scenario.write_text(SCENARIO.format(rate=1.5))
    args = ("--prometheus", url, "--scenario", str(scenario), "--report", str(report))
    code, out, _ = run(capsys, *args)
    assert code == 0
    document = json.loads(report.read_text())
    assert document["schema"] == "pdplan.drift/1"
    lines = {line["quantity"]: line for line in document["lines"]}
    assert lines["rate"]["verdict"] == "drifted"
    assert lines["rate"]["planned"] == [1.5, 1.5]
    assert lines["rate"]["why"] == "+33%"
    assert lines["mean prompt"]["verdict"] == "as planned"
    assert lines["TTFT mean"]["verdict"] == "drifted"
    assert lines["objective ttft p99"]["why"] == "met"
    assert lines["objective tpot p95"]["verdict"] == "cannot tell"
    assert "--set classes.chat.rate='2 req/s'" in out
    assert run(capsys, *args, "--check")[0] == 1


def test_what_goes_as_planned_is_said_so(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = tmp_path / "s.yaml"
    scenario.write_text(SCENARIO.format(rate=2.1))
    _, out, _ = run(capsys, "--prometheus", url, "--scenario", str(scenario), "--json")
    drift = json.loads(out)["drift"]
    verdicts = {line["quantity"]: line["verdict"] for line in drift["lines"]}
    assert verdicts["rate"] == verdicts["mean prompt"] == verdicts["mean output"] == "as planned"


def test_json_is_one_stable_document(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, first, _ = run(capsys, "--prometheus", url, "--json")
    _, again, _ = run(capsys, "--prometheus", url, "--json")
    assert first == again
    document = json.loads(first)
    assert document["schema"] == "pdplan.observe/1"
    assert document["drift"] is None
    assert document["latencies"]["ttft"]["p99"]["low_s"] == 0.25
    assert document["metrics"]["itl"] == "vllm:inter_token_latency_seconds"
    assert "NaN" not in first


def test_a_bursty_rate_is_measured(lab: SimpleNamespace) -> None:
    """1 and 5 requests per second, ten minutes each, in turn; samples from a turn on, for 55 minutes.

    300 s windows hold 1500, 1500, 300, 300, 1500, 1500, 300, 300, 1500, 1500, 300: mean 10500/11 = 954.55,
    squares around it 6 x 545.45^2 + 5 x 654.55^2 = 3927273, over 10 = 392727; over the mean 411.4.
    """
    store, engine = lab.Store(now=NOW), lab.Engine()
    edges = np.arange(0.0, 20_000.0, 600.0)
    totals = np.concatenate([[0.0], np.cumsum(600.0 * np.where(np.arange(edges.size - 1) % 2, 5.0, 1.0))])
    times = np.arange(6600.0, 6600.0 + 3301.0, 30.0)
    store.scrape(engine, lambda t: round(float(np.interp(t, edges, totals))), times)
    with lab.serve_store(store) as url:
        seen = observe(PrometheusClient(url), 3600.0)
    assert seen.arrivals.rate == pytest.approx(10500 / 3300)
    assert seen.arrivals.peak_rate == pytest.approx(5.0)
    assert seen.arrivals.index_of_dispersion[300.0] == pytest.approx(411.4, rel=1e-3)


def test_a_restart_adds_up(lab: SimpleNamespace) -> None:
    store, engine = lab.Store(now=NOW), lab.Engine()
    store.scrape(
        engine, lambda t: int(t - 6000) if t < 8000 else int(t - 8000), np.arange(NOW - 3600, NOW, 20.0)
    )
    with lab.serve_store(store) as url:
        seen = observe(PrometheusClient(url), 3600.0)
    assert seen.restarts == 1
    assert seen.arrivals.rate == pytest.approx(1.0, rel=0.02)
    assert seen.prompt.mean == pytest.approx(1325.0, rel=0.01)
    assert any("began again 1 time:" in note for note in seen.notes)


def test_several_targets_are_one_fleet_and_a_selector_chooses(lab: SimpleNamespace) -> None:
    store = lab.Store(now=NOW)
    for k, rate in ((0, 1.0), (1, 3.0)):
        engine = lab.Engine(labels={"model_name": "m" if k else "other", "instance": f"e{k}"})
        store.scrape(engine, lambda t, r=rate: int(r * (t - 5000)), np.arange(NOW - 3600 + 7 * k, NOW, 60.0))
    with lab.serve_store(store) as url:
        both = observe(PrometheusClient(url), 3600.0)
        one = observe(PrometheusClient(url), 3600.0, selector='{model_name="m"}')
        with pytest.raises(
            InputError, match=r"no series match --selector .*; values of model_name there: m, other"
        ):
            observe(PrometheusClient(url), 3600.0, selector='model_name="x"')
    assert both.targets == 2
    assert both.arrivals.rate == pytest.approx(4.0, rel=0.01)
    assert one.targets == 1
    assert one.arrivals.rate == pytest.approx(3.0, rel=0.01)


def test_too_little(lab: SimpleNamespace) -> None:
    few, short, none = lab.Store(now=NOW), lab.Store(now=NOW), lab.Store(now=NOW)
    few.scrape(lab.Engine(), lambda t: int((t - 6000) / 100), np.arange(NOW - 3600, NOW, 30.0))
    short.scrape(lab.Engine(), lambda t: int(t), np.array([NOW - 40, NOW - 10]))
    with (
        lab.serve_store(few) as url,
        pytest.raises(InputError, match=r"requests in the last 3600 s are too few"),
    ):
        observe(PrometheusClient(url), 3600.0)
    with lab.serve_store(short) as url, pytest.raises(InputError, match="fewer than 3 samples"):
        observe(PrometheusClient(url), 3600.0)
    with lab.serve_store(none) as url:
        with pytest.raises(
            InputError, match=r"none of these .*vllm:time_to_first_token_seconds_count.*sglang:num_req"
        ):
            observe(PrometheusClient(url), 3600.0)
        with pytest.raises(InputError, match=r"--engine is 'vlm'; did you mean vllm"):
            observe(PrometheusClient(url), 3600.0, engine="vlm")
        with pytest.raises(InputError, match="--window is 0 s"):
            observe(PrometheusClient(url), 0.0)


def test_a_value_that_is_no_number_is_refused(lab: SimpleNamespace, hour: SimpleNamespace) -> None:
    for (name, _), points in hour.series.items():
        if name == "vllm:request_prompt_tokens_sum":
            points[-2] = (points[-2][0], float("nan"))
            points[-1] = (points[-1][0], float("nan"))
    with lab.serve_store(hour) as url, pytest.raises(InputError, match="holds a value that is no number in"):
        observe(PrometheusClient(url), 3600.0)


def test_a_backlog_is_told(lab: SimpleNamespace) -> None:
    store = lab.Store(now=NOW)
    for at in np.arange(NOW - 3600, NOW, 60.0):
        store.add(float(at), lab.Engine(waiting=(at - NOW + 3600) / 2).values(int(at - 5000)))
    with lab.serve_store(store) as url:
        seen = observe(PrometheusClient(url), 3600.0)
    assert any("waiting requests went from 0 to" in note and "1.5 req/s came" in note for note in seen.notes)


def test_prefill_and_decode_counted_twice_is_suspected(lab: SimpleNamespace) -> None:
    store, engine = lab.Store(now=NOW), lab.Engine()
    store.scrape(engine, lambda t: int(t - 5000), np.arange(NOW - 3600, NOW, 60.0))
    for (name, labels), points in list(store.series.items()):
        if name.startswith("vllm:request_generation_tokens"):
            every = store.series["vllm:request_generation_tokens_count", tuple(sorted(engine.labels.items()))]
            store.series[name, labels] = every if name.endswith(("_bucket", "_sum")) else points
    with lab.serve_store(store) as url:
        seen = observe(PrometheusClient(url), 3600.0)
    assert seen.output.mean == 1.0
    assert any("counted twice" in note for note in seen.notes)


def sglang(values: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> dict[object, float]:
    """The engine of the tests under SGLang's names; SGLang has no TPOT."""
    rename = {
        "vllm:request_prompt_tokens": "sglang:prompt_tokens_histogram",
        "vllm:request_generation_tokens": "sglang:generation_tokens_histogram",
        "vllm:request_success_total": "sglang:num_requests_total",
        "vllm:prefix_cache_queries_total": "sglang:prompt_tokens_total",
        "vllm:prefix_cache_hits_total": "sglang:cached_tokens_total",
        "vllm:num_requests_waiting": "sglang:num_queue_reqs",
        "vllm:": "sglang:",
    }
    found: dict[object, float] = {}
    for (name, labels), value in values.items():
        if "per_output_token" in name:
            continue
        for old, new in rename.items():
            name = name.replace(old, new)
        found[name, labels] = value
    return found


def test_sglang_by_its_own_names(lab: SimpleNamespace) -> None:
    """A request that was not streamed has its whole answer as its TTFT: not read as one."""
    store = lab.Store(now=NOW)
    for at in np.arange(NOW - 3600, NOW, 60.0):
        for stream in ("true", "false"):
            engine = lab.Engine(labels={"model_name": "m", "is_streaming": stream})
            values = sglang(engine.values(int(at - 5000)))
            for key in values:
                if stream == "false" and key[0] == "sglang:time_to_first_token_seconds_sum":  # type: ignore[index]
                    values[key] *= 10.0
            store.add(float(at), values)
    with lab.serve_store(store) as url:
        seen = observe(PrometheusClient(url), 3600.0)
    assert seen.engine == "sglang"
    assert "tpot" not in seen.latencies
    assert seen.latencies["ttft"].mean == pytest.approx(0.21, rel=1e-3)
    assert seen.prefix_hit == pytest.approx(0.3)
    assert seen.arrivals.rate == pytest.approx(2.0, rel=1e-3)


def test_a_disaggregated_sglang_is_counted_once(lab: SimpleNamespace) -> None:
    store = lab.Store(now=NOW)
    for at in np.arange(NOW - 3600, NOW, 60.0):
        for role in ("prefill", "decode"):
            engine = lab.Engine(labels={"model_name": "m", "engine_type": role})
            values = sglang(engine.values(int(at - 5000)))
            for key in values:
                if role == "decode" and "cached_tokens" in key[0]:  # type: ignore[index]
                    values[key] = 0.0
            store.add(float(at), values)
    with lab.serve_store(store) as url:
        seen = observe(PrometheusClient(url), 3600.0)
    assert seen.arrivals.rate == pytest.approx(1.0, rel=1e-3)
    assert seen.targets == 1
    assert seen.prefix_hit == pytest.approx(0.3)
    assert any("decode engines alone" in note for note in seen.notes)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--prometheus", "here"), "--prometheus is 'here'"),
        (("--prometheus", "http://127.0.0.1:1", "--window", "soon"), "--window"),
        (("--prometheus", "http://127.0.0.1:1", "--report", "x.json"), "give --scenario too"),
        (("--prometheus", "http://127.0.0.1:1", "-o", "/nowhere/w.yaml"), "cannot be written"),
        (("--prometheus", "http://127.0.0.1:1", "--token-file", "/nowhere/t"), "cannot be read"),
        (("--prometheus", "http://127.0.0.1:1", "--scenario", "/nowhere.yaml"), "/nowhere.yaml"),
        (("--prometheus", "http://127.0.0.1:1"), "cannot be reached"),
    ],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], says: str) -> None:
    code, out, err = run(capsys, *argv)
    assert code == 2
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("content", ["", "two words", "caf\u00e9", "a\nb"])
def test_a_file_without_a_token(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    code, _, err = run(capsys, "--prometheus", "http://127.0.0.1:1", "--token-file", str(path))
    assert code == 2
    assert "holds no token" in err
