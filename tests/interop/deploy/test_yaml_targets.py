"""Dynamo and llm-d: valid YAML whose fields say what the plan says, for any fleet."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pdplan.errors import UnsupportedError
from pdplan.interop.deploy import Deployment, export
from pdplan.interop.deploy.example import COLOCATED, EXAMPLE

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
NIXL = {"kv_connector": "NixlConnector", "kv_role": "kv_both"}


def yaml_of(deployment: Deployment, target: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return yaml.safe_load(export(deployment, target, **more).files[index].text)


def options(args: list[str]) -> dict[str, str]:
    """``--flag value`` pairs; every word is a text."""
    assert all(isinstance(a, str) for a in args)
    found: dict[str, str] = {}
    for i, word in enumerate(args):
        if word.startswith("--"):
            following = args[i + 1] if i + 1 < len(args) and not args[i + 1].startswith("--") else ""
            assert word not in found
            found[word] = following
    return found


def with_pools(deployment: Deployment, **changes: Any) -> Deployment:
    return replace(deployment, pools=tuple(replace(p, **changes) for p in deployment.pools))


def changed(deployment: Deployment, role: str, **changes: Any) -> Deployment:
    pools = tuple(replace(p, **changes) if p.role == role else p for p in deployment.pools)
    return replace(deployment, pools=pools)


def worker_args(document: dict[str, Any], service: str) -> dict[str, str]:
    return options(document["spec"]["services"][service]["extraPodSpec"]["mainContainer"]["args"])


def test_dynamo_split() -> None:
    deployment = changed(EXAMPLE, "decode", count=3, tp=8)
    document = yaml_of(deployment, "dynamo", namespace="serving")
    assert document["apiVersion"] == "nvidia.com/v1alpha1"
    assert document["kind"] == "DynamoGraphDeployment"
    assert document["metadata"] == {"name": "llama-3-1-70b-pd", "namespace": "serving"}
    services = document["spec"]["services"]
    assert list(services) == ["Frontend", "VllmPrefillWorker", "VllmDecodeWorker"]
    assert services["Frontend"]["componentType"] == "frontend"
    assert services["Frontend"]["envs"] == [{"name": "DYN_ROUTER_MODE", "value": "round-robin"}]
    for role, count, tp in (("prefill", 1, "4"), ("decode", 3, "8")):
        worker = services[f"Vllm{role.title()}Worker"]
        assert worker["componentType"] == "worker"
        assert worker["subComponentType"] == role
        assert worker["replicas"] == count
        assert worker["envFromSecret"] == "hf-token-secret"
        assert worker["resources"] == {"limits": {"gpu": tp}}
        assert "multinode" not in worker
        container = worker["extraPodSpec"]["mainContainer"]
        assert container["command"] == ["python3", "-m", "dynamo.vllm"]
        args = options(container["args"])
        assert args["--model"] == "meta-llama/Llama-3.1-70B"
        assert args["--disaggregation-mode"] == role
        assert args["--tensor-parallel-size"] == tp
        assert args["--gpu-memory-utilization"] == "0.92"
        assert json.loads(args["--kv-transfer-config"]) == NIXL
    assert worker_args(document, "VllmPrefillWorker")["--max-num-batched-tokens"] == "8192"
    assert worker_args(document, "VllmDecodeWorker")["--max-num-seqs"] == "256"


def test_dynamo_spreads_a_large_instance_over_nodes() -> None:
    # TP 16 on nodes of 8: two nodes with 8 GPUs each
    document = yaml_of(changed(EXAMPLE, "decode", tp=16), "dynamo")
    worker = document["spec"]["services"]["VllmDecodeWorker"]
    assert worker["multinode"] == {"nodeCount": 2}
    assert worker["resources"]["limits"]["gpu"] == "8"


def test_dynamo_colocated() -> None:
    document = yaml_of(COLOCATED, "dynamo")
    services = document["spec"]["services"]
    assert list(services) == ["Frontend", "VllmWorker"]
    assert services["VllmWorker"]["replicas"] == 3
    args = worker_args(document, "VllmWorker")
    assert "--disaggregation-mode" not in args
    assert "--kv-transfer-config" not in args
    assert args["--max-num-batched-tokens"] == "2048"
    assert args["--max-num-seqs"] == "256"


@pytest.mark.parametrize(
    ("router", "mode"), [("random", "random"), ("jsq", "kv"), ("least_work", "kv"), ("power_of_two", "kv")]
)
def test_dynamo_routers(router: str, mode: str) -> None:
    document = yaml_of(with_pools(EXAMPLE, router=router), "dynamo")
    assert document["spec"]["services"]["Frontend"]["envs"][0] == {"name": "DYN_ROUTER_MODE", "value": mode}


def test_llm_d_split() -> None:
    deployment = changed(EXAMPLE, "prefill", count=2, tp=2)
    values = yaml_of(deployment, "llm-d")
    assert values["modelArtifacts"]["uri"] == "hf://meta-llama/Llama-3.1-70B"
    assert values["modelArtifacts"]["name"] == "meta-llama/Llama-3.1-70B"
    # 141.1e9 B = 131.4 GiB, and a fifth more
    assert values["modelArtifacts"]["size"] == "158Gi"
    assert values["routing"]["proxy"]["enabled"] is True
    for role, count, tp, port in (("prefill", 2, 2, 8000), ("decode", 1, 4, 8200)):
        pool = values[role]
        assert pool["create"] is True
        assert pool["replicas"] == count
        assert pool["parallelism"] == {"tensor": tp}
        container = pool["containers"][0]
        assert container["modelCommand"] == "vllmServe"
        assert container["resources"]["limits"]["nvidia.com/gpu"] == str(tp)
        assert container["resources"]["requests"]["nvidia.com/gpu"] == str(tp)
        assert [p["containerPort"] for p in container["ports"]] == [port, 5600]
        args = options(container["args"])
        assert "--tensor-parallel-size" not in args  # the chart says it
        assert json.loads(args["--kv-transfer-config"]) == NIXL
    router = yaml_of(deployment, "llm-d", 1)
    assert router["inferencePool"]["modelServers"]["matchLabels"] == values["modelArtifacts"]["labels"]
    assert router["inferencePool"]["targetPorts"] == [{"number": values["routing"]["servicePort"]}]
    plugins = yaml.safe_load(router["inferenceExtension"]["pluginsCustomConfig"]["pdplan-config.yaml"])
    declared = {p["type"] for p in plugins["plugins"]}
    used = {ref["pluginRef"] for profile in plugins["schedulingProfiles"] for ref in profile["plugins"]}
    assert used <= declared
    assert [p["name"] for p in plugins["schedulingProfiles"]] == ["prefill", "decode"]


def test_llm_d_colocated_with_pipeline_stages() -> None:
    values = yaml_of(with_pools(COLOCATED, pp=2), "llm-d")
    assert values["prefill"] == {"create": False}
    assert values["routing"]["proxy"] == {"enabled": False}
    assert values["decode"]["replicas"] == 3
    container = values["decode"]["containers"][0]
    args = options(container["args"])
    assert args["--pipeline-parallel-size"] == "2"
    # the chart would count TP alone
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"
    assert "--kv-transfer-config" not in args
    assert [p["containerPort"] for p in container["ports"]] == [8000]
    plugins = yaml.safe_load(
        yaml_of(COLOCATED, "llm-d", 1)["inferenceExtension"]["pluginsCustomConfig"]["pdplan-config.yaml"]
    )
    assert [p["name"] for p in plugins["schedulingProfiles"]] == ["default"]


def test_llm_d_on_amd() -> None:
    values = yaml_of(with_pools(EXAMPLE, vendor="AMD", accelerator="mi300x"), "llm-d")
    assert values["accelerator"]["type"] == "amd"
    assert values["decode"]["containers"][0]["resources"]["limits"]["amd.com/gpu"] == "4"


@pytest.mark.parametrize("target", ["dynamo", "llm-d"])
def test_fp8(target: str) -> None:
    deployment = replace(EXAMPLE, kv_dtype="fp8", weights_dtype="fp8")
    text = export(deployment, target).files[0].text
    words = re.findall(r'- "(--[a-z-]+)"\n\s+- "(\w+)"', text)
    assert words.count(("--kv-cache-dtype", "fp8")) == 2
    assert words.count(("--quantization", "fp8")) == 2


@pytest.mark.parametrize(
    ("target", "deployment", "said"),
    [
        ("dynamo", changed(EXAMPLE, "prefill", pp=2), "prefill.parallel.pp=1"),
        ("llm-d", changed(EXAMPLE, "decode", pp=2), "--to sglang"),
        ("dynamo", with_pools(EXAMPLE, vendor="AMD"), "NVIDIA"),
        ("dynamo", replace(EXAMPLE, kv_dtype="fp4"), "fp8 or bf16"),
        ("dynamo", replace(EXAMPLE, weights_dtype="int4"), "--model-id"),
        ("dynamo", replace(EXAMPLE, model_id="/models/llama"), "Hugging Face id"),
        ("llm-d", replace(EXAMPLE, model_id="/models/llama"), "pvc://"),
        ("llm-d", changed(EXAMPLE, "decode", tp=16), "--to dynamo or vllm"),
        ("llm-d", changed(EXAMPLE, "decode", vendor="AMD"), "one vendor"),
        ("dynamo", with_pools(COLOCATED, max_sequences=4096), "colocated.max_batch"),
    ],
)
def test_refusals_name_the_remedy(target: str, deployment: Deployment, said: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(said)) as error:
        export(deployment, target)
    assert "\n" not in str(error.value)


def test_a_context_that_does_not_fit_is_limited_and_said() -> None:
    # 48,336 tokens of KV: 90% is 43,502, in whole 1024s 43,008
    made = export(with_pools(COLOCATED, kv_capacity_tokens=48_336), "dynamo")
    assert worker_args(yaml.safe_load(made.files[0].text), "VllmWorker")["--max-model-len"] == "43008"
    assert any("43,008 tokens are refused" in note for note in made.notes)


def test_what_the_plan_counts_on_is_said() -> None:
    hits = with_pools(EXAMPLE, prefix_hit=0.4)
    made = export(replace(hits, tokens_per_step=2.5), "dynamo")
    assert "--enable-prefix-caching" in made.files[0].text
    assert any("40% of prompt tokens at prefill" in note for note in made.notes)
    assert any("2.5 tokens a decode step" in note for note in made.notes)
    uneven = changed(EXAMPLE, "decode", tp=2, accelerator="h200-sxm-141gb")
    notes = " ".join(export(uneven, "vllm").notes)
    assert "prefill TP 4 is larger than decode TP 2" in notes
    assert "different accelerators" in notes


def test_header_says_where_it_comes_from_and_what_to_edit() -> None:
    text = export(EXAMPLE, "dynamo").files[0].text
    head = text[: text.index("apiVersion: nvidia.com")]
    for said in (
        "chat on Llama-3.1-70B",
        "pdplan 0.1.0",
        "1 prefill TP4 + 1 decode TP4: 8 GPUs",
        "1 node of 8 h100-sxm-80gb",
        "8 req/s",
        "ttft p99 <= 2 s",
        "Dynamo 1.2.0",
        "Edit before use",
        "hf-token-secret",
    ):
        assert said in head, said
    assert all(line.startswith("#") for line in head.splitlines())
    assert max(map(len, text.splitlines())) <= 110
    assert not re.search(r"20\d\d-\d\d-\d\d", text)


def test_a_free_text_cannot_leave_the_comment() -> None:
    sly = replace(EXAMPLE, title="a\nkind: Secret\r\n#\x85b\u2028c", checked="x\ny: 1", notes=("n\nm: 1",))
    for target in ("dynamo", "llm-d"):
        assert yaml_of(sly, target) == yaml_of(EXAMPLE, target)


part = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,30}[A-Za-z0-9_])?", fullmatch=True)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    org=part,
    name=part,
    title=st.text(max_size=40),
    prefill=st.integers(1, 9),
    decode=st.integers(1, 9),
    tp=st.sampled_from([1, 2, 4, 8, 16]),
    node=st.sampled_from([4, 8, 16]),
)
def test_any_names_and_counts(
    org: str, name: str, title: str, prefill: int, decode: int, tp: int, node: int
) -> None:
    deployment = replace(with_pools(EXAMPLE, node_gpus=node), title=title, model_name=name)
    deployment = replace(deployment, model_id=f"{org}/{name}")
    deployment = changed(changed(deployment, "prefill", count=prefill), "decode", count=decode, tp=tp)
    document = yaml_of(deployment, "dynamo")
    assert LABEL.fullmatch(document["metadata"]["name"])
    assert len(document["metadata"]["name"]) <= 20
    services = document["spec"]["services"]
    assert services["VllmPrefillWorker"]["replicas"] == prefill
    assert services["VllmDecodeWorker"]["replicas"] == decode
    worker = services["VllmDecodeWorker"]
    assert (
        int(worker["resources"]["limits"]["gpu"]) * worker.get("multinode", {"nodeCount": 1})["nodeCount"]
        == tp
    )
    assert worker_args(document, "VllmDecodeWorker")["--model"] == f"{org}/{name}"
    if tp <= node:
        values = yaml_of(deployment, "llm-d")
        assert values["modelArtifacts"]["name"] == f"{org}/{name}"
        assert all(LABEL.fullmatch(v) for v in values["modelArtifacts"]["labels"].values())
        assert values["decode"]["parallelism"]["tensor"] == tp
