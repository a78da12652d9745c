"""Tables of steps, runs, requests and transfers; Splitwise's table; Dynamo's profiles."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest

from pdplan.errors import InputError, UnsupportedError
from pdplan.interop.benchmarks import read_measurements
from pdplan.latency.measured import (
    DecodePoint,
    Measurements,
    PrefillPoint,
    ServedRequest,
    Spread,
    TransferPoint,
)


def read(text: str, **select: str) -> Measurements:
    return read_measurements(io.BytesIO(text.encode()), select)


def npz(**arrays: Any) -> io.BytesIO:
    file = io.BytesIO()
    np.savez(file, **{name: np.asarray(values) for name, values in arrays.items()})
    file.seek(0)
    return file


def test_prefill_steps() -> None:
    found = read(
        "tp,prompt_tokens,batch,cached_tokens,prefill_ms,repeats\n2,1000,1,250,50,3\n4,2000,,,0.5,\n"
    )
    assert found.prefill == (
        PrefillPoint(1000, 0.05, tp=2, cached_tokens=250, repeats=3),
        PrefillPoint(2000, 0.0005, tp=4),
    )
    assert found.corrections == ("prefill_ms converted to s.",)


def test_decode_steps_in_seconds_and_both_kinds_in_one_file() -> None:
    assert read("batch,context_tokens,step_s\n8,,0.02\n").decode == (DecodePoint(8, None, 0.02),)
    both = read(
        "# our cluster\n"
        "model,accelerator,tp,prompt_tokens,prefill_ms,batch,context_tokens,step_ms,kv_capacity_tokens\n"
        "m,h100,1,1000,50,,,,400000\n"
        "m,h100,1,,,8,1024,20,\n"
    )
    assert both.prefill == (PrefillPoint(1000, 0.05),)
    assert both.decode == (DecodePoint(8, 1024, pytest.approx(0.02)),)
    assert both.kv_capacity_tokens == {(1, 1): 400000}
    assert (both.model, both.accelerator) == ("m", "h100")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_spaces_and_line_ends(delimiter: str) -> None:
    text = (
        delimiter.join(["batch", " context_tokens", "step_ms"])
        + "\r\n"
        + delimiter.join(["8", " 512 ", "20"])
    )
    found = read("\ufeff" + text + "\r\n\r\n")
    assert found.decode == (DecodePoint(8, 512, 0.02),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,1000,", ":2: no time: fill prefill_ms"),
        ("1,1000,-5", ":2: prefill_ms is '-5': it must be a finite number of at least 0"),
        ("1,1000,nan", "prefill_ms is 'nan'"),
        ("1,1000,inf", "prefill_ms is 'inf'"),
        ("1,1000,0", "prefill_ms is 0: it must be above 0"),
        ("1,1000,fast", "prefill_ms is 'fast'"),
        ("1,,50", "prompt_tokens is empty"),
        ("1,0,50", "prompt_tokens is '0': it must be a finite number of at least 1"),
        ("0,1000,50", "tp is '0'"),
        ("1.5,1000,50", "tp is 1.5: it must be a whole number"),
        ("1,1000", "2 cells under 3 columns; the file is cut off"),
        ("1,1000,50,7", "4 cells under 3 columns"),
    ],
)
def test_broken_rows(row: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(f"tp,prompt_tokens,prefill_ms\n{row}\n")


def test_other_broken_tables() -> None:
    with pytest.raises(InputError, match="has a header and no rows"):
        read("tp,prompt_tokens,prefill_ms\n")
    with pytest.raises(InputError, match="two columns are named 'tp'"):
        read("tp,tp,prompt_tokens,prefill_ms\n1,1,2,3\n")
    with pytest.raises(InputError, match="batch is 0"):
        read("batch,step_ms\n0,20\n")
    with pytest.raises(InputError, match="leave nothing of 100 prompt tokens"):
        read("prompt_tokens,cached_tokens,prefill_ms\n100,100,5\n")
    assert "last line has no line end" in read("batch,step_ms\n8,20").corrections[-1]


TWO = """source,model,gpu,tp,batch,context_tokens,step_ms
lab,llama-70b,h100,8,1,100,10
lab,llama-70b,h100-pcap,8,1,100,12
lab,qwen,h100,8,1,100,9
"""


def test_choice_among_systems() -> None:
    with pytest.raises(
        InputError, match="holds 3 systems: choose one with select: model=llama-70b, accelerator=h100;"
    ):
        read(TWO)
    assert read(TWO, model="LLAMA", accelerator="h100").decode[0].seconds == 0.01  # equal before part
    assert read(TWO, accelerator="pcap").decode[0].seconds == 0.012
    assert read(TWO, model="qwen").model == "qwen"
    with pytest.raises(InputError, match=r"model=llama leaves 2 systems: .*accelerator=h100-pcap$"):
        read(TWO, model="llama")
    with pytest.raises(InputError, match="model=opt matches none of its 3 systems"):
        read(TWO, model="opt")
    one = "batch,step_ms\n8,20\n"
    assert read(one, model="anything").decode  # a file with one system has no choice to make


def test_runs() -> None:
    text = (
        "isl,osl,rate,concurrency,ttft_mean_ms,tpot_mean_ms,e2e_p99_s,tp_p,tp_d,P,D,req_throughput,ttft_usable\n"
        "1000,101,,4,100,20,3,8,8,1,2,2.0,1\n"
        "1000,101,2,,100,20,,1,8,1,4,,0\n"
    )
    first, second = read(text).runs
    assert (first.concurrency, first.request_rate, first.tp, first.throughput) == (4, None, 8, 2.0)
    assert (first.ttft, first.tpot, first.e2e) == (Spread(0.1), Spread(0.02), Spread(p99=3))
    assert (first.prefill_instances, first.decode_instances, first.requests) == (1, 2, 0)
    assert (second.concurrency, second.request_rate, second.tp, second.ttft) == (None, 2, None, Spread())
    with pytest.raises(InputError, match=":2: no latency"):
        read("isl,osl,concurrency,ttft_mean_ms\n1000,101,4,\n")
    with pytest.raises(InputError, match="offers nothing"):
        read("isl,osl,concurrency,ttft_mean_ms\n1000,101,0,5\n")


def test_requests() -> None:
    text = (
        "run,prompt_len,output_len,arrival_s,ttft_ms,latency_ms\n"
        "a,10,3,5,100,200\na,10,1,7,100,100\nb,10,3,0,50,60\n"
    )
    found = read(text)
    a, b = found.runs
    assert a.served == (ServedRequest(0, 10, 3, 0.1, 0.2), ServedRequest(2, 10, 1, 0.1, 0.1))
    assert (a.label, a.request_rate, a.tpot.mean) == ("a", 0.5, pytest.approx(0.05))
    assert (b.requests, b.request_rate) == (1, None)
    assert "a: 1 request with one output token: no TPOT." in found.corrections
    with pytest.raises(InputError, match="after the last"):
        read(text.replace("50,60", "70,60"))
    with pytest.raises(InputError, match=":2: no time"):
        read("prompt_len,output_len,ttft_ms,e2e_ms\n10,3,5,\n")


def test_transfers() -> None:
    found = read("prompt_tokens,kv_mb,transfer_ms,ttft_mean_ms\n128,20,0.5,46\n")
    assert found.transfers == (TransferPoint(20e6, 0.0005, 128),)
    assert read("payload_bytes,transfer_s\n1e6,0.5\n").transfers == (TransferPoint(1e6, 0.5),)
    with pytest.raises(InputError, match="kv_mb is empty"):
        read("kv_mb,transfer_ms\n,0.5\n")


SPLITWISE = """\
model,hardware,prompt_size,batch_size,token_size,prompt_time,token_time,e2e_time,tensor_parallel
m,a100,512,1,128,200,50,6550,2
m,a100,512,1,128,210,52,6814,2
m,a100,512,1,256,190,54,13960,2
m,a100,512,4,128,800,60,8420,2
"""


def test_splitwise() -> None:
    found = read(SPLITWISE)
    assert found.prefill == (PrefillPoint(512, pytest.approx(0.2), tp=2, repeats=3),)  # 190, 200, 210
    assert found.decode == (
        DecodePoint(1, 576, pytest.approx(0.051), tp=2, repeats=2),  # 512 + 128/2
        DecodePoint(1, 640, pytest.approx(0.054), tp=2),
        DecodePoint(4, 576, pytest.approx(0.06), tp=2),
    )
    assert any("1 row with several requests left out" in c for c in found.corrections)
    with pytest.raises(InputError, match="prompt_time is '-1'"):
        read(SPLITWISE.replace(",190,", ",-1,"))


# a TP 4 instance: 2000 tokens in 100 ms are 20000 tok/s, 5000 for each GPU
PREFILL = {
    "prefill_isl": [1000, 2000],
    "prefill_ttft": [50.0, 100.0],
    "prefill_thpt_per_gpu": [5000.0, 5000.0],
}
# 2 GPUs; 1 and 8 requests offered, (0.0035, 0.028) x 100000/350; 50 and 380 tok/s for each GPU
DECODE = {
    "x_kv_usage": [0.0035, 0.028],
    "y_context_length": [350.0, 350.0],
    "z_itl": [10.0, 10.0],
    "z_thpt_per_gpu": [50.0, 380.0],
    "max_kv_tokens": [100000],
}


def test_dynamo_npz() -> None:
    found = read_measurements(npz(**PREFILL))
    assert found.prefill == (PrefillPoint(1000, 0.05, tp=4), PrefillPoint(2000, 0.1, tp=4))
    decode = read_measurements(npz(**DECODE))
    assert decode.decode == (
        DecodePoint(pytest.approx(1.0), 350, 0.01, tp=2),  # 2 x 50 tok/s x 10 ms
        DecodePoint(pytest.approx(7.6), 350, 0.01, tp=2),
    )
    assert decode.kv_capacity_tokens == {(2, 1): 100000}


def test_dynamo_json_in_ms_or_s() -> None:
    both = {**PREFILL, **DECODE}
    found = read(json.dumps(both))
    assert (found.prefill[0].seconds, found.decode[0].seconds) == (0.05, 0.01)
    seconds = {**both, "prefill_ttft": [0.05, 0.1], "z_itl": [0.01, 0.01], "max_kv_tokens": 100000}
    assert read(json.dumps(seconds)).prefill == found.prefill
    assert read(json.dumps(seconds)).decode == found.decode
    assert any("prefill_ttft is in s here" in c for c in read(json.dumps(seconds)).corrections)


def test_dynamo_refusals() -> None:
    with pytest.raises(InputError, match="arrays of different lengths"):
        read_measurements(npz(**{**PREFILL, "prefill_ttft": [50.0]}))
    with pytest.raises(InputError, match="prefill_ttft: entry 1 is nan"):
        read_measurements(npz(**{**PREFILL, "prefill_ttft": [50.0, np.nan]}))
    with pytest.raises(InputError, match="z_itl: entry 0 is -1"):
        read_measurements(npz(**{**DECODE, "z_itl": [-1.0, 10.0]}))
    with pytest.raises(InputError, match="prefill_isl is not a list of numbers"):
        read(json.dumps({**PREFILL, "prefill_isl": ["a", "b"]}))
    with pytest.raises(InputError, match="not an npz of plain arrays"):
        read_measurements(npz(prefill_isl=np.array([{}], dtype=object), prefill_ttft=[1.0]))
    with pytest.raises(UnsupportedError, match="resampled from a fit"):
        read_measurements(npz(prefill_isl=[1, 2], prefill_ttft_ms=[1, 2]))
    with pytest.raises(InputError, match=r"an npz with a: not a format that is understood"):
        read_measurements(npz(a=[1, 2]))
