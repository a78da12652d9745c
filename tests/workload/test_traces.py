"""Trace readers: three formats by content, and broken files named with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdplan.errors import InputError
from pdplan.workload import Workload, read_trace

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:15:51.2224670,879,55
"""
MOONCAKE = """{"timestamp": 0, "input_length": 600, "output_length": 50, "hash_ids": [0, 1]}
{"timestamp": 3000, "input_length": 700, "output_length": 9, "hash_ids": [0, 2]}
"""
SERVINGSIM = """{"input_toks": 128, "output_toks": 512, "arrival_time_ns": 1500000000}
{"input_toks": 64, "output_toks": 1, "arrival_time_ns": 1000000000}
"""


def written(folder: Path, text: str, name: str = "trace.dat") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_azure(tmp_path: Path) -> None:
    # the second arrival: 18:15:50.995169 - 18:15:46.680590 = 4.314579 s
    for text in (AZURE, AZURE.replace("\n", "\r\n"), "\ufeff" + AZURE, AZURE.rstrip()):
        trace = read_trace(written(tmp_path, text))
        assert trace.format == "Azure LLM inference CSV"
        assert trace.arrival_s == pytest.approx([0.0, 4.314579, 4.541877], abs=1e-6)
        assert trace.prompt_tokens.tolist() == [374, 396, 879]
        assert trace.output_tokens.tolist() == [44, 109, 55]
        assert trace.hash_ids is None


def test_azure_with_time_zones(tmp_path: Path) -> None:
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,2162,5\n"
    text += "2024-05-10 00:00:00.017335+00:00,2399,6\n"
    assert read_trace(written(tmp_path, text)).arrival_s == pytest.approx([0.0, 0.007405], abs=1e-6)


def test_mooncake(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, MOONCAKE))
    assert (trace.format.split()[0], trace.block_tokens, len(trace)) == ("Mooncake", 512, 2)
    assert trace.arrival_s.tolist() == [0.0, 3.0]
    assert trace.hash_ids is not None
    assert list(trace.hash_ids) == [(0, 1), (0, 2)]
    workload = Workload.from_trace(trace)
    assert workload.prefix_hit == pytest.approx(512 / 1300)
    assert workload.prompt.mean == 650.0


def test_llmservingsim_is_put_in_order(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, SERVINGSIM, "anything.csv"))
    assert trace.format == "LLMServingSim JSONL"
    assert trace.arrival_s.tolist() == [0.0, 0.5]
    assert trace.prompt_tokens.tolist() == [64, 128]


BROKEN = [
    ("", "the file is empty"),
    ("\n \n", "the file is empty"),
    ("hello,world\n1,2\n", "no known trace; understood: Azure"),
    ("[1, 2]\n", "no known trace"),
    ("TIMESTAMP,ContextTokens,GeneratedTokens\n", "a header and no requests"),
    (AZURE + "2023-11-16 18:15:52,7\n", "line 5: 2 cells instead of 3"),
    (AZURE + "yesterday,7,7\n", "line 5: TIMESTAMP is 'yesterday', not a date"),
    (AZURE + "2023-11-16 18:15:52,0,7\n", "line 5: prompt length is '0'"),
    (AZURE + "2023-11-16 18:15:52,7,-1\n", "line 5: output length is '-1'"),
    (AZURE + "2023-11-16 18:15:52,7.5,1\n", "line 5: prompt length is '7.5'"),
    (AZURE + "2023-11-16 18:15:52,nan,1\n", "line 5: prompt length is 'nan'"),
    (AZURE + "2023-11-16 18:15:52,1e12,1\n", "line 5: prompt length is '1e12'"),
    (AZURE + "2023-11-16 18:15:52,,1\n", "line 5: prompt length is ''"),
    (MOONCAKE + '{"timestamp": 5}\n', "line 3: 'input_length' is missing"),
    (MOONCAKE + '{"timestamp": 5, "input_len\n', "line 3: not JSON"),
    (MOONCAKE + "7\n", "line 3: not a JSON object"),
    (MOONCAKE.replace("[0, 2]", '"x"'), "line 2: hash_ids is not a list"),
    (MOONCAKE.replace("3000", "NaN"), "line 2: timestamp is nan"),
    (MOONCAKE.replace("3000", "null"), "line 2: timestamp is None, not a finite number"),
    (SERVINGSIM.replace("64", "true"), "line 2: prompt length is True"),
    (SERVINGSIM.replace("64", "null"), "line 2: prompt length is None"),
]


@pytest.mark.parametrize(("text", "says"), BROKEN, ids=[s for _, s in BROKEN])
def test_broken_files_are_named_with_their_line(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=says) as caught:
        read_trace(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_trace(tmp_path / "nothing.csv")
    (tmp_path / "image").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_trace(tmp_path / "image")
    with pytest.raises(InputError, match="directory"):
        read_trace(tmp_path)
