"""The catalog's workloads stand for the traces they were computed from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pdplan.errors import InputError
from pdplan.workload import Trace, Workload, describe_trace, prefix_reuse, read_trace

ROOT = Path(__file__).parents[2]
ENTRIES = ROOT / "models" / "workloads"
TRACES = ROOT.parent / "shared" / "data" / "traces"
FILES = {
    "azure-conv-2023": "AzureLLMInferenceTrace_conv.csv",
    "mooncake-conversation": "mooncake_conversation_first30min.jsonl",
    "sharegpt": "llmservingsim_sharegpt_300_sps10.jsonl",
}
needs_traces = pytest.mark.skipif(not TRACES.is_dir(), reason="the public traces are not on this machine")


def document(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ENTRIES / f"{name}.yaml").read_text())
    return loaded


def trace_of(name: str) -> Trace:
    return read_trace(TRACES / FILES[name])


def atom_quantile(values: np.ndarray, weights: np.ndarray, p: float) -> float:
    order = np.argsort(values)
    return float(values[order][np.searchsorted(np.cumsum(weights[order]), p)])


@pytest.mark.parametrize("name", sorted(p.stem for p in ENTRIES.glob("*.yaml")))
def test_entries_load(name: str) -> None:
    workload = Workload.from_document(document(name))
    joint = workload.joint()
    assert workload.name == name
    assert workload.source
    assert joint.weight.sum() == pytest.approx(1.0)
    assert joint.output_tokens.min() >= 1.0
    assert joint.correlation == pytest.approx(workload.length_correlation, abs=1e-6)


def test_azure_figures() -> None:
    # computed from the trace by hand with pandas: mean, SCV, p99 of 19366 rows
    w = Workload.from_document(document("azure-conv-2023"))
    assert w.prompt.mean == pytest.approx(1154.7, rel=2e-3)
    assert w.output.mean == pytest.approx(211.13, rel=2e-3)
    assert w.prompt.scv == pytest.approx(0.922, rel=6e-3)
    assert w.output.scv == pytest.approx(0.595, rel=6e-3)
    assert w.arrivals is not None
    assert w.arrivals.rate == pytest.approx(5.53, rel=1e-3)
    assert w.arrivals.local_scv == pytest.approx(1.04, abs=0.03)
    assert w.arrivals.index_of_dispersion[60.0] > 10


@needs_traces
@pytest.mark.parametrize("name", sorted(FILES))
def test_atoms_reproduce_the_trace(name: str) -> None:
    trace = trace_of(name)
    for workload in (Workload.from_document(document(name)), Workload.from_trace(trace)):
        j = workload.joint()
        product = float(np.mean(trace.prompt_tokens * trace.output_tokens))
        assert j.mean_product == pytest.approx(product, rel=0.01)
        for atoms, tokens in ((j.prompt_tokens, trace.prompt_tokens), (j.output_tokens, trace.output_tokens)):
            assert j.mean(atoms) == pytest.approx(tokens.mean(), rel=0.005)
            for p in (0.5, 0.9, 0.99):
                # Hazen's definition, as the tables: it matters for the 300 rows of sharegpt only
                expected = np.quantile(tokens, p, method="hazen")
                assert atom_quantile(atoms, j.weight, p) == pytest.approx(expected, rel=0.02)


@needs_traces
def test_mooncake_clock_and_reuse() -> None:
    trace = trace_of("mooncake-conversation")
    measured = describe_trace(trace)
    assert measured.arrivals.tick_s == pytest.approx(3.0, abs=0.01)
    assert measured.arrivals.duplicate_share == pytest.approx(0.895, abs=0.005)
    # the first half hour reuses 34.7% of the prompt tokens; the whole hour of the trace 37.4%
    assert measured.prefix_hit == pytest.approx(0.347, abs=0.001)
    assert measured.uncached is not None
    assert measured.uncached.scv == pytest.approx(3.0, abs=0.01)
    assert trace.hash_ids is not None
    assert trace.block_tokens is not None
    shares = [
        prefix_reuse(trace.hash_ids, trace.prompt_tokens, trace.block_tokens, blocks).hit_ratio
        for blocks in (1_000, 10_000, 100_000, 1_000_000)
    ]
    assert shares == sorted(shares)
    assert shares[-1] == measured.prefix_hit


@needs_traces
def test_azure_is_locally_poisson_with_a_drifting_rate() -> None:
    measured = describe_trace(trace_of("azure-conv-2023")).arrivals
    assert measured.tick_s is None
    assert measured.local_scv == pytest.approx(1.04, abs=0.03)
    assert measured.index_of_dispersion[300.0] > 30


@needs_traces
def test_the_tool_writes_what_is_committed(tmp_path: Path) -> None:
    tool = [sys.executable, str(ROOT / "tools" / "make_workloads.py"), "--traces", str(TRACES)]
    subprocess.run([*tool, "--out", str(tmp_path)], check=True, capture_output=True)
    for name in FILES:
        assert (tmp_path / f"{name}.yaml").read_text() == (ENTRIES / f"{name}.yaml").read_text()


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "name and prompt_tokens and output_tokens is missing"),
    ({"name": "x", "prompt_tokens": 5}, "output_tokens is missing"),
    ({"name": "x", "prompt_tokens": 5, "output_tokens": 5, "prefix_hits": 0.5}, "did you mean prefix_hit"),
    ({"name": "x", "prompt_tokens": 5, "output_tokens": 0}, "output_tokens is 0 tok"),
    ({"name": "x", "prompt_tokens": 5, "output_tokens": 5, "prefix_hit": 1.5}, "between 0 and 1"),
    ({"name": "x", "prompt_tokens": 5, "output_tokens": 5, "length_correlation": "high"}, "between -1 and 1"),
    ({"name": "x", "prompt_tokens": 5, "output_tokens": 5, "arrivals": {}}, "rate_per_s is missing"),
    ({"name": "x", "prompt_tokens": 5, "output_tokens": 5, "arrivals": 5}, "must be a mapping"),
    (
        {"name": "x", "prompt_tokens": 5, "output_tokens": 5, "arrivals": {"rate_pers": 5}},
        "did you mean rate_per_s",
    ),
    ({"name": "x", "prompt_tokens": 5, "output_tokens": 5, "arrivals": {"rate_per_s": "a"}}, "no number"),
]


@pytest.mark.parametrize(("given_document", "says"), BAD, ids=[s for _, s in BAD])
def test_wrong_documents(given_document: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Workload.from_document(given_document)


def test_import_stays_light() -> None:
    heavy = "scipy.stats scipy.optimize scipy.linalg sympy numba pydantic yaml"
    code = f"import sys, pdplan.workload; print([m for m in '{heavy}'.split() if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
