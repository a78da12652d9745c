"""Every architecture against what its authors publish: parameters, KV bytes, checkpoint size."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pdplan.latency.parameters import (
    active_parameters,
    kv_bytes,
    kv_bytes_per_token,
    kv_bytes_per_token_per_gpu,
    parameter_groups,
    total_parameters,
    weight_bytes,
)
from pdplan.spec.catalog import catalog_names, load_model
from pdplan.spec.hf_config import model_from_hf_config

SUMMARY = Path(__file__).parents[3] / "shared" / "data" / "hf_configs" / "summary.csv"

# name: (billions of parameters, source)
TOTAL = {
    "llama-3.1-8b": (8.03, "huggingface.co/meta-llama/Llama-3.1-8B, safetensors count"),
    "llama-3.1-70b": (70.6, "huggingface.co/meta-llama/Llama-3.1-70B, safetensors count"),
    "llama-3.1-405b": (405.9, "huggingface.co/meta-llama/Llama-3.1-405B, safetensors count"),
    "llama-2-70b": (69.0, "huggingface.co/meta-llama/Llama-2-70b-hf, safetensors count"),
    "bloom-176b": (176.247271424, "arXiv 2211.05100, table 3"),
    "qwen3-8b": (8.2, "huggingface.co/Qwen/Qwen3-8B, model card"),
    "qwen3-32b": (32.8, "huggingface.co/Qwen/Qwen3-32B, model card"),
    "qwen3-30b-a3b": (30.5, "huggingface.co/Qwen/Qwen3-30B-A3B, model card"),
    "qwen3-235b-a22b": (235.0, "huggingface.co/Qwen/Qwen3-235B-A22B, model card"),
    "mixtral-8x7b": (46.7, "mistral.ai/news/mixtral-of-experts"),
    "deepseek-v3": (671.0, "arXiv 2412.19437, abstract"),
    "deepseek-r1": (671.0, "arXiv 2501.12948"),
    "deepseek-v3.1": (671.0, "huggingface.co/deepseek-ai/DeepSeek-V3.1, model card"),
    "kimi-k2": (1040.0, "arXiv 2507.20534, table 2"),
    "gpt-oss-20b": (20.91, "arXiv 2508.10925, table 1"),
    "gpt-oss-120b": (116.83, "arXiv 2508.10925, table 1"),
    "gemma-3-27b": (27.0, "arXiv 2503.19786, table 1: 25.6 B and 1.4 B embedding, without the vision tower"),
    "opt-13b": (12.85, "huggingface.co/facebook/opt-13b, checkpoint of 25.7 GB at fp16"),
    "opt-66b": (66.0, "arXiv 2205.01068, table 1"),
    "opt-175b": (175.0, "arXiv 2205.01068, table 1"),
}


@pytest.mark.parametrize("name", TOTAL)
def test_total_parameters_are_the_published_ones(name: str) -> None:
    billions, _ = TOTAL[name]
    assert total_parameters(load_model(name).shape) / 1e9 == pytest.approx(billions, rel=0.015)


# name: (billions, whether the authors count the input embedding too, source)
ACTIVE = {
    "gpt-oss-20b": (3.61, False, "arXiv 2508.10925, table 1"),
    "gpt-oss-120b": (5.13, False, "arXiv 2508.10925, table 1"),
    "mixtral-8x7b": (12.9, True, "mistral.ai/news/mixtral-of-experts"),
    "qwen3-30b-a3b": (3.3, True, "huggingface.co/Qwen/Qwen3-30B-A3B, model card"),
    "qwen3-235b-a22b": (22.0, True, "huggingface.co/Qwen/Qwen3-235B-A22B, model card"),
    "deepseek-v3": (37.0, False, "arXiv 2412.19437, abstract"),
    "kimi-k2": (32.0, False, "arXiv 2507.20534, table 2"),
}


@pytest.mark.parametrize("name", ACTIVE)
def test_active_parameters_are_the_published_ones(name: str) -> None:
    billions, with_embedding, _ = ACTIVE[name]
    shape = load_model(name).shape
    ours = active_parameters(shape) + (parameter_groups(shape).input_embedding if with_embedding else 0)
    assert ours / 1e9 == pytest.approx(billions, rel=0.02)


def test_glm_counts_one_mtp_layer_and_no_embeddings() -> None:
    """arXiv 2508.06471, section 2.1: 355 B and 32 B count the MTP layer and leave out embeddings and head."""
    groups = parameter_groups(load_model("glm-4.5").shape)
    layer = groups.attention_per_layer + groups.shared_ffn_per_layer + groups.router_per_layer
    total = groups.attention + groups.ffn_shared + groups.router + groups.experts
    total += layer + groups.experts_per_layer * groups.expert
    active = groups.attention + groups.ffn_shared + groups.router + groups.experts_active
    assert total / 1e9 == pytest.approx(355, rel=0.005)
    assert active / 1e9 == pytest.approx(32, rel=0.01)


def test_gpt_oss_parameters_by_kind() -> None:
    """arXiv 2508.10925, table 1: MLP, attention and embeddings (in and out together), in billions."""
    for name, mlp, attention, embeddings in (
        ("gpt-oss-120b", 114.71, 0.96, 1.16),
        ("gpt-oss-20b", 19.12, 0.64, 1.16),
    ):
        groups = parameter_groups(load_model(name).shape)
        assert (groups.experts + groups.router) / 1e9 == pytest.approx(mlp, rel=0.002)
        assert groups.attention / 1e9 == pytest.approx(attention, rel=0.01)
        assert groups.embeddings / 1e9 == pytest.approx(embeddings, rel=0.005)


@pytest.mark.parametrize(
    ("name", "gib", "source"),
    [
        ("gpt-oss-120b", 60.8, "arXiv 2508.10925, table 1"),
        ("gpt-oss-20b", 12.8, "arXiv 2508.10925, table 1"),
        ("llama-3.1-70b", 131.4, "huggingface.co/meta-llama/Llama-3.1-70B, 141.1 GB of safetensors"),
    ],
)
def test_weight_bytes_are_the_checkpoint(name: str, gib: float, source: str) -> None:
    model = load_model(name)
    assert weight_bytes(model.shape, model.weights_dtype) / 2**30 == pytest.approx(gib, rel=0.01)


# bf16, all layers at full length, from each config.json: 2 x layers x kv_heads x head_dim x 2 bytes;
# DeepSeek and Kimi: layers x (kv_lora_rank + qk_rope_head_dim) x 2, arXiv 2505.09343, table 1.
KV = {
    "llama-3.1-8b": 131_072,
    "llama-3.1-70b": 327_680,
    "llama-3.1-405b": 516_096,
    "llama-2-70b": 327_680,
    "bloom-176b": 4_014_080,
    "qwen3-8b": 147_456,
    "qwen3-32b": 262_144,
    "qwen3-30b-a3b": 98_304,
    "qwen3-235b-a22b": 192_512,
    "mixtral-8x7b": 131_072,
    "deepseek-v3": 70_272,
    "deepseek-r1": 70_272,
    "deepseek-v3.1": 70_272,
    "kimi-k2": 70_272,
    "gpt-oss-20b": 49_152,
    "gpt-oss-120b": 73_728,
    "gemma-3-27b": 507_904,
    "glm-4.5": 376_832,
    "opt-13b": 819_200,
    "opt-66b": 2_359_296,
    "opt-175b": 4_718_592,
}


@pytest.mark.parametrize("name", KV)
def test_kv_bytes_per_token(name: str) -> None:
    shape = load_model(name).shape
    assert kv_bytes_per_token(shape, "bf16") == KV[name]
    assert kv_bytes_per_token(shape, "fp8") == KV[name] / 2


def test_every_model_is_tested() -> None:
    names = {name.removesuffix("-fp8") for name in catalog_names("architectures")}
    assert names == set(KV)
    assert names == set(TOTAL) | {"glm-4.5"}


@pytest.mark.parametrize("size", ["8b", "70b", "405b"])
def test_fp8_entries_differ_only_in_dtype(size: str) -> None:
    plain, quantised = load_model(f"llama-3.1-{size}"), load_model(f"llama-3.1-{size}-fp8")
    assert plain.shape == quantised.shape
    assert (plain.weights_dtype, quantised.weights_dtype) == ("bf16", "fp8")


def test_distserve_kv_of_one_opt_66b_prompt() -> None:
    """arXiv 2401.09670v3, section 3.3: 512 tokens of OPT-66B are "1.13 GB", which is 1.125 GiB."""
    assert kv_bytes(load_model("opt-66b").shape, 512, "fp16") == 1_207_959_552 == 1.125 * 2**30


def test_sliding_layers_stop_growing_at_the_window() -> None:
    gpt_oss = load_model("gpt-oss-120b").shape
    assert kv_bytes(gpt_oss, 100) == 100 * 73_728
    assert kv_bytes(gpt_oss, 10_128) == 18 * 2048 * (10_128 + 128)
    gemma = load_model("gemma-3-27b").shape
    assert kv_bytes(gemma, 8192) == 2 * 2 * 16 * 128 * (10 * 8192 + 52 * 1024)


def test_kv_per_gpu() -> None:
    qwen = load_model("qwen3-235b-a22b").shape
    assert [kv_bytes_per_token_per_gpu(qwen, tp) for tp in (1, 2, 4, 8)] == [192_512, 96_256, 48_128, 48_128]
    deepseek = load_model("deepseek-v3").shape
    assert [kv_bytes_per_token_per_gpu(deepseek, tp) for tp in (1, 8, 16)] == [70_272] * 3


@pytest.mark.skipif(not SUMMARY.is_file(), reason="the collection of config.json files is not here")
def test_catalog_shapes_are_those_of_the_config_files() -> None:
    rows = {row["model"]: row for row in csv.DictReader(SUMMARY.read_text().splitlines())}
    compared = 0
    for model, row in rows.items():
        path = SUMMARY.parent / f"{model}_config.json"
        try:
            ours = load_model(model.replace("--", "/"))
        except ValueError:
            continue
        assert kv_bytes_per_token(ours.shape) == int(row["kv_bytes_per_token_bf16_all_layers_full"])
        theirs = model_from_hf_config(path)
        assert ours.shape == theirs.shape
        assert ours.weights_dtype == theirs.weights_dtype
        compared += 1
    assert compared == 13
