"""LLMServingSim: what is written is read back, and serves requests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pdplan.errors import UnsupportedError
from pdplan.interop.deploy import Deployment, export
from pdplan.interop.deploy.example import COLOCATED, EXAMPLE
from pdplan.interop.llmservingsim import build_fleet, read_cluster_config, read_dataset, serve_trace


def written(deployment: Deployment, folder: Path) -> Path:
    path = folder / "cluster.json"
    path.write_text(export(deployment, "llmservingsim").files[0].text)
    return path


def dataset(folder: Path, requests: int = 20) -> Path:
    path = folder / "trace.jsonl"
    rows = (
        {"input_toks": 600, "output_toks": 40, "arrival_time_ns": i * 100_000_000} for i in range(requests)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_round_trip_of_a_split_fleet(tmp_path: Path) -> None:
    prefill, decode = EXAMPLE.pools
    deployment = replace(EXAMPLE, pools=(replace(prefill, count=2, tp=2), replace(decode, count=2)))
    config = read_cluster_config(written(deployment, tmp_path))
    # TP4 first: decode 0 and 1 fill node 0, the two prefill instances go to node 1
    assert [(i.role, i.tp) for i in config.instances] == [
        ("decode", 4),
        ("decode", 4),
        ("prefill", 2),
        ("prefill", 2),
    ]
    assert config.link_bytes_per_s == 200e9
    assert config.link_latency_s == pytest.approx(5e-6)
    assert {i.max_sequences for i in config.instances if i.role == "decode"} == {256}
    assert {i.max_step_tokens for i in config.instances if i.role == "prefill"} == {8192}
    fleet = build_fleet(config)
    assert fleet.model.name == "llama-3.1-70b"
    run = serve_trace(fleet, read_dataset(dataset(tmp_path)))
    assert run.moved.all()
    assert (run.ttft_s > 0).all()
    assert len(run.ttft_s) == 20


def test_round_trip_of_a_colocated_fleet(tmp_path: Path) -> None:
    config = read_cluster_config(written(COLOCATED, tmp_path))
    assert [(i.role, i.tp, i.max_step_tokens) for i in config.instances] == [("combined", 4, 2048)] * 3
    run = serve_trace(build_fleet(config), read_dataset(dataset(tmp_path)))
    assert not run.moved.any()


def test_kv_memory_is_the_planned_one(tmp_path: Path) -> None:
    # 0.9 of 85.52 GB less 141.1 GB / 4 of weights leaves about 41.7 GB a GPU, at 80 layers x 2 (K, V) x 8
    # heads x 128 x 2 B / 4 = 81,920 B a token and GPU: about 509,000 tokens
    fleet = build_fleet(read_cluster_config(written(EXAMPLE, tmp_path)))
    assert fleet.instances[0].kv_capacity_tokens == pytest.approx(509_000, rel=0.01)


def test_documented_fields(tmp_path: Path) -> None:
    document = json.loads(written(EXAMPLE, tmp_path).read_text())
    assert set(document) == {"num_nodes", "link_bw", "link_latency", "nodes"}
    node = document["nodes"][0]
    assert document["num_nodes"] == 1
    assert node["num_instances"] == len(node["instances"]) == 2
    instance = node["instances"][0]
    assert instance["npu_mem"] == {
        "mem_size": 85.520809984,
        "mem_bw": 3350,
        "mem_latency": 0,
        "mem_util": 0.9,
    }
    assert (instance["hardware"], instance["model_name"]) == ("H100", "meta-llama/Llama-3.1-70B")
    assert (instance["pd_type"], instance["num_npus"], instance["tp_size"]) == ("prefill", 4, 4)
    assert "pp_size" not in instance
    made = export(replace(EXAMPLE, kv_dtype="fp8"), "llmservingsim")
    assert any("--kv-cache-dtype fp8" in note for note in made.notes)
    assert "5daddb2" in made.against[0]


def test_pipeline_stages_are_written_and_said(tmp_path: Path) -> None:
    pools = tuple(replace(p, tp=2, pp=2) for p in EXAMPLE.pools)
    deployment = replace(EXAMPLE, pools=pools)
    made = export(deployment, "llmservingsim")
    instance = json.loads(made.files[0].text)["nodes"][0]["instances"][0]
    assert (instance["tp_size"], instance["pp_size"], instance["num_npus"]) == (2, 2, 4)
    assert any("pp_size" in note for note in made.notes)
    with pytest.raises(UnsupportedError, match="pp_size is not modelled"):
        read_cluster_config(written(deployment, tmp_path))


@pytest.mark.parametrize(
    ("deployment", "said"),
    [
        (replace(EXAMPLE, pools=tuple(replace(p, tp=16) for p in EXAMPLE.pools)), "inside a node"),
        (replace(EXAMPLE, weights_dtype="mxfp4"), "mxfp4"),
        (replace(EXAMPLE, model_id="/models/x"), "configs/model"),
    ],
)
def test_refusals(deployment: Deployment, said: str) -> None:
    with pytest.raises(UnsupportedError, match=said):
        export(deployment, "llmservingsim")
