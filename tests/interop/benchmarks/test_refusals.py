"""What cannot be read is refused with the reason: cut off, empty, binary, of another kind."""

from __future__ import annotations

import io
import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError
from pdplan.interop.benchmarks import COLUMNS_HELP, READERS, read_measurements, understood
from pdplan.interop.benchmarks.document import Document, open_document
from pdplan.latency.measured import Measurements

DATA = Path(__file__).parents[4] / "shared" / "data"
RUN = {"completed": 10, "duration": 5.0, "total_input_tokens": 100, "total_output_tokens": 100}
STEPS = "tp,prompt_tokens,prefill_ms\n1,1000,50.25\n2,1000,28.5\n"
VLLM = json.dumps({**RUN, "request_rate": 2.0, "mean_ttft_ms": 10.5})
SMALL = {
    "vllm": VLLM,
    "two runs": f"{VLLM}\n{VLLM}\n",
    "sglang": json.dumps(
        {**RUN, "total_output_tokens_retokenized": 9, "median_ttft_ms": 5, "request_rate": 1.5}
    ),
    "steps": STEPS,
    "unended": STEPS.rstrip(),
    "requests": "prompt_len,output_len,arrival_s,ttft_ms,e2e_ms\n10,3,5,100,200\n10,3,7,100,200\n",
    "records": json.dumps(
        {"input_toks": 9, "output_toks": 3, "queued_ts": 5.0, "first_token_ts": 6.0, "last_token_ts": 7.5}
    ),
}


def read(data: bytes) -> Measurements:
    return read_measurements(io.BytesIO(data))


def units(found: Measurements) -> list[object]:
    """The points, runs and requests, one by one."""
    served = [request for run in found.runs for request in run.served]
    runs = [] if served else list(found.runs)
    return [*found.prefill, *found.decode, *found.transfers, *runs, *served]


def check_cut(whole: bytes, at: int) -> None:
    """A file cut off at ``at`` is refused, holds what came before, or says that its end is open."""
    try:
        found = read(whole[:at])
    except InputError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 3000
        return
    got, all_of_it = units(found), units(read(whole))
    assert len(got) <= len(all_of_it)
    if got != all_of_it[: len(got)]:
        assert any("no line end" in c for c in found.corrections), whole[:at][-80:]


@pytest.mark.parametrize("name", SMALL)
def test_small_files_cut_anywhere(name: str) -> None:
    data = SMALL[name].encode()
    for at in range(len(data)):
        check_cut(data, at)


@pytest.mark.skipif(not DATA.is_dir(), reason="samples are not here")
@pytest.mark.parametrize("name", sorted(p.name for p in DATA.glob("formats/*")))
def test_samples_cut_at_many_places(name: str) -> None:
    data = (DATA / "formats" / name).read_bytes()
    places = random.Random(name).sample(range(len(data) - 3), 60)
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10][:20]
    for at in [0, 1, 2, len(data) // 2, *range(len(data) - 30, len(data)), *ends, *places]:
        check_cut(data, at)


@pytest.mark.skipif(not DATA.is_dir(), reason="samples are not here")
def test_npz_cut_anywhere() -> None:
    for path in DATA.rglob("*.npz"):
        data = path.read_bytes()
        for at in range(0, len(data), 7):
            with pytest.raises(InputError, match=r"cut off|is empty|UTF-8|byte \d+ is 0|not a format"):
                read(data[:at])


def test_a_cut_says_where_it_is() -> None:
    with pytest.raises(InputError, match=r"JSON breaks at line 2 column \d+ .*; the file is cut off"):
        read((VLLM + "\n" + VLLM[:-10]).encode())
    with pytest.raises(
        InputError, match=r"JSON breaks at line 1 column 2 \(character 1\): Expecting property name"
    ):
        read(b"{1: 2}")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "neither text nor an npz: byte 0 is not UTF-8"),
        (b"abc\x00def", "neither text nor an npz: byte 3 is 0"),
        (b"PK\x03\x04rubbish", "not an npz of plain arrays, or cut off"),
        (b"\x1f\x8brubbish", "a gzip that cannot be unpacked"),
        (b"hello", "text, not a table: not a format that is understood"),
        (b"a,b\n1,2\n", "text with the columns a, b: not a format"),
        (b"{}", "JSON with nothing: not a format"),
        (b"[]", "JSON with nothing: not a format"),
        (b'{"a": 1, "b": 2}', "JSON with a, b: not a format"),
        (b"[1, 2]", ":1, item 1: not a JSON object"),
        (b'{"a": 1} 5', "not a JSON object"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"a": ' + b"9" * 5000 + b"}", "cannot be read"),
        (b'"unclosed,b\n1,2\n', "not a table"),
    ],
)
def test_what_is_not_a_measurement(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(data)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.json: cannot be read \(No such file"):
        read_measurements(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_measurements(tmp_path)


def test_names_play_no_part(tmp_path: Path) -> None:
    for name in ("results.txt", "x.npz", "vllm.csv"):
        (tmp_path / name).write_text(SMALL["steps"])
        assert len(read_measurements(tmp_path / name).prefill) == 2


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SMALL["steps"].encode())))
    found = read_measurements("-")
    assert (found.source, len(found.prefill)) == ("standard input", 2)


def test_readers_are_sorted_and_listed() -> None:
    names = [reader.name for reader in READERS]
    assert names == sorted(set(names), key=str.lower)
    text = understood()
    assert all(reader.name in text and reader.looks_like in text for reader in READERS)
    assert "\n" not in text
    for column in ("prompt_tokens", "prefill_ms", "context_tokens", "step_ms", "kv_capacity_tokens"):
        assert column in COLUMNS_HELP


@pytest.mark.parametrize("name", SMALL)
def test_each_small_file_has_one_reader(name: str) -> None:
    document = open_document(io.BytesIO(SMALL[name].encode()))
    assert sum(reader.recognise(document) for reader in READERS) == 1


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    with pytest.raises(InputError):
        read(data)


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="samples are not here")
@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_value_in_the_place_of_any_other(data: st.DataObject) -> None:
    """Whatever one value of a report becomes, the answer is a record or one clear line."""
    path = data.draw(st.sampled_from(sorted(DATA.glob("formats/*.json*"))))
    values = [entry.value for entry in open_document(path).entries]
    at: object = values[0]
    for _ in range(8):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))  # type: ignore[call-overload]
        key = data.draw(st.sampled_from(keys))
        inner = at[key]  # type: ignore[index]
        if not inner or not isinstance(inner, (dict, list)) or data.draw(st.booleans()):
            break
        at = inner
    at[key] = data.draw(VALUES)  # type: ignore[index]
    try:
        found = read("\n".join(map(json.dumps, values)).encode())
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert all(np.isfinite(v) for run in found.runs for v in numbers(run))


def numbers(run: object) -> list[float]:
    """Every number of a record."""
    if isinstance(run, (int, float)):
        return [float(run)]
    if isinstance(run, tuple):
        return [v for item in run for v in numbers(item)]
    fields = getattr(run, "__dataclass_fields__", {})
    return [v for name in fields for v in numbers(getattr(run, name))]


def test_a_document_is_parsed_once() -> None:
    document = Document("f", VLLM.encode())
    assert document.entries is document.entries
