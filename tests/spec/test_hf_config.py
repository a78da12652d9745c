"""Hugging Face config.json: the traps, the refusals, and real files where they are at hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from pdplan.errors import InputError, UnknownNameError, UnsupportedError
from pdplan.latency.parameters import kv_bytes_per_token, total_parameters
from pdplan.spec.catalog import load_model
from pdplan.spec.hf_config import READERS, REFUSED, model_from_hf_config

CONFIGS = Path(__file__).parents[3] / "shared" / "data" / "hf_configs"
FILES = sorted(CONFIGS.glob("*_config.json"))

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def _write(document: object) -> Path:
        path = tmp_path / "config.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return _write


# Which of the real files are read, and why the others are refused.
REFUSED_FILES = {
    "Qwen--Qwen3.5-397B-A17B": "Qwen3_5Moe is not modelled: its linear-attention",
    "deepseek-ai--DeepSeek-V3.2": "DeepseekV32 is not modelled: its sparse attention index",
    "deepseek-ai--DeepSeek-V4-Flash": "DeepseekV4 is not modelled: its compressed sparse attention",
    "google--gemma-4-26B-A4B": "Gemma4 is not modelled: its full and sliding layers",
    "meta-llama--Llama-4-Scout-17B-16E-Instruct": "Llama4 is not modelled: its chunked attention",
}


@pytest.mark.skipif(not FILES, reason="the collection of config.json files is not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_real_files_are_read_right_or_refused_by_name(path: Path) -> None:
    model = path.stem.removesuffix("_config")
    if model in REFUSED_FILES:
        with pytest.raises(UnsupportedError, match=REFUSED_FILES[model]) as raised:
            model_from_hf_config(path)
        assert str(path) in str(raised.value)
        return
    with (CONFIGS / "summary.csv").open() as file:
        rows = {row["model"]: row for row in csv.DictReader(file)}
    ours = model_from_hf_config(path)
    assert kv_bytes_per_token(ours.shape) == int(rows[model]["kv_bytes_per_token_bf16_all_layers_full"])


@pytest.mark.skipif(not FILES, reason="the collection of config.json files is not here")
def test_minimax_m2_has_its_published_size() -> None:
    """230 B total, 10 B active: huggingface.co/MiniMaxAI/MiniMax-M2, model card."""
    shape = model_from_hf_config(CONFIGS / "MiniMaxAI--MiniMax-M2.5_config.json").shape
    assert total_parameters(shape) / 1e9 == pytest.approx(230, rel=0.01)


def test_head_dim_absent_is_hidden_over_heads(write: Any) -> None:
    assert model_from_hf_config(write(LLAMA)).shape.head_dim == 128


def test_head_dim_present_wins(write: Any) -> None:
    """Qwen3-32B: 5120 / 64 = 80, and head_dim is 128."""
    spec = model_from_hf_config(
        write(LLAMA | {"hidden_size": 5120, "num_attention_heads": 64, "head_dim": 128})
    )
    assert spec.shape.head_dim == 128


def test_head_dim_null_is_absent(write: Any) -> None:
    assert model_from_hf_config(write(LLAMA | {"head_dim": None})).shape.head_dim == 128


def test_no_kv_heads_means_every_head(write: Any) -> None:
    document = {k: v for k, v in LLAMA.items() if k != "num_key_value_heads"}
    assert model_from_hf_config(write(document)).shape.kv_heads == 32


@pytest.mark.parametrize(
    ("change", "dtype"),
    [
        ({}, "bf16"),
        ({"torch_dtype": "float16"}, "fp16"),
        ({"torch_dtype": None, "dtype": "float32"}, "fp32"),
        ({"torch_dtype": "torch.bfloat16"}, "bf16"),
        ({"quantization_config": {"quant_method": "fp8"}}, "fp8"),
        ({"quantization_config": {"quant_method": "mxfp4"}}, "mxfp4"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "int4"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 8}}, "int8"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, "fp4"),
        (
            {
                "quantization_config": {
                    "quant_method": "compressed-tensors",
                    "config_groups": {"group_0": {"weights": {"type": "float", "num_bits": 8}}},
                }
            },
            "fp8",
        ),
    ],
)
def test_weights_dtype(write: Any, change: dict[str, Any], dtype: str) -> None:
    assert model_from_hf_config(write(LLAMA | change)).weights_dtype == dtype


@pytest.mark.parametrize(
    "change",
    [
        {"torch_dtype": "int3"},
        {"quantization_config": {"quant_method": "magic"}},
        {"quantization_config": {"quant_method": "gptq", "bits": 3}},
        {"quantization_config": {}},
    ],
)
def test_unknown_dtypes_are_refused(write: Any, change: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match="not modelled"):
        model_from_hf_config(write(LLAMA | change))


def test_layer_types_count_sliding_layers(write: Any) -> None:
    types = ["sliding_attention", "full_attention"] * 16
    spec = model_from_hf_config(write(LLAMA | {"layer_types": types, "sliding_window": 128}))
    assert (spec.shape.sliding_layers, spec.shape.sliding_window) == (16, 128)


def test_other_layer_types_are_refused_by_name(write: Any) -> None:
    types = ["linear_attention", "full_attention"] * 16
    with pytest.raises(UnsupportedError, match="layers of type linear_attention are not modelled"):
        model_from_hf_config(write(LLAMA | {"layer_types": types}))


def test_sliding_window_switched_off_is_off(write: Any) -> None:
    qwen2 = {"architectures": ["Qwen2ForCausalLM"], "sliding_window": 131072, "max_window_layers": 28}
    spec = model_from_hf_config(write(LLAMA | qwen2 | {"use_sliding_window": False}))
    assert spec.shape.sliding_layers == 0
    spec = model_from_hf_config(write(LLAMA | qwen2 | {"use_sliding_window": True}))
    assert spec.shape.sliding_layers == 4


def test_mistral_window_without_a_switch_holds_everywhere(write: Any) -> None:
    """Mistral 7B v0.1 (arXiv 2310.06825): every layer slides over 4096 tokens."""
    spec = model_from_hf_config(
        write(LLAMA | {"architectures": ["MistralForCausalLM"], "sliding_window": 4096})
    )
    assert spec.shape.sliding_layers == 32


def test_gemma3_leaves_out_its_defaults_and_nests(write: Any) -> None:
    """config.json of google/gemma-3-27b-it, text part."""
    document = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "torch_dtype": "bfloat16",
        "text_config": {
            "head_dim": 128,
            "hidden_size": 5376,
            "intermediate_size": 21504,
            "num_attention_heads": 32,
            "num_hidden_layers": 62,
            "num_key_value_heads": 16,
            "sliding_window": 1024,
        },
        "vision_config": {"hidden_size": 1152, "num_hidden_layers": 27},
    }
    spec = model_from_hf_config(write(document))
    catalog = load_model("gemma-3-27b").shape
    assert spec.shape.max_context_tokens is None
    assert total_parameters(spec.shape) == total_parameters(catalog)
    assert (spec.shape.sliding_layers, spec.shape.sliding_window) == (52, 1024)
    assert spec.shape.tied_embeddings


def test_mla_ignores_kv_heads(write: Any) -> None:
    """config.json of deepseek-ai/DeepSeek-V2-Lite: no query latent, 27 layers, 15.7 B parameters."""
    document = {
        "architectures": ["DeepseekV2ForCausalLM"],
        "hidden_size": 2048,
        "intermediate_size": 10944,
        "moe_intermediate_size": 1408,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "num_hidden_layers": 27,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "num_experts_per_tok": 6,
        "first_k_dense_replace": 1,
        "moe_layer_freq": 1,
        "kv_lora_rank": 512,
        "q_lora_rank": None,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "vocab_size": 102400,
        "torch_dtype": "bfloat16",
    }
    spec = model_from_hf_config(write(document))
    assert kv_bytes_per_token(spec.shape) == 27 * 576 * 2
    assert total_parameters(spec.shape) / 1e9 == pytest.approx(15.7, rel=0.005)
    with pytest.raises(UnsupportedError, match="moe_layer_freq"):
        model_from_hf_config(write(document | {"moe_layer_freq": 2}))


def test_opt_and_bloom_have_two_matrices_and_every_head(write: Any) -> None:
    """config.json of facebook/opt-13b and bigscience/bloom."""
    opt = {
        "architectures": ["OPTForCausalLM"],
        "hidden_size": 5120,
        "ffn_dim": 20480,
        "num_attention_heads": 40,
        "num_hidden_layers": 40,
        "vocab_size": 50272,
        "word_embed_proj_dim": 5120,
        "max_position_embeddings": 2048,
        "torch_dtype": "float16",
    }
    assert model_from_hf_config(write(opt)).shape == load_model("opt-13b").shape
    with pytest.raises(UnsupportedError, match="word_embed_proj_dim"):
        model_from_hf_config(write(opt | {"word_embed_proj_dim": 512}))
    bloom = {
        "architectures": ["BloomForCausalLM"],
        "hidden_size": 14336,
        "n_head": 112,
        "n_layer": 70,
        "vocab_size": 250880,
        "seq_length": 2048,
        "torch_dtype": "bfloat16",
    }
    assert model_from_hf_config(write(bloom)).shape == load_model("bloom-176b").shape


def test_glm45_reads_as_the_catalog_says(write: Any) -> None:
    """config.json of zai-org/GLM-4.5."""
    document = {
        "architectures": ["Glm4MoeForCausalLM"],
        "head_dim": 128,
        "hidden_size": 5120,
        "intermediate_size": 12288,
        "moe_intermediate_size": 1536,
        "n_routed_experts": 160,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "first_k_dense_replace": 3,
        "num_attention_heads": 96,
        "num_key_value_heads": 8,
        "num_hidden_layers": 92,
        "vocab_size": 151552,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    assert model_from_hf_config(write(document)).shape == load_model("glm-4.5").shape


def test_name_is_the_folder_and_load_model_takes_both(write: Any) -> None:
    path = write(LLAMA)
    assert load_model(path).name == path.parent.name
    assert load_model(path.parent) == load_model("config.json", base=path.parent)
    assert "config.json" in load_model(path).notes


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_known_strangers_are_refused_with_a_reason(write: Any, name: str) -> None:
    with pytest.raises(UnsupportedError, match=f"architecture {name} is not modelled: its"):
        model_from_hf_config(write(LLAMA | {"architectures": [f"{name}ForCausalLM"]}))
    assert name not in READERS


@pytest.mark.parametrize("name", ["Llama5ForCausalLM", "MambaForCausalLM", "T5ForConditionalGeneration"])
def test_unknown_architectures_are_refused_by_name(write: Any, name: str) -> None:
    with pytest.raises(UnsupportedError, match=name.split("For")[0]) as raised:
        model_from_hf_config(write(LLAMA | {"architectures": [name]}))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "change",
    [
        {"kv_lora_rank": 512},
        {"index_topk": 2048},
        {"attention_chunk_size": 8192},
        {"num_kv_shared_layers": 4},
    ],
)
def test_foreign_attention_under_a_known_name_is_refused(write: Any, change: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match=next(iter(change))):
        model_from_hf_config(write(LLAMA | change))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1, 2]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ({}, "'architectures'"),
        ({"architectures": []}, "'architectures'"),
        ({"architectures": "LlamaForCausalLM"}, "'architectures'"),
        ({"architectures": [7]}, "'architectures'"),
        (LLAMA | {"hidden_size": None}, "key 'hidden_size' is missing"),
        ({k: v for k, v in LLAMA.items() if k != "vocab_size"}, "key 'vocab_size' is missing"),
        (LLAMA | {"num_hidden_layers": 0}, "'num_hidden_layers' is 0"),
        (LLAMA | {"num_hidden_layers": -4}, "'num_hidden_layers' is -4"),
        (LLAMA | {"num_hidden_layers": 1.5}, "'num_hidden_layers' is 1.5"),
        (LLAMA | {"num_hidden_layers": "32"}, "'num_hidden_layers' is 32"),
        (LLAMA | {"num_hidden_layers": True}, "'num_hidden_layers' is True"),
        (LLAMA | {"hidden_size": 10**30}, "'hidden_size' is 10000"),
        (LLAMA | {"num_hidden_layers": 10**6}, "layers is 1000000: it must lie between 1 and 2000"),
        (LLAMA | {"num_key_value_heads": 5}, "multiple of kv_heads"),
        (LLAMA | {"hidden_size": 4097}, "no multiple of 32 heads"),
        (LLAMA | {"layer_types": ["full_attention"]}, "'layer_types' must be a list of 32 names"),
        (LLAMA | {"layer_types": ["sliding_attention"] * 32}, "'sliding_window' is missing"),
        (LLAMA | {"tie_word_embeddings": "no"}, "'tie_word_embeddings' is no"),
        (LLAMA | {"text_config": [1]}, "'text_config' must be a mapping"),
        (LLAMA | {"quantization_config": "fp8"}, "'quantization_config' must be a mapping"),
    ],
)
def test_malformed_files_are_one_line_that_names_the_file(write: Any, document: object, message: str) -> None:
    path = write(document)
    with pytest.raises(InputError, match=message) as raised:
        model_from_hf_config(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_model(tmp_path / "config.json")
    with pytest.raises(UnknownNameError, match="or give the path"):
        load_model(tmp_path / "nothing")
    (tmp_path / "config.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        load_model(tmp_path)


def test_nan_and_infinity_are_no_sizes(write: Any) -> None:
    text = json.dumps(LLAMA).replace("4096", "NaN", 1)
    with pytest.raises(InputError, match="'hidden_size' is nan"):
        model_from_hf_config(write(text))
