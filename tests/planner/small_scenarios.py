"""Scenarios that several tests plan: small enough for milliseconds, simple enough for arithmetic by hand."""

from __future__ import annotations

#: One prefill instance, one prompt at a time, every prompt 2000 tokens at 25,000 tok/s: M/D/1 with S = 80 ms.
M_D_1 = """\
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: roce-100g
first_token_from: prefill
latency: {max_prefill: 25000 tok/s, decode_table: {1: 8 ms, 16: 9 ms, 64: 13 ms, 128: 20 ms, 256: 36 ms}}
classes:
  - {name: chat, rate: 5 req/s, prompt_tokens: 2000, output_tokens: 150,
     slo: {ttft: {p95: 800 ms}, tpot: {mean: 25 ms}}}
prefill: {parallel: {tp: 1}, discipline: one_at_a_time, router: random}
decode: {parallel: {tp: 1}}
"""

#: One class of equal requests, one parallelism, step times of the roofline.
EQUAL_REQUESTS = """\
version: 1
model: llama-3.1-8b
accelerator: h100-sxm-80gb
link: ib-ndr-400g
classes:
  - name: chat
    rate: 8 req/s
    prompt_tokens: 1000
    output_tokens: 200
    slo: {ttft: {p99: 2 s}, tpot: {mean: 50 ms}}
prefill: {parallel: {tp: [1]}, discipline: one_at_a_time}
decode: {parallel: {tp: [1]}}
"""
