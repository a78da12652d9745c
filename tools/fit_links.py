"""Fit start-up time and software cap of the measured links from the transfers that Mooncake publishes.

Model: seconds = t0 + bytes / cap. Both unknowns enter linearly, so the sum of squared relative errors has a
closed minimum. Run ``python tools/fit_links.py`` and copy the figures to models/links/mooncake-*.yaml;
tests/spec/test_catalog_links.py fails when they differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PROMPT_TOKENS = (128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)

# Qwen3-8B, TP8 to TP8, 8x ConnectX-7 RoCE, table "Detailed Performance Data" of
# https://github.com/kvcache-ai/Mooncake/blob/main/docs/source/performance/vllm/vllm-v1-pd-performance.md
# Its "MB" and "GB/s" are MiB and GiB/s (20 MB in 0.54 ms is called 36.53 GB/s), and its sizes are those of
# the prompt and one more block of 16 tokens (128 tokens are 18 MiB and called 20 MB).
H800_MS = (0.54, 0.61, 0.92, 1.50, 2.51, 4.75, 8.84, 16.43, 31.65)
H800_BYTES = tuple((n + 16) * 36 * 2 * 8 * 128 * 2 for n in PROMPT_TOKENS)

# Qwen3-235B-A22B, TP8 to TP8, 4x 400GbE per node, same kind of table in
# https://github.com/kvcache-ai/Mooncake/blob/main/docs/source/performance/sglang/sglang-benchmark-results-v1.md
# Decimal units. Four KV heads on eight ranks: every head travels twice.
H20_MS = (2.07, 2.58, 2.98, 3.96, 6.43, 10.95, 20.31, 39.14, 76.78)
H20_BYTES = tuple(n * 94 * 2 * 4 * 128 * 2 * 2 for n in PROMPT_TOKENS)


@dataclass(frozen=True)
class Fit:
    t0_s: float
    cap_bytes_per_s: float
    relative_errors: NDArray[np.float64]

    @property
    def rms(self) -> float:
        return float(np.sqrt(np.mean(self.relative_errors**2)))

    @property
    def worst(self) -> float:
        return float(np.max(np.abs(self.relative_errors)))


def fit(payload_bytes: tuple[int, ...], milliseconds: tuple[float, ...]) -> Fit:
    """Minimise the sum over rows of (predicted / measured - 1)^2."""
    seconds = np.array(milliseconds) / 1e3
    columns = np.column_stack([1 / seconds, np.array(payload_bytes) / seconds])
    (t0_s, s_per_byte), *_ = np.linalg.lstsq(columns, np.ones_like(seconds), rcond=None)
    errors = columns @ np.array([t0_s, s_per_byte]) - 1
    return Fit(float(t0_s), float(1 / s_per_byte), errors)


LINKS = {
    "mooncake-h800-8xcx7": (H800_BYTES, H800_MS),
    "mooncake-h20-4x400gbe": (H20_BYTES, H20_MS),
}


def main() -> None:
    for name, (payload_bytes, milliseconds) in LINKS.items():
        found = fit(payload_bytes, milliseconds)
        rows = ", ".join(f"{100 * e:+.1f}" for e in found.relative_errors)
        print(
            f"{name}: startup {found.t0_s * 1e6:.0f} us, software_cap {found.cap_bytes_per_s / 1e9:.1f} GB/s"
        )
        print(f"  relative error [%] {rows}; rms {100 * found.rms:.1f}, worst {100 * found.worst:.1f}")


if __name__ == "__main__":
    main()
