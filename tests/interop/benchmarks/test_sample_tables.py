"""The tables and profiles of ../shared/data, against each other and hand-checked values."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdplan.errors import InputError
from pdplan.interop.benchmarks import read_measurements
from pdplan.latency.measured import ServedRequest

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="samples are not here")


def test_dynamo() -> None:
    folder = DATA / "profiles" / "dynamo_H200_TP1P_TP1D"
    prefill = read_measurements(folder / "selected_prefill_interpolation" / "raw_data.npz").prefill
    assert len(prefill) == 17
    assert (prefill[0].prompt_tokens, prefill[0].seconds, prefill[0].tp) == (
        100,
        pytest.approx(0.019525209),
        1,
    )
    found = read_measurements(folder / "selected_decode_interpolation" / "raw_data.npz")
    assert len(found.decode) == 41
    assert found.kv_capacity_tokens == {(1, 1): 945029}
    second = found.decode[1]
    # 13423.7 tok/s x 19.111 ms = 256.5 in steps, of 263 offered (0.0974 x 945029/350)
    assert (second.batch, second.context_tokens) == (pytest.approx(256.5437, rel=1e-6), 350)
    assert second.seconds == pytest.approx(0.01911118176)


def test_dynamo_equals_the_table_made_from_it() -> None:
    table = read_measurements(DATA / "measured" / "measured_decode.csv", {"model": "nvidia"})
    npz = DATA / "profiles" / "dynamo_H200_TP1P_TP1D" / "selected_decode_interpolation" / "raw_data.npz"
    for ours, theirs in zip(read_measurements(npz).decode, table.decode, strict=True):
        assert ours.batch == pytest.approx(theirs.batch, abs=6e-4)
        assert ours.seconds == pytest.approx(theirs.seconds, abs=6e-8)
        assert ours.context_tokens == theirs.context_tokens


@pytest.mark.parametrize("accelerator", ["a100-80gb", "h100-80gb"])
@pytest.mark.parametrize(("model", "rows"), [("llama2-70b", 3), ("bloom-176b", 1)])
def test_splitwise_equals_the_table_made_from_it(model: str, accelerator: str, rows: int) -> None:
    select = {"model": model, "accelerator": accelerator}
    ours = read_measurements(DATA / "profiles" / "splitwise_perf_model.csv", select)
    prefill = read_measurements(DATA / "measured" / "measured_prefill.csv", select).prefill
    expected = {(p.tp, p.prompt_tokens): (p.seconds, p.repeats) for p in prefill if p.batch == 1}
    assert len(expected) == 7 * rows
    for point in ours.prefill:
        seconds, repeats = expected[point.tp, point.prompt_tokens]
        assert point.seconds == pytest.approx(seconds, abs=1e-7)
        assert point.repeats == repeats
        assert point.batch == 1
    steps = read_measurements(DATA / "measured" / "measured_decode.csv", select).decode
    theirs = {(d.tp, d.batch, d.context_tokens): d.seconds for d in steps}
    assert {(d.tp, d.batch, d.context_tokens) for d in ours.decode} == set(theirs)
    for d in ours.decode:
        assert d.seconds == pytest.approx(theirs[d.tp, d.batch, d.context_tokens], abs=1e-7)


def test_plain_tables() -> None:
    folder = DATA / "measured"
    with pytest.raises(
        InputError, match=r"7 systems: choose one with select: .*model=Qwen3-8B, accelerator=H800"
    ):
        read_measurements(folder / "measured_prefill.csv")
    mooncake = read_measurements(folder / "measured_prefill.csv", {"model": "Qwen3-8B"})
    assert (len(mooncake.prefill), mooncake.prefill[0].tp, mooncake.prefill[0].repeats) == (9, 8, 50)
    assert mooncake.prefill[0].seconds == pytest.approx(0.04609)
    assert any("KV transfer" in c for c in mooncake.corrections)
    moved = read_measurements(folder / "measured_kv_transfer.csv", {"model": "Qwen3-8B"}).transfers
    assert (len(moved), moved[0].payload_bytes, moved[0].prompt_tokens) == (9, 20e6, 128)
    assert moved[0].seconds == pytest.approx(0.00054)
    served = read_measurements(folder / "measured_serving.csv", {"model": "kimi", "engine": "dev.2"})
    first = served.runs[0]
    assert (first.concurrency, first.prefill_instances, first.decode_instances) == (4, 1, 4)
    assert first.ttft.mean == pytest.approx(0.195513)
    assert first.tpot.mean == pytest.approx(0.005317)
    assert first.tp is None  # TP 1 in prefill, 8 in decode


def test_distserve_requests() -> None:
    found = read_measurements(DATA / "measured" / "distserve_opt13b_a100.csv")
    assert [r.requests for r in found.runs] == [300, 300, 300, 300, 300, 600, 100, 150, 200]
    first = found.runs[0]
    assert first.served[0] == ServedRequest(0.0, 55, 4, pytest.approx(0.0714981), pytest.approx(0.1646156))
    assert first.request_rate == pytest.approx(3, rel=0.01)


def test_llmservingsim_records() -> None:
    found = read_measurements(
        DATA / "measured" / "llmservingsim_vllm" / "RTXPRO6000_Llama-3.1-8B.requests.jsonl"
    )
    (run,) = found.runs
    assert run.requests == 300
    first = run.served[0]
    assert (first.sent_s, first.prompt_tokens, first.output_tokens) == (0.0, 2358, 531)
    assert first.ttft_s == pytest.approx(479748.510151426 - 479748.340626232)
    assert first.e2e_s == pytest.approx(479764.054028055 - 479748.340626232)
