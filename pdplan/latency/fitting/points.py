"""Operating points: repeats of one measurement brought together, ready for a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdplan.errors import InputError
from pdplan.latency.interpolate import Array
from pdplan.latency.measured import DecodePoint, PrefillPoint

#: Points whose coordinates all differ by less are repeats of one operating point.
SAME = 0.01


@dataclass(frozen=True, eq=False, slots=True)
class Steps:
    """Operating points of one kind of step at one (tp, pp).

    Parameters
    ----------
    kind : str
        ``prefill`` or ``decode``.
    at : array, shape (n, 2)
        Prefill: uncached tokens, cached tokens. Decode: batch, mean context of a sequence [tok], NaN
        where unknown.
    measured_s : array, shape (n,)
        Median over repeats [s].
    repeats : array, shape (n,)
        Measurements behind each [-].
    left_out : tuple of str
        What was not used, and why.
    """

    kind: str
    at: Array
    measured_s: Array
    repeats: Array
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Operating points."""
        return int(self.measured_s.size)

    def only(self, which: Any) -> Steps:
        """Return some of the points."""
        return Steps(self.kind, self.at[which], self.measured_s[which], self.repeats[which], self.left_out)


def prefill_steps(points: Sequence[PrefillPoint]) -> Steps:
    """Return the operating points of prefill, prompts one at a time where there are such.

    Steps with several prompts are used only if no step has one: benchmark tools rarely say whether such
    prompts ran in one step (Splitwise's did not).

    Examples
    --------
    >>> twice, four = (PrefillPoint(512, 0.07), PrefillPoint(512, 0.09)), PrefillPoint(512, 0.3, batch=4)
    >>> steps = prefill_steps([*twice, four])
    >>> steps.at.tolist(), steps.measured_s.tolist(), steps.left_out
    ([[512.0, 0.0]], [0.08], ('1 prefill step with several prompts: not known to have run as one step',))
    """
    alone = [p for p in points if p.batch == 1]
    used, notes = (alone, _several(len(points) - len(alone))) if alone else (list(points), ())
    for p in used:
        _require(p.prompt_tokens, "prompt tokens of a prefill step")
        if not 0 <= p.cached_tokens < p.prompt_tokens:
            raise InputError(
                f"a prefill step has {p.cached_tokens:g} of {p.prompt_tokens:g} prompt tokens in the cache: "
                "at least one token must be new"
            )
    at = [(p.batch * (p.prompt_tokens - p.cached_tokens), p.batch * p.cached_tokens) for p in used]
    if not alone and used:
        notes = ("every prefill step has several prompts: taken as one step of as many tokens",)
    return _gather("prefill", at, [p.seconds for p in used], [p.repeats for p in used], notes)


def decode_steps(points: Sequence[DecodePoint]) -> Steps:
    """Return the operating points of decode; points of unknown context only where none is known.

    Examples
    --------
    >>> steps = decode_steps([DecodePoint(8, 512, 0.02), DecodePoint(16, None, 0.03)])
    >>> steps.at.tolist(), steps.left_out
    ([[8.0, 512.0]], ('1 decode step without a context',))
    """
    known = [p for p in points if p.context_tokens is not None]
    used = known or list(points)
    missing = len(points) - len(used)
    notes = (f"{_count(missing, 'decode step')} without a context",) if missing else ()
    for p in used:
        _require(p.batch, "batch of a decode step")
        if p.context_tokens is not None:
            _require(p.context_tokens, "context of a decode step")
    at = [(p.batch, np.nan if p.context_tokens is None else p.context_tokens) for p in used]
    return _gather("decode", at, [p.seconds for p in used], [p.repeats for p in used], notes)


def _several(count: int) -> tuple[str, ...]:
    text = f"{_count(count, 'prefill step')} with several prompts: not known to have run as one step"
    return (text,) if count else ()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _require(value: float, what: str) -> None:
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{what} is {value:g}: it must be finite and above 0")


def _gather(
    kind: str,
    at: Sequence[tuple[float, float]],
    seconds: Sequence[float],
    repeats: Sequence[int],
    left_out: tuple[str, ...],
) -> Steps:
    """Bring repeats together: mean of the coordinates, median of the times."""
    for s in seconds:
        _require(s, f"time of a {kind} step")
    where = np.array(at, dtype=float).reshape(-1, 2)
    order = np.lexsort((where[:, 1], where[:, 0]))
    groups: list[list[int]] = []
    for i in order:
        # sorted by the first coordinate: only the last groups can be near
        home = next((g for g in reversed(groups[-64:]) if _same(where[i], where[g[0]])), None)
        if home is None:
            groups.append([int(i)])
        else:
            home.append(int(i))
    times, counts = np.array(seconds, dtype=float), np.array(repeats, dtype=float)
    return Steps(
        kind,
        np.array([where[g].mean(axis=0) for g in groups]).reshape(-1, 2),
        np.array([np.median(times[g]) for g in groups]),
        np.array([counts[g].sum() for g in groups]),
        left_out,
    )


def _same(a: Array, b: Array) -> bool:
    near = np.abs(a - b) <= SAME * np.abs(b)
    return bool(np.all(near | (np.isnan(a) & np.isnan(b))))
