"""Step times asked of somebody's performance database, point by point, and laid down as tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pdplan.latency.table import DecodeCurve, Tabulated

#: What a database answers: the time of one prefill step (prompts, tokens of each, cached tokens of each) [s].
AskPrefill = Callable[[int, int, int], float]
#: And of one decode step (batch, context of each) [s].
AskDecode = Callable[[int, int], float]

_PROMPTS: Final = (16, 32, 64, 128, 192, 256, 384, 512, 768, 1024, 1280, 1536, 2048, 2560, 3072, 4096)
_LONG_STEP: Final = 1.25
_BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384, 512)
_CONTEXTS: Final = (64, 256, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144)
#: Steps with the same new tokens as one prompt and another amount of attention: several prompts, cached ones.
_SEVERAL: Final = tuple((k, n // k, 0) for n in (2048, 4096, 8192) for k in (2, 4, 8, 16))
_CACHED: Final = tuple(
    (1, n, c) for n, c in ((512, 3584), (1024, 7168), (2048, 2048), (2048, 6144), (2048, 30720))
)


@dataclass(frozen=True, slots=True)
class DatabaseSteps(Tabulated):
    """A `Tabulated` whose prefill tells one long prompt from many short ones by their attention.

    The table holds prefills of one prompt of n tokens, attention n^2. A step with the same tokens and
    attention A takes table(n) + c (A - n^2).

    Parameters
    ----------
    attention_s_per_token_sq : float
        c [s/tok^2].
    attention_error : float
        Root mean square relative error of that formula over steps of several prompts and of cached ones [-].

    Examples
    --------
    >>> steps = DatabaseSteps((1000, 2000), (0.1, 0.25), (DecodeCurve((1, 2), (0.01, 0.01)),), "db",
    ...                       attention_s_per_token_sq=1e-8)
    >>> round(float(steps.prefill_step_s(2000, 2000**2)), 6), round(float(steps.prefill_step_s(2000, 2e6)), 6)
    (0.25, 0.23)
    """

    attention_s_per_token_sq: float = 0.0
    attention_error: float = 0.0

    def prefill_step_s(self, new_tokens: Any, attention_tokens_sq: Any) -> Any:
        """Time of one prefill step [s]."""
        whole = Tabulated.prefill_step_s(self, new_tokens, attention_tokens_sq)
        more = np.asarray(attention_tokens_sq, dtype=float) - np.asarray(new_tokens, dtype=float) ** 2
        return whole + self.attention_s_per_token_sq * more


def database_steps(
    prefill_s: AskPrefill, decode_s: AskDecode, *, longest_tokens: int, source: str
) -> DatabaseSteps:
    """Ask for a grid of steps and return them as a latency model.

    Parameters
    ----------
    prefill_s, decode_s : callable
        The database: see `AskPrefill` and `AskDecode`.
    longest_tokens : int
        Longest context of the model [tok]; prompts are asked for up to there, 131,072 at most.
    source : str

    Examples
    --------
    Steps that are linear in tokens and attention come back exactly.

    >>> def prefill_s(prompts, tokens, cached):
    ...     return 0.005 + 1e-5 * prompts * tokens + 1e-9 * prompts * tokens * (tokens + 2 * cached)
    >>> def decode_s(batch, context):
    ...     return 0.01 + 1e-5 * batch + 1e-8 * batch * context
    >>> steps = database_steps(prefill_s, decode_s, longest_tokens=8192, source="db")
    >>> round(float(steps.prefill_step_s(4096, 2 * 2048**2)), 6)
    0.054349
    >>> round(float(steps.decode_step_s(8, 8 * 512)), 6)
    0.010121
    """
    prompts = _prompt_grid(min(longest_tokens, 131072))
    alone = np.array([prefill_s(1, n, 0) for n in prompts])
    tokens = np.array(prompts, dtype=float)
    c, error = _attention(prefill_s, longest_tokens)
    # no step of many short prompts may come out at nothing
    c = min(c, 0.9 * float((alone / tokens**2).min()))
    contexts = [n for n in _CONTEXTS if n <= max(longest_tokens, _CONTEXTS[1])]
    curves = tuple(
        DecodeCurve(_BATCHES, _rising([decode_s(b, n) for b in _BATCHES]), float(n)) for n in contexts
    )
    return DatabaseSteps(
        tuple(tokens.tolist()),
        _rising(alone.tolist()),
        curves,
        source,
        attention_s_per_token_sq=c,
        attention_error=error,
    )


def _prompt_grid(longest: int) -> list[int]:
    """Prompt lengths to ask for: dense where attention bends the curve."""
    grid = [n for n in _PROMPTS if n <= longest] or [1, longest]
    while grid[-1] * _LONG_STEP < longest:
        grid.append(int(grid[-1] * _LONG_STEP))
    return [*grid, longest] if grid[-1] < longest else grid


def _attention(prefill_s: AskPrefill, longest: int) -> tuple[float, float]:
    """Return the time of one squared token of attention, by relative least squares, and the error."""
    cases = [(k, n, c) for k, n, c in (*_SEVERAL, *_CACHED) if k * n + c <= longest]
    if not cases:
        return 0.0, 0.0
    taken = np.array([prefill_s(*case) for case in cases])
    alone = np.array([prefill_s(1, k * n, 0) for k, n, _ in cases])
    # sum over prompts of (n + c)^2 - c^2, less (k n)^2
    more = np.array([k * (n * n + 2.0 * n * c) - (k * n) ** 2 for k, n, c in cases])
    x, y = more / taken, (taken - alone) / taken
    slope = max(float(x @ y) / float(x @ x), 0.0)
    return slope, float(np.sqrt(np.mean((slope * x - y) ** 2)))


def _rising(values: list[float]) -> tuple[float, ...]:
    """Return the values without dips: measurements of small steps scatter, and more work never takes less."""
    return tuple(np.maximum.accumulate(np.array(values)).tolist())
