"""Reading: blocks against single rows, gzip, standard input, broken, truncated and foreign files."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.workload import Trace, load_workload, read_trace
from pdplan.workload.formats import csv_layout, json_layout
from pdplan.workload.formats.blocks import block_reader
from pdplan.workload.formats.rows import columns_of, row_reader
from pdplan.workload.source import line_blocks

HEADER = "arrival_s,prompt_tokens,output_tokens\n"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n"


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "trace.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(n: int) -> str:
    return HEADER + "".join(f"{i / 8},{10 + i},{1 + i % 7}\n" for i in range(n))


def same(a: Trace, b: Trace) -> bool:
    return all(
        np.array_equal(getattr(a, k), getattr(b, k)) for k in ("arrival_s", "prompt_tokens", "output_tokens")
    )


def test_gzip_and_standard_input_hold_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read_trace(written(tmp_path, rows(1000)))
    packed = gzip.compress(rows(1000).encode())
    assert same(plain, read_trace(written(tmp_path, packed)))
    for content in (rows(1000).encode(), packed):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        trace = read_trace("-")
        assert same(plain, trace)
        assert trace.source == "standard input"


def test_damaged_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(rows(20_000).encode())
    with pytest.raises(InputError, match="gzip data end too soon"):
        read_trace(written(tmp_path, packed[: len(packed) // 2]))
    broken = bytearray(packed)
    broken[len(broken) // 2] ^= 0xFF
    with pytest.raises(InputError, match=r"gzip|line"):
        read_trace(written(tmp_path, bytes(broken)))


REFUSED: list[tuple[bytes, str]] = [
    (b"", "the file is empty; understood: Azure"),
    (b"\n\n  \n", "the file is empty"),
    (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe", "not a text file"),
    ("arrival_s".encode("utf-16"), "not a text file"),
    (b"a,b,c\n1,2,3\n", "no known trace; understood: .*Mooncake.*BurstGPT.*Vidur.*plain CSV.*gzip"),
    (b"%PDF-1.7 hello\n", "no known trace"),
    (b'{"timestamp": 0, "input_len', "no known trace, nor one JSON document"),
    (b'{"a": 1}\n{"a": 2}\n', "line 2: no known trace, nor one JSON document"),
    (b'{"input_lens": [1], "output_', "no known trace, nor one JSON document"),
    (b'{"schema": 5}', "first line is no known trace"),
    (b"[" * 100_000, "no known trace"),
    (HEADER.encode(), "a header and no requests"),
    (HEADER.encode() + b"0,1,1\n1700000000000,1,1\n", "span 5.39e.04 years: is the unit of arrival_s right"),
    (b"arrival_s,prompt_tokens,output_tokens,class,class\n1,1,1,a,b\n", "a column twice"),
]


@pytest.mark.parametrize(("content", "says"), REFUSED, ids=[s for _, s in REFUSED])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read_trace(written(tmp_path, content))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


BROKEN = [
    ("1.5,7\n", "2 cells instead of 3"),
    ("1.5,7,", "output length is ''"),
    ("1.5,7", "2 cells instead of 3"),
    ("nan,7,7\n", "arrival_s is 'nan', not a finite number"),
    ("inf,7,7\n", "arrival_s is 'inf'"),
    (",7,7\n", "arrival_s is ''"),
    ("1,-7,7\n", "prompt length is '-7'"),
    ("1,7,0\n", "output length is '0'"),
    ("1,7.5,1\n", "prompt length is '7.5'"),
    ("1,1e12,1\n", "prompt length is '1e12'"),
    ("1,7,true\n", "output length is 'true'"),
    ('1,"7,1\n', "not CSV"),
    ("1,7,1\xff\n", "output length"),
]


@pytest.mark.parametrize(("line", "says"), BROKEN, ids=[s for _, s in BROKEN])
def test_a_broken_row_is_named_far_into_the_file(tmp_path: Path, line: str, says: str) -> None:
    # 12000 rows are several blocks: the header is line 1, so the broken row is line 12002
    path = written(tmp_path, rows(12_000) + line)
    with pytest.raises(InputError, match=f"line 12002: .*{says}"):
        read_trace(path)
    if line.endswith("\n"):
        path = written(tmp_path, rows(12_000) + line + "1,7,7\n")
    trace = read_trace(path, bad_rows="skip")
    assert [s.rows for s in trace.skipped] == [1]
    assert trace.skipped[0].first_line == 12002


def test_skipped_rows_are_counted_by_reason(tmp_path: Path) -> None:
    text = HEADER + "0,1,1\n5,0,1\n6,-1,1\nx,1,1\n7,1\n8,1,1\n9,1,1,1,1\n"
    trace = read_trace(written(tmp_path, text), bad_rows="skip")
    assert trace.arrival_s.tolist() == [0.0, 8.0]
    assert [(s.reason, s.rows, s.first_line) for s in trace.skipped] == [
        ("prompt length is not a whole number from 1 to 1e+08", 2, 3),
        ("arrival_s is not a finite number", 1, 5),
        ("cells instead of 3", 2, 6),
    ]
    with pytest.raises(InputError, match="no request that can be read"):
        read_trace(written(tmp_path, HEADER + "1,1\n"), bad_rows="skip")


def test_rows_out_of_order_are_sorted_and_said(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, HEADER + "5,1,1\n3,2,2\n4,3,3\n9,4,4\n"))
    assert trace.arrival_s.tolist() == [0.0, 1.0, 2.0, 6.0]
    assert trace.prompt_tokens.tolist() == [2, 3, 1, 4]
    assert trace.notes == ("1 of 4 rows were earlier than the row before: sorted by time",)


def test_blank_lines_line_ends_and_marks_do_not_matter(tmp_path: Path) -> None:
    plain = read_trace(written(tmp_path, rows(50)))
    for text in (
        rows(50).replace("\n", "\r\n"),
        "\ufeff" + rows(50),
        "\n\n" + rows(50),
        rows(50).replace("\n", "\n\n"),
        rows(50).rstrip("\n"),
        rows(50).replace("10,", "10.0,"),  # whole numbers written as decimals
    ):
        assert same(plain, read_trace(written(tmp_path, text)))


def test_a_moment_is_kept(tmp_path: Path) -> None:
    # 2023-11-16 18:15:46.68059 UTC, by `date -u -d ... +%s`
    trace = read_trace(written(tmp_path, AZURE))
    assert trace.start_epoch_s == pytest.approx(1700158546.68059, abs=1e-5)
    assert read_trace(written(tmp_path, rows(3))).start_epoch_s is None


NUMBERS = st.lists(
    st.tuples(st.floats(0, 1e6, allow_nan=False), st.integers(1, 10**8), st.integers(1, 10**6)),
    min_size=1,
    max_size=30,
)


@given(NUMBERS)
def test_blocks_and_rows_agree_on_csv(given_rows: list[tuple[float, int, int]]) -> None:
    layout = csv_layout(("arrival_s", "prompt_tokens", "output_tokens"))
    assert layout is not None
    lines = [f"{t!r},{p},{o}" for t, p, o in given_rows]
    fast = block_reader(layout, lines[0].encode())("\n".join(lines).encode())
    slow = columns_of([row_reader(layout)(line) for line in lines], layout)
    assert fast is not None
    assert fast.arrival_s is not None
    assert slow.arrival_s is not None
    assert fast.arrival_s.tolist() == slow.arrival_s.tolist() == [t for t, _, _ in given_rows]
    assert fast.prompt_tokens.tolist() == slow.prompt_tokens.tolist() == [p for _, p, _ in given_rows]
    assert fast.output_tokens.tolist() == slow.output_tokens.tolist()


@given(st.lists(st.tuples(st.integers(0, 10**7), st.lists(st.integers(0, 2**62), max_size=5)), min_size=1))
def test_blocks_and_rows_agree_on_json(given_rows: list[tuple[int, list[int]]]) -> None:
    layout = json_layout(frozenset({"timestamp", "input_length", "output_length", "hash_ids"}))
    assert layout is not None
    lines = [
        f'{{"timestamp": {t}, "input_length": 9, "output_length": 2, "hash_ids": {h}}}' for t, h in given_rows
    ]
    fast = block_reader(layout, lines[0].encode())("\n".join(lines).encode())
    slow = columns_of([row_reader(layout)(line) for line in lines], layout)
    assert fast is not None
    for name in ("arrival_s", "prompt_tokens", "output_tokens", "hash_ids", "hash_counts"):
        assert getattr(fast, name).tolist() == getattr(slow, name).tolist()


@pytest.mark.parametrize(
    "block",
    [
        b"1,2\n",
        b"1,2,3,4\n",
        b"x,2,3\n",
        b"1,,3\n",
        b"1,2,0\n",
        b"nan,2,3\n",
        b"1,2,3\n\n4,5,6\n",
        b"1,2.5,3\n",
    ],
)
def test_blocks_that_are_doubtful_are_left_to_rows(block: bytes) -> None:
    layout = csv_layout(("arrival_s", "prompt_tokens", "output_tokens"))
    assert layout is not None
    assert block_reader(layout, b"1,2,3")(block) is None


@given(st.binary(max_size=300), st.integers(1, 20), st.integers(1, 20))
def test_line_blocks_lose_nothing(content: bytes, first: int, size: int) -> None:
    blocks = list(line_blocks(io.BytesIO(content), first, size))
    assert b"".join(blocks) == content.removeprefix(b"\xef\xbb\xbf") or first < 3
    assert all(block.endswith(b"\n") for block in blocks[:-1])


def test_load_workload_takes_documents_and_traces(tmp_path: Path) -> None:
    path = written(tmp_path, "# mine\nname: x\nprompt_tokens: 100\noutput_tokens: 20\n")
    assert (load_workload(path).name, load_workload(path).trace) == ("x", None)
    trace = load_workload(written(tmp_path, rows(9)))
    assert trace.trace is not None
    assert trace.prompt.mean == 14.0
    for content, says in (
        ("name: x\nprompt_tokens: [\n", "line 3: not YAML"),
        ("name: x\n", "prompt_tokens and output_tokens is missing"),
        ("- a\n- b\n", "no known trace"),
        ("", "the file is empty"),
        (b"name: \xff\n", "not a text file"),
    ):
        with pytest.raises(InputError, match=says):
            load_workload(written(tmp_path, content))
    with pytest.raises(InputError, match="No such file"):
        load_workload(tmp_path / "nothing.yaml")
