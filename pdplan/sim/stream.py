"""The requests of a run: whose arrivals, lengths and classes the engine is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.workload.generate import Requests

Array = NDArray[np.float64]
Ints = NDArray[np.int32]

#: The longest prompt or output that is accepted [tok].
MOST_TOKENS = 1 << 24


@dataclass(frozen=True, eq=False, slots=True)
class Stream:
    """Requests, one entry each.

    Parameters
    ----------
    arrival_s : array
        Moments of arrival, in any order [s]; ignored in a closed loop.
    prompt_tokens, output_tokens : array
        [tok], at least 1.
    cached_tokens : array, optional
        Prompt tokens found in the prefix cache of prefill [tok]; the last token is always computed.
    class_id : array, optional
        Class of each request, for the results [-].
    patience_s : array, optional
        Own patience of each request, instead of the pool's [s].
    users : int
        0: open. Else a closed loop: so many users, each of whom sends the next request in order ``think_s``
        after the end of its last.
    think_s : float
        [s].

    Examples
    --------
    >>> s = Stream.of(np.array([0.0, 1.0]), np.array([100, 200]), np.array([10, 20]))
    >>> len(s), int(s.prompt_tokens[1])
    (2, 200)
    """

    arrival_s: Array
    prompt_tokens: Ints
    output_tokens: Ints
    cached_tokens: Ints | None = None
    class_id: NDArray[np.int16] | None = None
    patience_s: Array | None = None
    users: int = 0
    think_s: float = 0.0

    @classmethod
    def of(
        cls,
        arrival_s: Any,
        prompt_tokens: Any,
        output_tokens: Any,
        *,
        cached_tokens: Any = None,
        class_id: Any = None,
        patience_s: Any = None,
        users: int = 0,
        think_s: float = 0.0,
    ) -> Stream:
        """Check and convert.

        Raises
        ------
        InputError
            Lengths differ, a time that is negative or not finite, a token count outside [1, 2^24], more
            cached than prompt tokens.
        """
        prompt = _tokens("prompt_tokens", prompt_tokens, 1)
        output = _tokens("output_tokens", output_tokens, 1)
        arrival = np.zeros(prompt.size) if users else _times("arrival_s", arrival_s)
        cached = None if cached_tokens is None else _tokens("cached_tokens", cached_tokens, 0)
        ids = None if class_id is None else np.ascontiguousarray(class_id, dtype=np.int16)
        patience = None if patience_s is None else _times("patience_s", patience_s)
        for name, values in (
            ("arrival_s", arrival),
            ("output_tokens", output),
            ("cached_tokens", cached),
            ("class_id", ids),
            ("patience_s", patience),
        ):
            if values is not None and values.size != prompt.size:
                raise InputError(
                    f"{name} has {values.size} entries and prompt_tokens {prompt.size}: one each"
                )
        if prompt.size == 0:
            raise InputError("there are no requests: give at least one")
        if users < 0 or users != int(users):
            raise InputError(f"users is {users}: give a whole number, 0 for an open stream")
        require_positive("think_s", think_s, "s", zero_ok=True)
        if cached is not None:
            if (cached > prompt).any():
                at = int(np.argmax(cached > prompt))
                raise InputError(f"request {at} has {cached[at]} cached tokens of a prompt of {prompt[at]}")
            cached = np.minimum(cached, prompt - 1).astype(np.int32)
        return cls(arrival, prompt, output, cached, ids, patience, int(users), float(think_s))

    @classmethod
    def drawn(cls, requests: Requests, **others: Any) -> Stream:
        """Take requests drawn by `pdplan.workload.generate_requests`."""
        return cls.of(requests.arrival_s, requests.prompt_tokens, requests.output_tokens, **others)

    def __len__(self) -> int:
        """Requests."""
        return int(self.prompt_tokens.size)

    def take(self, index: Any) -> Stream:
        """Return some of the requests, or all in another order."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v[index] for k, v in arrays.items() if isinstance(v, np.ndarray)})


def merged(streams: Sequence[Stream]) -> Stream:
    """Superpose open streams in order of arrival; without classes of its own each gets its number.

    Examples
    --------
    >>> a, b = Stream.of([0.0, 2.0], [1, 1], [1, 1]), Stream.of([1.0], [9], [9])
    >>> merged([a, b]).class_id.tolist()
    [0, 1, 0]
    """
    if not streams or any(s.users for s in streams):
        raise InputError("only open streams are merged, and at least one")
    order = np.argsort(np.concatenate([s.arrival_s for s in streams]), kind="stable")
    ids = [
        np.full(len(s), k, dtype=np.int16) if s.class_id is None else s.class_id
        for k, s in enumerate(streams)
    ]
    any_cached = any(s.cached_tokens is not None for s in streams)
    any_patience = any(s.patience_s is not None for s in streams)
    return Stream(
        np.concatenate([s.arrival_s for s in streams])[order],
        np.concatenate([s.prompt_tokens for s in streams])[order],
        np.concatenate([s.output_tokens for s in streams])[order],
        np.concatenate([_or(s.cached_tokens, len(s), 0, np.int32) for s in streams])[order]
        if any_cached
        else None,
        np.concatenate(ids)[order],
        np.concatenate([_or(s.patience_s, len(s), np.inf, np.float64) for s in streams])[order]
        if any_patience
        else None,
    )


def _or(values: Any, size: int, default: float, dtype: Any) -> Any:
    return np.full(size, default, dtype=dtype) if values is None else values


def _tokens(name: str, values: Any, least: int) -> Ints:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise InputError(f"{name} is not a list of numbers")
    with np.errstate(invalid="ignore"):
        good = (array >= least) & (array <= MOST_TOKENS) & (array == np.floor(array))
    if not good.all():
        at = int(np.argmin(good))
        raise InputError(
            f"{name} of request {at} is {array[at]}: it must be a whole number in [{least}, {MOST_TOKENS}]"
        )
    return np.ascontiguousarray(array, dtype=np.int32)


def _times(name: str, values: Any) -> Array:
    array = np.asarray(values, dtype=float)
    good = array >= 0 if name == "patience_s" else np.isfinite(array) & (array >= 0)
    if array.ndim != 1 or not good.all():
        at = int(np.argmin(good)) if array.ndim == 1 else 0
        raise InputError(f"{name} of request {at} is not a moment of at least 0 s")
    return np.ascontiguousarray(array)
