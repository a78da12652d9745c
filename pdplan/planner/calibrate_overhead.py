"""What TTFT holds besides waiting and prefill: a line in the prompt length."""

from __future__ import annotations

import numpy as np

from pdplan.latency.interpolate import Array

#: Prompt lengths further apart than this tell an overhead per token from a fixed one.
APART = 1.2


def overhead_line(prompt_tokens: Array, measured_s: Array, predicted_s: Array) -> tuple[float, float, str]:
    """Return a and b of a + b L_in >= 0, and a remark, from TTFTs of runs and what the laws say of them.

    Relative least squares over runs; with one prompt length, their median.

    Parameters
    ----------
    prompt_tokens : array
        Mean prompt of each run [tok].
    measured_s, predicted_s : array
        Mean TTFT, measured and without overhead [s].

    Examples
    --------
    >>> tokens = np.array([500.0, 1000.0, 4000.0])
    >>> a, b, remark = overhead_line(tokens, 0.06 + 1.1e-4 * tokens, 0.05 + 1e-4 * tokens)
    >>> round(a, 6), round(b, 9), remark
    (0.01, 1e-05, '')
    """
    from scipy.optimize import nnls

    beyond = measured_s - predicted_s
    if np.median(beyond) <= 0:
        return 0.0, 0.0, "TTFT is no longer than waiting and prefill: no overhead"
    if prompt_tokens.max() < APART * prompt_tokens.min():
        length = f"one prompt length ({prompt_tokens.mean():,.0f} tokens)"
        return float(np.median(beyond)), 0.0, f"{length}: an overhead per token is not told apart"
    rows = np.stack([np.ones_like(prompt_tokens), prompt_tokens], axis=1) / measured_s[:, None]
    size = np.linalg.norm(rows, axis=0)
    found = nnls(rows / size, beyond / measured_s)[0] / size
    return float(found[0]), float(found[1]), ""
