"""`pdplan export` as a person meets it: files whole or not at all, and the plan's own answer in them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pdplan.cli import main
from pdplan.cli.deployment import (
    colocated_deployment,
    prefers_colocated,
    split_deployment,
)
from pdplan.cli.model_id import hugging_face_id
from pdplan.errors import InfeasibleError, InputError
from pdplan.interop.llmservingsim import build_fleet, read_cluster_config
from pdplan.planner import Plan, size
from pdplan.spec.builtin import builtin_scenario
from pdplan.spec.catalog import load_model
from pdplan.spec.scenario import Scenario

PLANS: dict[str, Plan] = {}
TARGETS = ("dynamo", "llm-d", "vllm", "sglang", "llmservingsim")
NAMES = {
    "dynamo": ["dynamo.yaml"],
    "llm-d": ["inferencepool-values.yaml", "modelservice-values.yaml"],
    "vllm": ["vllm-serve.sh"],
    "sglang": ["sglang-serve.sh"],
    "llmservingsim": ["cluster.json"],
}


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["export", "--no-verify", *argv])
    out = capsys.readouterr()
    return int(left.value.code or 0), out.out, out.err


@pytest.fixture(scope="module")
def plan() -> Plan:
    return size(builtin_scenario())


@pytest.fixture(autouse=True)
def _plan_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan each scenario once for all tests: a plan is frozen."""

    def size_once(scenario: Scenario) -> Plan:
        key = scenario.model_dump_json()
        if key not in PLANS:
            PLANS[key] = size(scenario)
        return PLANS[key]

    monkeypatch.setattr("pdplan.cli.export.size", size_once)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("side", ["--split", "--colocated"])
def test_every_target_is_written_whole(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, target: str, side: str
) -> None:
    code, out, err = run(capsys, "--to", target, side, "-o", f"{tmp_path}/made/")
    assert code == 0, err
    files = sorted(p.name for p in (tmp_path / "made").iterdir())  # nothing temporary is left
    assert files == NAMES[target]
    assert out.splitlines() == [f"wrote {tmp_path / 'made' / n}" for n in sorted(files, reverse=True)]
    for path in (tmp_path / "made").iterdir():
        text = path.read_text()
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        if path.suffix == ".sh":
            subprocess.run(["bash", "-n", str(path)], check=True)
        elif path.suffix == ".json":
            json.loads(text)
        else:
            assert isinstance(yaml.safe_load(text), dict)


def test_one_file_goes_to_the_terminal_and_is_the_same_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    code, first, err = run(capsys, "--to", "dynamo")
    assert code == 0
    assert "built-in example" in err
    _, second, _ = run(capsys, "--to", "dynamo")
    assert first == second
    document = yaml.safe_load(first)
    services = document["spec"]["services"]
    # the built-in plan: 1 prefill TP4 + 1 decode TP4
    assert services["VllmPrefillWorker"]["replicas"] == services["VllmDecodeWorker"]["replicas"] == 1
    assert services["VllmDecodeWorker"]["resources"]["limits"]["gpu"] == "4"


def test_json_without_comments_says_the_rest_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--to", "llmservingsim")
    assert code == 0
    assert json.loads(out)["num_nodes"] == 1
    assert "5daddb2" in err
    assert "pdplan simulate --cluster-config cluster.json" in err


def test_the_simulator_serves_what_was_exported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "cluster.json"
    assert run(capsys, "--to", "llmservingsim", "-o", str(config))[0] == 0
    rows = ({"input_toks": 1155, "output_toks": 50, "arrival_time_ns": i * 125_000_000} for i in range(30))
    trace = tmp_path / "trace.jsonl"
    trace.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SystemExit) as left:
        main(["simulate", "--cluster-config", str(config), "--dtype", "bfloat16", "--dataset", str(trace)])
    out = capsys.readouterr().out
    assert not left.value.code
    assert "30 requests" in out
    fleet = build_fleet(read_cluster_config(config), dtype="bfloat16")
    assert [(i.role, i.tp) for i in fleet.config.instances] == [("prefill", 4), ("decode", 4)]


def test_exported_memory_is_the_planned_memory(plan: Plan, tmp_path: Path) -> None:
    from pdplan.interop.deploy import export

    deployment = split_deployment(plan)
    path = tmp_path / "cluster.json"
    path.write_text(export(deployment, "llmservingsim").files[0].text)
    held = [i.kv_capacity_tokens for i in build_fleet(read_cluster_config(path)).instances]
    planned = [p.kv_capacity_tokens for p in deployment.pools]
    assert held == pytest.approx(planned, abs=16)  # one block


def test_a_plan_in_words(plan: Plan) -> None:
    deployment = split_deployment(plan)
    prefill, decode = deployment.pools
    assert (prefill.max_sequences, prefill.max_step_tokens) == (None, 8192)
    assert (decode.max_sequences, decode.max_step_tokens) == (256, None)
    assert prefill.memory_fraction == 0.92
    # 8192 tokens x 2 B x (2 x 8192 + (2 x 28672 + 80 x 128) / 4) = 545 MB of 85.5 GB
    assert prefill.static_fraction == pytest.approx(0.92 - 0.545e9 / 85.52e9, abs=1e-4)
    assert deployment.wire is not None
    assert deployment.wire.bytes_per_s == 200e9  # 8 NICs of 50 GB/s, half of the node
    assert deployment.served[0].objectives[0].startswith("ttft p99 <= 2 s: met, 1.27 s planned")
    colocated = colocated_deployment(plan)
    assert colocated.pools[0].count == plan.colocated.count
    assert (colocated.pools[0].max_sequences, colocated.pools[0].max_step_tokens) == (256, 2048)
    assert colocated.wire is None


def test_reserve_and_dtypes_reach_the_engine(capsys: pytest.CaptureFixture[str]) -> None:
    # 4.276 GB of 85.52 GB is 5%
    code, out, err = run(
        capsys, "--to", "vllm", "--set", "memory.reserve='4.27604 GB'", "--set", "kv_dtype=fp8", "--set",
        "weights_dtype=fp8", "--set", "memory.block_tokens=64",
    )  # fmt: skip
    assert code == 0, err
    assert "--gpu-memory-utilization 0.87" in out
    assert "--kv-cache-dtype fp8" in out
    assert "--quantization fp8" in out
    assert "--block-size 64" in out


def test_pipeline_stages(capsys: pytest.CaptureFixture[str]) -> None:
    stages = ("--set", "prefill.parallel={tp: 4, pp: 2}")
    code, out, err = run(capsys, "--to", "vllm", *stages)
    assert (code, out) == (2, "")
    assert "NixlConnector" in err
    assert len(err.strip().splitlines()) == 2  # the built-in example, and the reason
    code, out, _ = run(capsys, "--to", "sglang", *stages)
    assert code == 0
    assert "--pp-size 2" in out


def test_the_stated_fleet_is_the_one_that_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    stated = "fleet={prefill: {count: 3, tp: 4}, decode: {count: 2, tp: 4}}"
    code, out, _ = run(capsys, "--to", "dynamo", "--set", stated)
    assert code == 0
    services = yaml.safe_load(out)["spec"]["services"]
    assert [services[f"Vllm{r}Worker"]["replicas"] for r in ("Prefill", "Decode")] == [3, 2]
    assert "stated" in out


def test_an_infeasible_plan_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(
        capsys, "--to", "dynamo", "-o", f"{tmp_path}/x.yaml", "--set", "classes.chat.slo.tpot.p95='1 ms'"
    )
    assert (code, out) == (1, "")
    assert "cannot be met" in err
    assert list(tmp_path.iterdir()) == []


def test_verdicts_choose_the_side(plan: Plan) -> None:
    assert not prefers_colocated(plan)  # undetermined without simulation
    against = tuple(replace(v, reason="no_interference") for v in plan.verdicts)
    assert plan.colocated.cost is not None
    dear = plan.colocated.cost
    assert dear.usd_per_hour > plan.cost.usd_per_hour
    assert not prefers_colocated(replace(plan, verdicts=against))  # several classes: dearer together
    same = replace(plan.colocated, cost=replace(dear, usd_per_hour=plan.cost.usd_per_hour))
    assert prefers_colocated(replace(plan, verdicts=against, colocated=same))
    none = replace(plan.colocated, count=None, count_low=None, cost=None, why="too slow")
    assert not prefers_colocated(replace(plan, verdicts=against, colocated=none))
    with pytest.raises(InfeasibleError, match="too slow"):
        colocated_deployment(replace(plan, colocated=none))


@pytest.mark.slow
def test_classes_that_share_a_fleet_are_judged_by_its_price(capsys: pytest.CaptureFixture[str]) -> None:
    scenario = str(Path(__file__).parents[2] / "scenarios" / "three-classes.yaml")
    code, out, _ = run(capsys, scenario, "--to", "dynamo")
    assert code == 0
    assert "VllmPrefillWorker" in out


def test_a_colocated_verdict_is_followed_and_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, plan: Plan
) -> None:
    import pdplan.cli.export as face

    against = tuple(replace(v, reason="no_interference") for v in plan.verdicts)
    cheap = replace(plan.colocated, cost=plan.cost)
    monkeypatch.setattr(face, "size", lambda _: replace(plan, verdicts=against, colocated=cheap))
    code, out, err = run(capsys, "--to", "dynamo")
    assert code == 0
    assert "VllmWorker" in yaml.safe_load(out)["spec"]["services"]
    assert "--split writes the other" in err
    _, out, _ = run(capsys, "--to", "dynamo", "--split")
    assert "VllmPrefillWorker" in yaml.safe_load(out)["spec"]["services"]


def test_json_lists_the_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "--to", "llm-d", "-o", str(tmp_path), "--json", "--model-id", "org/name")
    assert code == 0
    document = json.loads(out)
    assert document["schema"] == "pdplan.export/1"
    assert document["model_id"] == "org/name"
    assert [f["path"] for f in document["files"]] == [
        str(tmp_path / "modelservice-values.yaml"),
        str(tmp_path / "inferencepool-values.yaml"),
    ]
    assert document["gpus"] == 8
    _, out, _ = run(capsys, "--to", "vllm", "--json")
    assert json.loads(out)["files"][0]["text"].startswith("#!/usr/bin/env bash")


def test_nothing_is_written_over_unless_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    kept = tmp_path / "inferencepool-values.yaml"
    kept.write_text("mine")
    code, _, err = run(capsys, "--to", "llm-d", "-o", str(tmp_path))
    assert code == 2
    assert "--force" in err
    assert [p.name for p in tmp_path.iterdir()] == [kept.name]
    assert kept.read_text() == "mine"
    assert run(capsys, "--to", "llm-d", "-o", str(tmp_path), "--force")[0] == 0
    assert kept.read_text() != "mine"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "--to is missing: give one of dynamo"),
        (("--to", "dynamos"), "did you mean dynamo?"),
        (("--to", "vllm", "--namespace", "x"), "vllm has none"),
        (("--to", "dynamo", "--namespace", "Not_A_Label"), "lower-case"),
        (("--to", "dynamo", "--model-id", "--rm"), "model id is '--rm'"),
        (("--to", "dynamo", "--model-id", "a\nb"), "model id is"),
        (("--to", "llm-d"), "give a folder with -o DIR"),
        (("--to", "dynamo", "-o", "/no/such/folder/x.yaml"), "does not exist"),
        (("--to", "dynamo", "--set", "weights_dtype=int4"), "--model-id"),
        (("--to", "dynamo", "--set", "node.gpus=300"), "node.gpus is 300"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], said: str
) -> None:
    code, out, err = run(capsys, *argv)
    assert (code, out) == (2, "")
    assert said in err
    assert len([line for line in err.splitlines() if "built-in example" not in line]) == 1


def test_hugging_face_ids() -> None:
    model = load_model("llama-3.1-70b")
    assert hugging_face_id("META-LLAMA/llama-3.1-70b-instruct", model) == (
        "meta-llama/Llama-3.1-70B-Instruct",
        "",
    )
    first, said = hugging_face_id("llama-3.1-70b", model)
    assert first == "meta-llama/Llama-3.1-70B"
    assert "--model-id" in said
    with pytest.raises(InputError, match="--model-id"):
        hugging_face_id("config.json", model.model_copy(update={"name": "config"}))


@pytest.mark.slow
def test_the_verified_plan_is_the_exported_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--to", "vllm"])
    assert "simulated requests" in capsys.readouterr().out
