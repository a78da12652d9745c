"""`pdplan workload` as a person meets it: words, JSON, files, one clear line for what is wrong."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from pdplan.cli import main
from pdplan.workload import Workload, load_workload, read_trace

TRACES = Path(__file__).parents[3] / "shared" / "data" / "traces"
needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason="the public traces are not on this machine")

HASHED = "".join(
    json.dumps(
        {
            "timestamp": 3000 * (i // 10),
            "input_length": 1024 + 512 * (i % 3),
            "output_length": 20 + i % 7,
            "hash_ids": [0, 1 + i % 20, *range(100 + 9 * i, 100 + 9 * i + i % 3)],
        }
    )
    + "\n"
    for i in range(1200)
)


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["workload", *argv])
    out = capsys.readouterr()
    return int(left.value.code or 0), out.out, out.err


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Two classes, ten minutes, a rate that doubles half-way."""
    random = np.random.Generator(np.random.Philox(2))
    times = np.concatenate([random.uniform(0, 300, 1500), random.uniform(300, 600, 3000)])
    lines = ["arrival_s,class,prompt_tokens,output_tokens"]
    for i, t in enumerate(np.sort(times)):
        lines.append(
            f"{t:.6f},{'code' if i % 4 == 0 else 'chat'},{2000 if i % 4 == 0 else 300 + i % 90},{9 + i % 50}"
        )
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def hashed(tmp_path: Path) -> Path:
    path = tmp_path / "hashed.jsonl"
    path.write_text(HASHED)
    return path


@pytest.mark.parametrize("columns", [80, 120])
def test_describe_says_it_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, plain: Path, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, err = run(capsys, "describe", str(plain))
    assert (code, err) == (0, "")
    flat = " ".join(out.split())
    assert "plain CSV, 4,500 requests over " in flat
    assert "arrivals look Poisson (c_a^2" in flat
    assert "but the rate drifts: the busiest minute has" in flat
    assert "Suggested classes, by class" in flat
    assert "code 25.0%" in flat
    assert "\x1b" not in out
    assert "nan" not in out.lower()
    assert max(len(line) for line in out.splitlines() if str(plain) not in line) <= columns


def test_describe_a_coarse_clock_and_a_cache(capsys: pytest.CaptureFixture[str], hashed: Path) -> None:
    code, out, _ = run(capsys, "describe", str(hashed), "--cache", "3 blocks", "--window", "30s")
    flat = " ".join(out.split())
    assert code == 0
    assert "Timestamps tick every 3 s, with 10 requests on a tick: each was moved" in flat
    assert "would be found in a cache without limit" in flat
    assert "would be found in a cache of 1,536 tok" in flat
    assert "uncached*" in out
    assert "windows of 30 s" in flat


def test_describe_as_json(capsys: pytest.CaptureFixture[str], hashed: Path) -> None:
    code, out, _ = run(capsys, "describe", str(hashed), "--cache-tokens", "2M tok", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["schema"] == "pdplan.workload/1"
    assert document["requests"] == 1200
    assert document["arrivals"]["tick_s"] == 3.0
    assert document["arrivals"]["local_scv"] is None
    assert [r["cache_tokens"] for r in document["reuse"]] == [None, 2e6]
    # by hand: 1024 + 512 k tokens, k = i mod 3: mean 1536; block 0 and block 1 + i mod 20 are found again
    assert document["prompt_tokens"]["mean"] == 1536
    assert document["reuse"][0]["hit"] == pytest.approx((1199 * 512 + 1180 * 512) / (1200 * 1536))
    assert (
        json.loads(run(capsys, "describe", str(hashed), "--cache-tokens", "2M tok", "--json")[1]) == document
    )


def test_standard_input_and_gzip(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, plain: Path
) -> None:
    packed = gzip.compress(plain.read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
    code, out, _ = run(capsys, "describe", "-")
    assert code == 0
    assert out.startswith("standard input: plain CSV")
    # the rest is that of the file itself, but for where the first line breaks
    other = run(capsys, "describe", str(plain))[1]
    assert " ".join(out.split()).partition(": ")[2] == " ".join(other.split()).partition(": ")[2]


def test_broken_rows(capsys: pytest.CaptureFixture[str], plain: Path) -> None:
    with plain.open("a") as file:
        file.write("\n601,chat,0,5\n602,chat,7")
    code, out, err = run(capsys, "describe", str(plain))
    assert (code, out) == (2, "")
    assert "line 4502: prompt length is '0'" in err
    assert err.strip().endswith("--skip-bad-rows leaves such rows out")
    code, out, err = run(capsys, "describe", str(plain), "--skip-bad-rows")
    assert code == 0
    flat = " ".join(out.split())
    assert "Skipped: 1 rows, first in line 4502: prompt length is not a whole number" in flat
    assert "Skipped: 1 rows, first in line 4503: cells instead of 4" in flat


def test_import_then_use(capsys: pytest.CaptureFixture[str], tmp_path: Path, hashed: Path) -> None:
    output = tmp_path / "workload.yaml"
    code, out, err = run(capsys, "import", str(hashed), "-o", str(output), "--name", "mine")
    assert (code, out) == (0, "")
    assert "workload mine of 1,200 requests" in err
    w = load_workload(output)
    assert (w.name, w.trace) == ("mine", None)
    assert w.prompt.mean == pytest.approx(1536, rel=5e-3)
    assert w.arrivals is not None
    assert w.arrivals.tick_s == 3.0
    assert w.arrivals.rate == pytest.approx(10 / 3, abs=1e-4)
    printed = run(capsys, "import", str(hashed))[1]
    assert Workload.from_document(yaml.safe_load(printed)).name == "hashed"
    # the document drives generate, and describe reads what it wrote
    made = tmp_path / "made.csv"
    code, _, err = run(
        capsys, "generate", str(output), "-o", str(made), "--requests", "5000", "--rate", "4 req/s"
    )
    assert code == 0
    assert "5,000 requests like mine; Poisson arrivals at 4 req/s" in err
    again = read_trace(made)
    assert 5000 / again.arrival_s[-1] == pytest.approx(4.0, rel=0.06)
    assert again.prompt_tokens.mean() == pytest.approx(1536, rel=0.02)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "mooncake", "llmservingsim"])
def test_generate_from_a_trace_and_back(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, plain: Path, kind: str
) -> None:
    output = tmp_path / "out.jsonl"
    code, _, err = run(capsys, "generate", str(plain), "-o", str(output), "--format", kind)
    assert code == 0
    assert "drifting over windows of 60 s as the trace does" in err
    before, after = read_trace(plain), read_trace(output)
    assert len(after) == len(before)
    assert after.arrival_s[-1] == pytest.approx(before.arrival_s[-1], rel=0.05)
    assert after.prompt_tokens.mean() == pytest.approx(before.prompt_tokens.mean(), rel=0.05)
    # the second half is twice as busy
    late = float(np.mean(after.arrival_s > 300.0))
    assert late == pytest.approx(2 / 3, abs=0.05)


def test_generate_from_the_catalog_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "generate", "azure-conv-2023", "--duration", "1 min", "--seed", "4")
    assert code == 0
    assert out.splitlines()[0] == "arrival_s,prompt_tokens,output_tokens"
    assert len(out.splitlines()) == pytest.approx(330, abs=75)  # 5.53 req/s x 60 s, four standard errors
    assert run(capsys, "generate", "azure-conv-2023", "--duration", "1 min", "--seed", "4")[1] == out


WRONG = [
    (["describe", "nothing.csv"], "nothing.csv: No such file"),
    (["describe", "{plain}", "--window", "5"], "without a unit"),
    (["describe", "{plain}", "--window", "0 s"], "give a time above 0"),
    (["describe", "{plain}", "--cache", "1M tok"], "does not tell which prompts share a prefix"),
    (["describe", "{hashed}", "--cache", "100 tok"], "holds no block of 512 tokens"),
    (["describe", "{hashed}", "--cache", "big"], "--cache"),
    (["import", "{plain}", "-o", "{folder}/x.csv"], "must end in .yaml"),
    (["import", "{plain}", "-o", "{folder}/no/x.yaml"], "does not exist"),
    (["generate", "azure-konv", "--requests", "5"], "did you mean azure-conv"),
    (["generate", "sharegpt", "--requests", "5"], "does not say at what rate"),
    (["generate", "{plain}", "-o", "{folder}/x.parquet"], "must end in .csv or .jsonl"),
    (["generate", "{plain}", "--format", "xml"], "format 'xml' is not known"),
    (["generate", "{plain}", "--requests", "5", "--duration", "1 min"], "keep one"),
    (["generate", "{plain}", "--rate", "0 req/s"], "greater than 0"),
]


@pytest.mark.parametrize(("argv", "says"), WRONG, ids=[says for _, says in WRONG])
def test_what_is_wrong_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, plain: Path, hashed: Path, argv: list[str], says: str
) -> None:
    before = sorted(tmp_path.iterdir())
    code, out, err = run(capsys, *(a.format(plain=plain, hashed=hashed, folder=tmp_path) for a in argv))
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.slow
@needs_traces
def test_public_traces_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted(TRACES.iterdir()):
        if path.suffix in (".csv", ".jsonl"):
            code, out, err = run(capsys, "describe", str(path))
            assert (code, err) == (0, ""), path
            assert "requests" in out
