"""Every trace format, read to numbers checked by hand against a few typed rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pdplan.errors import InputError
from pdplan.workload import Trace, describe_trace, read_trace

TRACES = Path(__file__).parents[3] / "shared" / "data" / "traces"
needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason="the public traces are not on this machine")

BURSTGPT = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,GPT-4,1087,230,1317,API log
50,GPT-4,0,0,0,API log
118,ChatGPT,417,276,693,Conversation log
"""
BURSTGPT_2 = """Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
5,1,2.1,ChatGPT,472,18,490,Conversation log
45,,9.8,GPT-4,1087,230,1317,API log
118,1,14.0,ChatGPT,417,276,693,Conversation log
"""
QWEN = """\
{"chat_id": 55, "parent_chat_id": -1, "timestamp": 3.021, "input_length": 40, "output_length": 10, \
"type": "text", "turn": 1, "hash_ids": [1, 2, 3]}
{"chat_id": 56, "parent_chat_id": -1, "timestamp": 4.021, "input_length": 33, "output_length": 11, \
"type": "search", "turn": 1, "hash_ids": [9, 8, 7]}
{"chat_id": 159, "parent_chat_id": 55, "timestamp": 61.021, "input_length": 52, "output_length": 12, \
"type": "text", "turn": 2, "hash_ids": [1, 2, 4, 5]}
{"chat_id": 160, "parent_chat_id": 159, "timestamp": 62.021, "input_length": 64, "output_length": 1, \
"type": "text", "turn": 3, "hash_ids": [1, 2, 4, 6]}
"""
SPLITWISE = """request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size
0,2,0,1.5,1,4096,32
1,2,1,3,1,2048,8
"""
VIDUR = "arrived_at,num_prefill_tokens,num_decode_tokens\n0.0,374,44\n4.314579,396,109\n"
VIDUR_LENGTHS = """num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio
3772,54,3826,69.85
2015,156,2171,12.9
"""
DYNAMO = """\
{"session_id": "a", "created_time": 1000, "input_tokens": 40, "output_tokens": 10, "hash_ids": [1, 2, 3]}
{"session_id": "b", "created_time": 1500, "input_tokens": 30, "output_tokens": 11, "hash_ids": [7, 8]}
{"session_id": "a", "delay_ms": 250, "input_tokens": 60, "output_tokens": 12, "hash_ids": [1, 2, 4, 5]}
"""
VLLM = {
    "backend": "vllm",
    "input_lens": [100, 200, 300],
    "output_lens": [7, 0, 9],
    "start_times": [50.0, 50.5, 52.0],
    "errors": ["", "refused", ""],
}


def written(folder: Path, text: str) -> Path:
    path = folder / "trace.unknown"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str) -> Trace:
    return read_trace(written(folder, text))


def numbers(trace: Trace) -> tuple[list[float], list[float], list[float]]:
    return trace.arrival_s.round(9).tolist(), trace.prompt_tokens.tolist(), trace.output_tokens.tolist()


def test_burstgpt_leaves_failed_requests_out_and_says_so(tmp_path: Path) -> None:
    trace = read(tmp_path, BURSTGPT)
    assert numbers(trace) == ([0.0, 40.0, 113.0], [472, 1087, 417], [18, 230, 276])
    assert trace.notes == ("1 failed requests (no response tokens) were left out",)
    assert trace.labels is not None
    assert trace.labels.name == "Model and Log Type"
    # only the pairs that occur
    assert trace.labels.values == ("ChatGPT, Conversation log", "GPT-4, API log")
    assert trace.labels.codes.tolist() == [0, 1, 0]


def test_burstgpt_v2_has_sessions(tmp_path: Path) -> None:
    trace = read(tmp_path, BURSTGPT_2)
    assert trace.format == "BurstGPT CSV"
    assert numbers(trace)[0] == [0.0, 40.0, 113.0]
    assert trace.sessions is not None
    assert trace.sessions[0] == trace.sessions[2] != -1 == trace.sessions[1]


def test_qwen_bailian_is_in_seconds_with_blocks_of_16(tmp_path: Path) -> None:
    trace = read(tmp_path, QWEN)
    assert numbers(trace) == ([0.0, 1.0, 58.0, 59.0], [40, 33, 52, 64], [10, 11, 12, 1])
    assert (trace.block_tokens, trace.notes) == (16, ())
    assert trace.sessions is not None
    assert trace.sessions.tolist() == [0, 1, 0, 0]  # 160 -> 159 -> 55
    assert trace.labels is not None
    assert trace.labels.values == ("text", "search")
    # third prompt: blocks 1, 2 are known: 32 tokens; fourth: 1, 2, 4: 48. (32 + 48) / (40 + 33 + 52 + 64)
    assert describe_trace(trace).prefix_hit == pytest.approx(80 / 189)


def test_splitwise(tmp_path: Path) -> None:
    trace = read(tmp_path, SPLITWISE)
    assert numbers(trace) == ([0.0, 1.5], [4096, 2048], [32, 8])
    assert trace.labels is not None
    assert trace.labels.values == ("0", "1")


def test_vidur_with_times_and_with_lengths_only(tmp_path: Path) -> None:
    assert numbers(read(tmp_path, VIDUR)) == ([0.0, 4.314579], [374, 396], [44, 109])
    trace = read(tmp_path, VIDUR_LENGTHS)
    assert numbers(trace)[1:] == ([3772, 2015], [54, 156])
    assert not trace.has_times
    assert trace.notes == ("no times of arrival: lengths only",)
    assert describe_trace(trace).arrivals is None


def test_dynamo_replay_places_turns_after_their_delay(tmp_path: Path) -> None:
    trace = read(tmp_path, DYNAMO)
    # turn 2 of session a: 1000 ms + 250 ms, before session b at 1500 ms
    assert numbers(trace) == ([0.0, 0.25, 0.5], [40, 60, 30], [10, 12, 11])
    assert trace.hash_ids is not None
    assert list(trace.hash_ids) == [(1, 2, 3), (1, 2, 4, 5), (7, 8)]
    assert "1 turns wait for the answer of the turn before" in trace.notes[0]
    assert "sorted by time" in trace.notes[1]
    with pytest.raises(InputError, match="request 1 has a delay and no time"):
        read(tmp_path, "\n".join(reversed(DYNAMO.splitlines())))


def test_mooncake_with_other_blocks_is_noticed(tmp_path: Path) -> None:
    rows = [
        {"timestamp": 10 * i, "input_length": 33 + 64 * i, "output_length": 5, "hash_ids": list(range(1 + i))}
        for i in range(20)
    ]  # 33 + 64 i tokens are i + 1 blocks of 64
    trace = read(tmp_path, "\n".join(map(json.dumps, rows)))
    assert trace.block_tokens == 64
    assert trace.notes == ("hash_ids fit blocks of 64 tokens and not the usual 512: 64 taken",)
    # without a telling number of rows the documented size stays, with a warning
    few = read(tmp_path, "\n".join(map(json.dumps, rows[:5])))
    assert few.block_tokens == 512
    assert "is a guess" in few.notes[0]


def test_hash_ids_of_64_bits(tmp_path: Path) -> None:
    row = '{"timestamp": %d, "input_length": 600, "output_length": 5, "hash_ids": [%d, %d]}\n'
    trace = read(tmp_path, row % (0, 2**64 - 1, 5) + row % (9, 2**64 - 1, 6))
    assert describe_trace(trace).prefix_hit == pytest.approx(512 / 1200)
    with pytest.raises(InputError, match="more than 64 bits"):
        read(tmp_path, row % (0, 2**64, 5))


@pytest.mark.parametrize("indent", [None, 2])
def test_vllm_detailed(tmp_path: Path, indent: int | None) -> None:
    trace = read(tmp_path, json.dumps(VLLM, indent=indent))
    assert trace.format == "vLLM detailed benchmark JSON"
    assert numbers(trace) == ([0.0, 2.0], [100, 300], [7, 9])
    assert trace.notes == ("1 failed requests were left out",)
    lengths = read(tmp_path, json.dumps({k: v for k, v in VLLM.items() if k != "start_times"}, indent=indent))
    assert not lengths.has_times


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"output_lens": [1, 2]}, "3 input_lens and 2 output_lens"),
        ({"input_lens": [1, 2, "x"]}, "request 2: prompt length is 'x'"),
        ({"start_times": [1, 2, None]}, "request 2: start_times is None"),
        ({"input_lens": 5}, "input_lens is not a list"),
        ({"output_lens": [0, 0, 0]}, "all requests failed"),
    ],
)
def test_broken_vllm_detailed(tmp_path: Path, change: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read(tmp_path, json.dumps(VLLM | change))


PLAIN = [
    ("arrival_s,prompt_tokens,output_tokens\n10,100,5\n12.5,200,6\n", 2.5),
    ("Timestamp_MS, Input_Tokens, Completion_Tokens, ignored\n10,100,5,x\n2510,200,6,y\n", 2.5),
    ("arrival_time_ns,isl,osl\n1000000000,100,5\n3500000000,200,6\n", 2.5),
    ("timestamp_us,input_len,output_len\n0,100,5\n2500000,200,6\n", 2.5),
    (
        "timestamp,prompt_tokens,output_tokens\n2024-05-10T00:00:00Z,100,5\n2024-05-10T00:00:02.5Z,200,6\n",
        2.5,
    ),
    ('"time_s","input_tokens","output_tokens"\n"1","100","5"\n"3.5","200","6"\n', 2.5),
    (
        '{"arrival_s": 1, "prompt_tokens": 100, "output_tokens": 5}\n'
        '{"arrival_s": 3.5, "prompt_tokens": 200, "output_tokens": 6, "more": [1]}\n',
        2.5,
    ),
]


@pytest.mark.parametrize(("text", "gap_s"), PLAIN, ids=[t.split("\n", 1)[0] for t, _ in PLAIN])
def test_plain_columns_carry_their_units(tmp_path: Path, text: str, gap_s: float) -> None:
    assert numbers(read(tmp_path, text)) == ([0.0, gap_s], [100, 200], [5, 6])


def test_plain_classes_and_sessions(tmp_path: Path) -> None:
    trace = read(
        tmp_path,
        "arrival_s,class,session_id,prompt_tokens,output_tokens\n1,chat,x,10,2\n2,code,y,20,3\n3,chat,x,30,4\n",
    )
    assert trace.labels is not None
    assert trace.sessions is not None
    assert (trace.labels.values, trace.labels.codes.tolist()) == (("chat", "code"), [0, 1, 0])
    assert trace.sessions.tolist() == [0, 1, 0]
    found = describe_trace(trace).classes
    assert found is not None
    assert [(c.name, c.prompt_mean) for c in found.classes] == [("chat", 20.0), ("code", 20.0)]


def test_a_time_without_a_unit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2: timestamp is '5', .* timestamp_s or timestamp_ms"):
        read(tmp_path, "timestamp,prompt_tokens,output_tokens\n5,1,1\n")


# read off the files themselves, first and last rows: format, requests, span [s], sums of prompts and outputs
SAMPLES = {
    "SCHEMA_azure2024_sample.csv": ("Azure LLM inference CSV", 2, 0.007405, 4561, 11),
    "SCHEMA_burstgpt_sample.csv": ("BurstGPT CSV", 3, 113.0, 472 + 1087 + 417, 18 + 230 + 276),
    "SCHEMA_burstgpt_v2_sample.csv": ("BurstGPT CSV", 3, 113.0, 472 + 1087 + 417, 18 + 230 + 276),
    "SCHEMA_qwen_bailian_sample.jsonl": ("Qwen-Bailian JSONL", 2, 61.114 - 3.021, 389 + 521, 232),
    "splitwise_sim_test_trace.csv": ("Splitwise CSV", 3, 3.0, 4096 + 2 * 2048, 32 + 8 + 16),
    "AzureLLMInferenceTrace_conv.csv": ("Azure LLM inference CSV", 19366, 3501.721937, 22361870, 4088665),
    "mooncake_conversation_first30min.jsonl": ("Mooncake JSONL", 5719, 1797.0, None, None),
    "llmservingsim_sharegpt_300_sps10.jsonl": ("LLMServingSim JSONL", 300, None, None, None),
    "dynamo_mooncake_tiny.jsonl": ("Mooncake JSONL", 16, None, None, None),
}


@needs_traces
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_samples(name: str) -> None:
    kind, requests, span_s, prompts, outputs = SAMPLES[name]
    trace = read_trace(TRACES / name)
    assert trace.format.startswith(kind)
    assert len(trace) == requests
    if span_s is not None:
        assert trace.arrival_s[-1] == pytest.approx(span_s, abs=1e-6)
    if prompts is not None:
        assert (trace.prompt_tokens.sum(), trace.output_tokens.sum()) == (prompts, outputs)


@needs_traces
def test_vllm_sample() -> None:
    trace = read_trace(TRACES.parent / "formats" / "vllm_bench_serve_detailed.json")
    assert trace.prompt_tokens.tolist() == [1024] * 4
    assert trace.output_tokens.tolist() == [64] * 4
