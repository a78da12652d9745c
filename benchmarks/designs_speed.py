"""How long a search over all designs takes by formulas alone: one class over many kinds, and eight classes.

``python benchmarks/designs_speed.py``; processor time of one process, best of several.
"""

from __future__ import annotations

import os
import time
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from pdplan.planner.designs_search import designs
from pdplan.spec.scenario import Scenario

CHAT: dict[str, Any] = {
    "name": "chat",
    "rate": "8 req/s",
    "workload": "azure-conv-2023",
    "slo": {"ttft": {"p99": "2 s"}, "tpot": {"p95": "50 ms"}},
}
DEGREES = {"parallel": {"tp": [1, 2, 4, 8], "pp": [1, 2, 4]}}


def one_class(model: str) -> Scenario:
    """Three accelerators x TP {1, 2, 4, 8} x PP {1, 2, 4} in each pool, and colocated."""
    return Scenario.model_validate(
        {
            "version": 1,
            "model": model,
            "accelerator": "h100-sxm-80gb",
            "link": "ib-ndr-400g",
            "classes": [CHAT],
            "prefill": DEGREES,
            "decode": DEGREES,
            "search": {
                "accelerators": ["h100-sxm-80gb", "a100-80gb", "h200-sxm-141gb"],
                "length_quantiles": [],
            },
        }
    )


def eight_classes() -> Scenario:
    """Eight classes whose prompts, outputs and rates differ, each way of serving them that is tried."""
    classes = [
        {
            "name": f"c{i}",
            "rate": f"{1 + i} req/s",
            "prompt_tokens": {"mean": 400 * (i + 1), "scv": 1.0},
            "output_tokens": {"mean": 50 * (8 - i), "scv": 1.0},
            "slo": {"ttft": {"p95": f"{1 + 0.3 * i:.2g} s"}, "tpot": {"mean": "50 ms"}},
        }
        for i in range(8)
    ]
    return Scenario.model_validate(
        {
            "version": 1,
            "model": "llama-3.1-8b",
            "accelerator": "h100-sxm-80gb",
            "link": "ib-ndr-400g",
            "classes": classes,
            "prefill": {"parallel": {"tp": [1, 2]}},
            "decode": {"parallel": {"tp": [1, 2]}},
        }
    )


def best_of(scenario: Scenario, times: int = 5) -> float:
    """Shortest processor time of a search [s]."""
    found = []
    for _ in range(times):
        begin = time.process_time()
        designs(scenario, verify=False)
        found.append(time.process_time() - begin)
    return min(found)


if __name__ == "__main__":
    for model in ("llama-3.1-8b", "llama-3.1-70b"):
        print(f"one class, {model}: {1000 * best_of(one_class(model)):.0f} ms (target 300)")
    print(f"eight classes: {best_of(eight_classes(), 3):.2f} s (target 3)")
