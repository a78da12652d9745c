"""SimResult over hand-made and engine-made runs: numbers against numpy, files whole or not at all."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pdplan.errors import InputError
from pdplan.latency import DecodeFit, Fitted, PrefillFit
from pdplan.sim.config import DecodePool, KvLink, KvMemory, PdConfig, PrefillPool, Recording
from pdplan.sim.raw import COMPLETED, REJECTED, DecodeUse, PrefillUse, RawRun
from pdplan.sim.result import SimResult
from pdplan.sim.result_files import whole_file
from pdplan.sim.result_parts import Target
from pdplan.sim.run import run_pd
from pdplan.sim.stability import in_system, stability, trend
from pdplan.sim.stream import Stream

MODEL = Fitted(PrefillFit(0.010, 1e-4), (DecodeFit(0.02, 0.0005),), (1, 1e5), (1, 256), "a test's")
FLEET = PdConfig(
    PrefillPool(2, MODEL, discipline="one_at_a_time", kv_capacity_tokens=200_000),
    DecodePool(2, MODEL, max_batch=64, memory=KvMemory(100_000)),
    KvLink(1e5, 1e9),
    overhead_s=0.003,
    overhead_s_per_token=1e-6,
)


def made(arrival: list[float], end: list[float], **changed: object) -> RawRun:
    """A run of which only arrivals and ends matter, unless more is given."""
    n = len(arrival)
    zero, none = np.zeros(n), np.zeros(1)
    run = RawRun(
        np.full(n, COMPLETED, np.int8), np.array(arrival, float), np.full(n, 100, np.int32),
        np.full(n, 10, np.int32), np.zeros(n, np.int16), zero, zero, zero, zero, zero, zero, zero,
        np.array(end, float), np.zeros(n, np.int16), np.zeros(n, np.int16), PrefillUse(*(none,) * 8),
        DecodeUse(*(none,) * 11), np.array([1.0]), np.array([0.01, 0.02]), np.array([n]), None, 0.0, max(end),
    )  # fmt: skip
    return replace(run, **changed)  # type: ignore[arg-type]


def requests(n: int, rate: float, seed: int = 0, mean_output: int = 60) -> Stream:
    rng = np.random.default_rng(seed)
    return Stream.of(
        np.cumsum(rng.exponential(1 / rate, n)),
        np.maximum(1, rng.lognormal(5.5, 0.8, n)).astype(int),
        rng.geometric(1 / mean_output, n),
        class_id=(rng.random(n) < 0.25).astype(int),
    )


@pytest.fixture(scope="module")
def run() -> RawRun:
    return run_pd(FLEET, requests(20_000, 20.0))


@pytest.fixture(scope="module")
def result(run: RawRun) -> SimResult:
    return SimResult(run, FLEET, ("chat", "code"), {"chat": Target(0.2, 0.03), "": Target(0.2, 0.03)})


def test_point_values_are_those_of_the_measured_requests(run: RawRun, result: SimResult) -> None:
    late = run.arrival_s >= result.window.from_s
    assert 0 < result.window.from_s < 0.5 * run.until_s
    code = late & (run.class_id == 1)
    several = code & (run.output_tokens > 1)
    # batch means leave out at most 31 observations at the start: that is all that may differ
    assert result.statistic("ttft", class_name="code").value == pytest.approx(
        run.ttft_s[code].mean(), rel=5e-3
    )
    assert result.statistic("tpot", class_name="code").value == pytest.approx(
        run.tpot_s[several].mean(), rel=5e-3
    )
    assert result.statistic("ttft", 0.9, "code").value == pytest.approx(
        np.quantile(run.ttft_s[code], 0.9, method="inverted_cdf"), rel=1e-9
    )
    assert result.values("e2e").max() == (run.end_s - run.arrival_s)[late].max()


def test_intervals_are_there_and_hold_the_value(result: SimResult) -> None:
    for quantity in ("ttft", "tpot", "itl_worst", "e2e"):
        for p in (None, 0.5, 0.9):
            found = result.statistic(quantity, p)
            assert found.low is not None
            assert found.high is not None
            assert found.low <= found.value <= found.high  # type: ignore[operator]
            assert found.witness is not None


def test_gaps_from_requests_and_from_the_histogram_agree(run: RawRun, result: SimResult) -> None:
    """Two witnesses of the mean gap: sums over requests, and the engine's histogram (bins of 0.4%)."""
    middle = 0.5 * (run.itl_edge_s[1:] + run.itl_edge_s[:-1])
    from_histogram = (run.itl_count * middle).sum() / run.itl_count.sum()
    whole = SimResult(run, FLEET, transient=True)
    assert whole.statistic("itl").value == pytest.approx(from_histogram, rel=2e-3)
    assert run.itl_count.sum() == (run.output_tokens - 1).sum()
    assert result.statistic("itl", 0.99).value == pytest.approx(
        np.quantile(np.repeat(middle, run.itl_count), 0.99), rel=5e-3
    )
    assert result.statistic("itl", 0.99, "code").value is None


def test_parts_add_up_to_ttft(run: RawRun, result: SimResult) -> None:
    parts = result.breakdown("chat")
    late = (run.arrival_s >= result.window.from_s) & (run.class_id == 0)
    assert sum(parts.values()) == pytest.approx(run.ttft_s[late].mean(), rel=1e-12)
    assert parts["overhead"] == pytest.approx(0.003 + 1e-6 * run.prompt_tokens[late].mean())
    assert parts["transfer"] > 1e5 * 100 / 1e9
    assert parts["first_step"] > 0.02


def test_attainment_is_marginal_and_joint(run: RawRun, result: SimResult) -> None:
    target = Target(0.12, 0.0248)
    found = result.attainment(target)
    late = run.arrival_s >= result.window.from_s
    ttft = run.ttft_s[late] <= 0.12
    one = run.output_tokens[late] == 1
    tpot = run.tpot_s[late] <= 0.0248
    assert found.ttft.value == pytest.approx(ttft.mean(), abs=2e-3)
    assert found.tpot.value == pytest.approx(tpot[~one].mean(), abs=2e-3)
    assert found.joint.value == pytest.approx((ttft & (tpot | one)).mean(), abs=2e-3)
    assert found.without_tpot == one.sum() > 0
    assert 0 < found.tpot.value < found.joint.value < found.ttft.value  # type: ignore[operator]


def test_each_class_may_have_its_own_target(run: RawRun, result: SimResult) -> None:
    both = result.attainment([Target(0.12), Target(0.5)])
    late = run.arrival_s >= result.window.from_s
    limit = np.where(run.class_id == 0, 0.12, 0.5)
    assert both.joint.value == pytest.approx((run.ttft_s <= limit)[late].mean(), abs=2e-3)
    assert both.document()["ttft_s"] == [0.12, 0.5]
    with pytest.raises(InputError, match="1 targets for classes up to number 1"):
        result.attainment([Target(0.12)])


def test_lost_requests_miss_their_limits() -> None:
    status = np.array([COMPLETED, REJECTED, COMPLETED, COMPLETED], np.int8)
    raw = made([0, 1, 2, 3], [1, 1, 3, 4], status=status, ttft_s=np.array([0.1, 0.0, 0.1, 0.9]))
    met = SimResult(raw, transient=True).attainment(Target(ttft_s=0.5))
    assert (met.ttft.value, met.joint.value, met.lost) == (0.5, 0.5, 1)
    assert SimResult(raw, transient=True).statistic("ttft").value == pytest.approx(1.1 / 3)


def test_throughput_of_a_steady_run_is_its_rate(result: SimResult) -> None:
    late = result.raw.arrival_s >= result.window.from_s
    t = result.throughput
    assert t.requests_per_s == pytest.approx(20.0, rel=0.03)
    assert t.tokens_out_per_s == pytest.approx(20 * result.raw.output_tokens[late].mean(), rel=0.04)
    assert t.tokens_per_s == t.tokens_in_per_s + t.tokens_out_per_s


def test_pools(run: RawRun, result: SimResult) -> None:
    """Utilisation against the work offered: rate x mean prefill / instances, rate x mean transfer / links."""
    prefill = result.prefill
    assert prefill is not None
    work = (0.010 + 1e-4 * run.prompt_tokens).sum()
    assert prefill.utilization == pytest.approx(work / 2 / run.arrival_s[-1], rel=2e-3)
    sent = (run.prompt_tokens * 1e5 / 1e9).sum()
    assert prefill.link_utilization == pytest.approx(sent / 2 / run.arrival_s[-1], rel=5e-3)
    assert prefill.mean_batch == pytest.approx(1.0)
    assert prefill.kv_capacity_tokens == 200_000
    decode = result.decode
    # Little: sequences in decode = rate x time in decode, over two instances
    stay = (run.end_s - run.arrival_s - run.ttft_s).mean() + 0.0225
    busy_batch = 20.0 * stay / 2 / decode.utilization
    assert decode.mean_batch == pytest.approx(busy_batch, rel=0.1)
    assert decode.batch_quantiles[0.5] <= decode.batch_quantiles[0.99] <= 64


def test_recorded_warmup_stands() -> None:
    raw = run_pd(FLEET, requests(3000, 20.0), recording=Recording(from_s=50.0))
    assert SimResult(raw, FLEET).window.from_s == 50.0


def test_transient_reports_itself_whole_and_without_intervals(run: RawRun) -> None:
    whole = SimResult(run, FLEET, transient=True)
    assert whole.values("ttft").size == 20_000
    found = whole.statistic("ttft", 0.9)
    assert found.low is None
    assert found.value == pytest.approx(float(np.quantile(run.ttft_s, 0.9)))
    assert "transient" in str(whole)
    assert whole.document()["what"] == "transient"


def test_unsorted_requests_are_analysed_in_order_of_arrival(run: RawRun) -> None:
    stream = requests(20_000, 20.0)
    mixed = np.random.default_rng(1).permutation(20_000)
    shuffled = SimResult(run_pd(FLEET, stream.take(mixed)), FLEET)
    straight = SimResult(run, FLEET)
    assert shuffled.window.from_s == straight.window.from_s
    assert shuffled.statistic("ttft").half_width == pytest.approx(straight.statistic("ttft").half_width)


def test_steady_and_backlogged() -> None:
    steady = SimResult(run_pd(FLEET, requests(20_000, 20.0)), FLEET).stability
    assert steady.regime == "steady"
    piled = SimResult(run_pd(FLEET, requests(20_000, 80.0, mean_output=10)), FLEET)
    assert piled.stability.regime == "backlogged"
    # prefill can do 2 / mean prefill: what arrives beyond that stays
    can = 2 / (0.010 + 1e-4 * piled.raw.prompt_tokens.mean())
    assert piled.stability.growth_per_s == pytest.approx(80 - can, rel=0.15)
    assert piled.statistic("ttft").low is None
    assert "no steady state" in str(piled).replace("\n  ", " ")


def test_saturated_where_a_limit_holds_the_backlog() -> None:
    limited = replace(FLEET, prefill=replace(FLEET.prefill, queue_limit=10))
    found = SimResult(run_pd(limited, requests(20_000, 80.0, mean_output=10)), limited)
    assert found.stability.regime == "saturated"
    assert found.lost["rejected"] == found.prefill.rejected > 1000  # type: ignore[union-attr]
    closed = replace(FLEET, overhead_s_per_token=0.0)
    loop = replace(requests(5000, 1.0, mean_output=10), users=120)
    users = SimResult(run_pd(closed, loop), closed).stability
    assert users.regime == "saturated"
    assert users.mean_in_system == pytest.approx(120, rel=0.01)


def test_in_system_by_hand() -> None:
    raw = made([0, 1, 4], [2, 5, 4.5])
    assert in_system(raw, np.array([0.5, 1.5, 3.0, 4.2, 6.0])).tolist() == [1, 2, 1, 2, 0]


def test_trend_of_noise_is_rarely_significant() -> None:
    rng = np.random.default_rng(0)
    large = 0
    for _ in range(200):
        noise = np.convolve(rng.standard_normal(270), np.ones(15), "valid")
        slope, error = trend(noise)
        large += abs(slope) > 3 * error
    assert large <= 16  # correlated over 15 samples of 256; uncorrected more than half would be


def test_everything_at_once_is_not_a_backlog() -> None:
    assert stability(made([0, 0, 0], [1, 2, 3])).regime == "steady"


def test_document_is_json_without_nan(result: SimResult) -> None:
    text = json.dumps(result.document(), allow_nan=False)
    document = json.loads(text)
    assert document["classes"]["chat"]["attainment"]["joint"]["value"] > 0.5
    assert document["classes"]["code"]["attainment"] is None
    assert document["stability"]["regime"] == "steady"
    assert document["all"]["ttft"]["p99"]["low"] < document["all"]["ttft"]["p99"]["high"]


def test_text_fits_eighty_columns(result: SimResult) -> None:
    text = str(result)
    assert max(map(len, text.splitlines())) <= 80
    for word in (
        "TTFT",
        "TPOT",
        "chat",
        "code",
        "attainment",
        "Throughput",
        "Prefill x2",
        "Decode x2",
        "Steady",
    ):
        assert word in text


def test_few_requests_have_no_interval() -> None:
    few = SimResult(run_pd(FLEET, requests(40, 20.0)), FLEET)
    assert few.statistic("ttft").low is None
    assert few.statistic("ttft", 0.9).value is not None
    json.dumps(few.document(), allow_nan=False)
    str(few)


def test_csv_has_every_request(tmp_path: Path, run: RawRun, result: SimResult) -> None:
    path = result.to_csv(tmp_path / "run.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20_000
    k = int(np.flatnonzero(run.output_tokens == 1)[0])
    assert rows[k]["tpot_s"] == ""
    assert float(rows[7]["ttft_s"]) == pytest.approx(run.ttft_s[7], rel=1e-8)
    assert rows[7]["class"] in ("chat", "code")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.csv"]


def test_json_file(tmp_path: Path, result: SimResult) -> None:
    path = result.to_json(tmp_path / "run.json")
    assert json.loads(path.read_text()) == json.loads(json.dumps(result.document()))


def test_parquet_is_the_csv(tmp_path: Path, run: RawRun, result: SimResult) -> None:
    from pyarrow import parquet

    table = parquet.read_table(result.to_parquet(tmp_path / "run.parquet"))
    assert table.num_rows == 20_000
    assert table["ttft_s"].to_numpy() == pytest.approx(run.ttft_s)
    assert table["tpot_s"].null_count == (run.output_tokens == 1).sum()


def test_an_interrupt_leaves_no_file(tmp_path: Path) -> None:
    target = tmp_path / "run.csv"
    target.write_text("old")

    def interrupted() -> None:
        with whole_file(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [p.name for p in tmp_path.iterdir()] == ["run.csv"]
    assert target.read_text() == "old"
    with pytest.raises(InputError, match="does not exist"):
        SimResult(made([0], [1]), transient=True).to_json(tmp_path / "no" / "run.json")


def test_wrong_names_are_answered(result: SimResult) -> None:
    with pytest.raises(InputError, match="did you mean chat"):
        result.statistic("ttft", class_name="chta")
    with pytest.raises(InputError, match="quantity is 'tfft'"):
        result.statistic("tfft")
    with pytest.raises(InputError, match="gaps are not kept"):
        result.values("itl")
    with pytest.raises(InputError, match="p is 1"):
        result.statistic("ttft", 1.0)
    with pytest.raises(InputError, match="greater than 0"):
        Target(ttft_s=0.0)
