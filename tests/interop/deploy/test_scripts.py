"""vLLM and SGLang scripts: bash reads them, and starts exactly the planned servers, with any model path."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pdplan.errors import InputError, UnsupportedError
from pdplan.interop.deploy import Deployment, export
from pdplan.interop.deploy.example import COLOCATED, EXAMPLE
from pdplan.interop.deploy.placement import place

#: Stands for vllm, python3 and vllm-router: writes down what it was given, and stays until all have.
RECORDER = r"""#!/bin/sh
printf '%s\0' "${0##*/}" "$@" > "$RECORDS/$$.part"
env -0 > "$RECORDS/$$.env"
mv "$RECORDS/$$.part" "$RECORDS/$$.argv"
turns=0
while [ "$(ls "$RECORDS" | grep -c argv)" -lt "$SERVERS" ] && [ $turns -lt 400 ]; do
  sleep 0.02
  turns=$((turns + 1))
done
"""
KEPT = ("CUDA_", "HIP_", "VLLM_", "UCX_")


@dataclass(frozen=True)
class Started:
    argv: list[str]
    env: dict[str, str]

    def value(self, flag: str) -> str:
        return self.argv[self.argv.index(flag) + 1]

    def values(self, flag: str) -> list[str]:
        """Words after a flag, up to the next one."""
        rest = self.argv[self.argv.index(flag) + 1 :]
        end = next((i for i, word in enumerate(rest) if word.startswith("--")), len(rest))
        return rest[:end]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tools")
    for name in ("vllm", "vllm-router", "python3"):
        (folder / name).write_text(RECORDER)
        (folder / name).chmod(0o755)
    return folder


def start(text: str, words: Sequence[str], tools: Path, tmp_path: Path, *, servers: int = 1) -> list[Started]:
    """Run a script with recorders on the path; addresses are filled in as a person would."""
    records = tmp_path / "records"
    records.mkdir(exist_ok=True)
    for old in records.iterdir():
        old.unlink()
    script = tmp_path / "serve.sh"
    script.write_text(re.sub(r"ADDRESS_OF_NODE_(\d+)\n", r"10.0.0.\1\n", text))
    environment = {"PATH": f"{tools}:/usr/bin:/bin", "RECORDS": str(records), "SERVERS": str(servers)}
    done = subprocess.run(
        ["bash", str(script), *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    started = []
    for path in records.glob("*.argv"):
        pairs = (e.split("=", 1) for e in path.with_suffix(".env").read_text().split("\0") if e)
        kept = {k: v for k, v in pairs if k.startswith(KEPT)}
        started.append(Started(path.read_text().split("\0")[:-1], kept))
    assert len(started) == servers
    return sorted(started, key=lambda s: s.env.get("CUDA_VISIBLE_DEVICES", ""))


def only(deployment: Deployment, target: str) -> str:
    (file,) = export(deployment, target).files
    return file.text


def changed(deployment: Deployment, role: str, **changes: Any) -> Deployment:
    pools = tuple(replace(p, **changes) if p.role == role else p for p in deployment.pools)
    return replace(deployment, pools=pools)


def checks_out(text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_vllm_starts_the_planned_servers(tools: Path, tmp_path: Path) -> None:
    text = only(EXAMPLE, "vllm")
    prefill, decode = start(text, ["node", "0"], tools, tmp_path, servers=2)
    assert prefill.argv[:3] == ["vllm", "serve", "meta-llama/Llama-3.1-70B"]
    assert prefill.env == {
        "CUDA_VISIBLE_DEVICES": "0,1,2,3",
        "VLLM_NIXL_SIDE_CHANNEL_HOST": "127.0.0.1",
        "VLLM_NIXL_SIDE_CHANNEL_PORT": "5600",
        "UCX_NET_DEVICES": "all",
    }
    assert decode.env["CUDA_VISIBLE_DEVICES"] == "4,5,6,7"
    assert decode.env["VLLM_NIXL_SIDE_CHANNEL_PORT"] == "5604"
    for server in (prefill, decode):
        assert server.value("--tensor-parallel-size") == "4"
        assert json.loads(server.value("--kv-transfer-config")) == {
            "kv_connector": "NixlConnector",
            "kv_role": "kv_both",
        }
    assert prefill.value("--max-num-batched-tokens") == "8192"
    assert decode.value("--max-num-seqs") == "256"
    (proxy,) = start(text, ["front"], tools, tmp_path)
    assert proxy.argv[1] == "toy_proxy_server.py"
    assert proxy.values("--prefiller-hosts") == ["127.0.0.1"]
    assert proxy.values("--prefiller-ports") == [prefill.value("--port")]
    assert proxy.values("--decoder-ports") == [decode.value("--port")]
    assert proxy.value("--port") == "8000"


def test_vllm_over_nodes(tools: Path, tmp_path: Path) -> None:
    # 3 x TP4 prefill and 2 x TP8 decode on nodes of 8: the two decode fill nodes 0 and 1, prefill 2 and 3
    deployment = changed(changed(EXAMPLE, "prefill", count=3), "decode", count=2, tp=8)
    assert place(deployment).nodes == 4
    text = only(deployment, "vllm")
    assert "4 nodes of 8 h100-sxm-80gb" in text
    (decode,) = start(text, ["node", "0"], tools, tmp_path)
    assert decode.env["CUDA_VISIBLE_DEVICES"] == "0,1,2,3,4,5,6,7"
    assert decode.env["VLLM_NIXL_SIDE_CHANNEL_HOST"] == "10.0.0.0"
    start(text, ["node", "2"], tools, tmp_path, servers=2)
    start(text, ["node", "3"], tools, tmp_path, servers=1)
    (proxy,) = start(text, ["front"], tools, tmp_path)
    assert proxy.values("--prefiller-hosts") == ["10.0.0.2", "10.0.0.2", "10.0.0.3"]
    assert proxy.values("--prefiller-ports") == ["8100", "8104", "8100"]
    assert proxy.values("--decoder-hosts") == ["10.0.0.0", "10.0.0.1"]


def test_vllm_one_instance_over_two_nodes(tools: Path, tmp_path: Path) -> None:
    pool = replace(COLOCATED.pools[0], count=1, tp=8, pp=2)
    text = only(replace(COLOCATED, pools=(pool,)), "vllm")
    (head,) = start(text, ["node", "0"], tools, tmp_path)
    (other,) = start(text, ["node", "1"], tools, tmp_path)
    for rank, server in enumerate((head, other)):
        assert server.value("--nnodes") == "2"
        assert server.value("--node-rank") == str(rank)
        assert server.value("--master-addr") == "10.0.0.0"
        assert server.value("--pipeline-parallel-size") == "2"
        assert ("--headless" in server.argv) == (rank == 1)
        assert server.env["CUDA_VISIBLE_DEVICES"] == "0,1,2,3,4,5,6,7"
    assert "front()" not in text  # one instance needs no router


def test_vllm_colocated(tools: Path, tmp_path: Path) -> None:
    text = only(COLOCATED, "vllm")
    for server in start(text, ["node", "0"], tools, tmp_path, servers=2):
        assert "--kv-transfer-config" not in server.argv
        assert "VLLM_NIXL_SIDE_CHANNEL_PORT" not in server.env
        assert server.value("--max-num-batched-tokens") == "2048"
    (router,) = start(text, ["front"], tools, tmp_path)
    assert router.argv[0] == "vllm-router"
    assert router.values("--worker-urls") == [
        "http://10.0.0.0:8100",
        "http://10.0.0.0:8104",
        "http://10.0.0.1:8100",
    ]


def test_sglang_starts_the_planned_servers(tools: Path, tmp_path: Path) -> None:
    deployment = changed(replace(EXAMPLE, kv_dtype="fp8"), "prefill", count=2, tp=2)
    text = only(deployment, "sglang")
    first, second, decode = sorted(
        start(text, ["node", "0"], tools, tmp_path, servers=3),
        key=lambda s: s.value("--disaggregation-mode"),
        reverse=True,
    )
    for server in (first, second, decode):
        assert server.argv[1:3] == ["-m", "sglang.launch_server"]
        assert server.value("--model-path") == "meta-llama/Llama-3.1-70B"
        assert server.value("--kv-cache-dtype") == "fp8_e4m3"
        assert server.value("--disaggregation-transfer-backend") == "nixl"
    # TP4 comes first on the node, then the two of TP2
    assert decode.env["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"
    assert [s.env["CUDA_VISIBLE_DEVICES"] for s in (first, second)] == ["4,5", "6,7"]
    assert decode.value("--max-running-requests") == "256"
    assert decode.value("--mem-fraction-static") == "0.9"
    assert "--disaggregation-bootstrap-port" not in decode.argv
    assert first.value("--chunked-prefill-size") == "8192"
    (router,) = start(text, ["front"], tools, tmp_path)
    assert router.argv[1:3] == ["-m", "sglang_router.launch_router"]
    assert "--pd-disaggregation" in router.argv
    at = [i for i, word in enumerate(router.argv) if word == "--prefill"]
    assert [router.argv[i + 1 : i + 3] for i in at] == [
        [f"http://127.0.0.1:{s.value('--port')}", s.value("--disaggregation-bootstrap-port")]
        for s in (first, second)
    ]
    assert router.value("--decode") == f"http://127.0.0.1:{decode.value('--port')}"


def test_sglang_pipeline_prefill_over_nodes(tools: Path, tmp_path: Path) -> None:
    deployment = changed(changed(EXAMPLE, "prefill", tp=8, pp=2), "decode", tp=8)
    text = only(deployment, "sglang")
    (head,) = start(text, ["node", "0"], tools, tmp_path)
    (other,) = start(text, ["node", "1"], tools, tmp_path)
    for rank, server in enumerate((head, other)):
        assert server.value("--pp-size") == "2"
        assert server.value("--dist-init-addr") == "10.0.0.0:20000"
        assert server.value("--node-rank") == str(rank)
    with pytest.raises(UnsupportedError, match=r"decode.parallel.pp=1"):
        export(changed(EXAMPLE, "decode", pp=2), "sglang")


def test_sglang_colocated(tools: Path, tmp_path: Path) -> None:
    text = only(replace(COLOCATED, weights_dtype="fp8"), "sglang")
    for server in start(text, ["node", "0"], tools, tmp_path, servers=2):
        assert "--disaggregation-mode" not in server.argv
        assert "--enable-mixed-chunk" in server.argv
        assert server.value("--chunked-prefill-size") == "2048"
        assert server.value("--quantization") == "fp8"
    (router,) = start(text, ["front"], tools, tmp_path)
    assert len(router.values("--worker-urls")) == 3


def test_addresses_must_be_filled_in(tools: Path, tmp_path: Path) -> None:
    script = tmp_path / "serve.sh"
    script.write_text(only(COLOCATED, "vllm"))
    done = subprocess.run(["bash", str(script), "node", "0"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "ADDRESS_OF_NODE_0 is a placeholder" in done.stderr
    for words in ([], ["node"], ["node", "7"], ["stop"]):
        filled = tmp_path / "filled.sh"
        filled.write_text(script.read_text().replace("ADDRESS_OF_NODE", "node"))
        done = subprocess.run(["bash", str(filled), *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2, words
        assert "usage" in done.stderr


def test_amd_gpus_are_shown_by_their_own_variable(tools: Path, tmp_path: Path) -> None:
    deployment = changed(EXAMPLE, "decode", vendor="AMD", accelerator="mi300x")
    text = only(deployment, "vllm")
    (decode,) = start(text, ["node", "1"], tools, tmp_path)  # nodes are of one accelerator
    assert decode.env["HIP_VISIBLE_DEVICES"] == "0,1,2,3"
    assert "1 node of 8 mi300x" in text


@pytest.mark.parametrize(
    "model", ["-rf", "a b", "a/b/c", "x\ny", "", "$(reboot)", "/models/\x07", "a/" + "b" * 300]
)
def test_a_model_id_that_could_do_harm_is_refused(model: str) -> None:
    with pytest.raises(InputError, match="model id is"):
        replace(EXAMPLE, model_id=model)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30))
def test_any_path_reaches_the_server_as_it_is(path: str, tools: Path, tmp_path: Path) -> None:
    deployment = replace(EXAMPLE, model_id="/" + path)
    for target, flag in (("vllm", "serve"), ("sglang", "--model-path")):
        for server in start(only(deployment, target), ["node", "0"], tools, tmp_path, servers=2):
            assert server.value(flag) == "/" + path


@settings(max_examples=60, deadline=None)
@given(
    prefill=st.integers(1, 6),
    decode=st.integers(1, 6),
    tps=st.tuples(*[st.sampled_from([1, 2, 3, 4, 8, 16])] * 2),
    node=st.sampled_from([1, 4, 8]),
    title=st.text(max_size=30),
    target=st.sampled_from(["vllm", "sglang"]),
)
def test_any_fleet_is_placed_once(
    prefill: int, decode: int, tps: tuple[int, int], node: int, title: str, target: str
) -> None:
    deployment = replace(EXAMPLE, title=title)
    for role, count, tp in (("prefill", prefill, tps[0]), ("decode", decode, tps[1])):
        deployment = changed(deployment, role, count=count, tp=tp, node_gpus=node)
    placement = place(deployment)
    taken = [(n, g) for p in placement.placed for n in p.nodes for g in p.gpus]
    assert len(taken) == len(set(taken)) == deployment.gpus
    assert max(g for _, g in taken) < node
    assert {n for n, _ in taken} == set(range(placement.nodes))
    ports = [(n, p.port_offset) for p in placement.placed for n in p.nodes]
    assert len(ports) == len(set(ports))
    for p in placement.placed:
        assert len(p.gpus) % p.pool.tp == 0 or p.pool.tp % len(p.gpus) == 0
    checks_out(only(deployment, target))


def test_a_server_that_dies_takes_its_node_down(tmp_path: Path) -> None:
    # decode (port 8104) fails at once; prefill would stay for a minute
    fake = tmp_path / "vllm"
    fake.write_text('#!/bin/sh\ncase "$*" in *8104*) exit 3 ;; *) exec sleep 60 ;; esac\n')
    fake.chmod(0o755)
    script = tmp_path / "serve.sh"
    script.write_text(only(EXAMPLE, "vllm"))
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", str(script), "node", "0"], env=environment, capture_output=True, timeout=20, check=False
    )  # the pipes close only when prefill is gone too
    assert done.returncode == 3
