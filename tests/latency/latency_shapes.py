"""Models and devices of the tests, typed from config.json files and data sheets."""

from __future__ import annotations

from pdplan.latency import Device, MlaShape, ModelShape, MoeShape

A100 = Device({"bf16": 312e12}, 80 * 2**30, 2.039e12, 300e9)
H100 = Device({"bf16": 989.4e12, "fp8": 1978.9e12}, 80 * 2**30, 3.35e12, 450e9)

LLAMA_8B = ModelShape(32, 4096, 32, 8, 128, 14336, 128256)
LLAMA_70B = ModelShape(80, 8192, 64, 8, 128, 28672, 128256)
LLAMA2_70B = ModelShape(80, 8192, 64, 8, 128, 28672, 32000)
BLOOM = ModelShape(70, 14336, 112, 112, 128, 57344, 250880, gated_ffn=False, tied_embeddings=True)
QWEN_235B = ModelShape(94, 4096, 64, 4, 128, 12288, 151936, moe=MoeShape(128, 8, 1536))
DEEPSEEK_V3 = ModelShape(
    61,
    7168,
    128,
    128,
    192,
    18432,
    129280,
    mla=MlaShape(512, 64, 128, 128, 1536),
    moe=MoeShape(256, 8, 2048, 2048, 3),
)
GPT_OSS_20B = ModelShape(
    24, 2880, 64, 8, 64, 2880, 201088, moe=MoeShape(32, 4, 2880), sliding_window=128, sliding_layers=12
)


def opt(layers: int, hidden: int, heads: int) -> ModelShape:
    return ModelShape(
        layers, hidden, heads, heads, 128, 4 * hidden, 50272, gated_ffn=False, tied_embeddings=True
    )


OPT_13B, OPT_66B, OPT_175B = opt(40, 5120, 40), opt(64, 9216, 72), opt(96, 12288, 96)
