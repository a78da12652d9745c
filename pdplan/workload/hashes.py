"""Identities of the blocks of many prompts, in two flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class BlockHashes:
    """Block identities of each prompt, chained from its start.

    Parameters
    ----------
    ids : array of int64
        The identities of all prompts, one after another.
    starts : array of int64, shape (n + 1,)
        Where each prompt starts in ``ids``; the last entry is the end.

    Examples
    --------
    >>> hashes = BlockHashes.of([(1, 2), (), (1, 3, 4)])
    >>> len(hashes), hashes[2], list(hashes)
    (3, (1, 3, 4), [(1, 2), (), (1, 3, 4)])
    """

    ids: Ids
    starts: Ids

    @classmethod
    def of(cls, lists: Iterable[Sequence[int]]) -> BlockHashes:
        """Return the identities given prompt by prompt."""
        each = [np.asarray(blocks, dtype=np.int64) for blocks in lists]
        return cls.counted(np.concatenate([np.empty(0, np.int64), *each]), np.array([e.size for e in each]))

    @classmethod
    def counted(cls, ids: Ids, counts: NDArray[Any]) -> BlockHashes:
        """Return the identities given flat, with how many each prompt has."""
        starts = np.zeros(counts.size + 1, np.int64)
        np.cumsum(counts, out=starts[1:])
        return cls(ids, starts)

    def __len__(self) -> int:
        """Return the number of prompts."""
        return int(self.starts.size - 1)

    def __getitem__(self, i: int) -> tuple[int, ...]:
        """Return the identities of one prompt."""
        if not 0 <= i < len(self):
            raise IndexError(i)
        return tuple(self.ids[self.starts[i] : self.starts[i + 1]].tolist())

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        """Go through the prompts."""
        return (self[i] for i in range(len(self)))

    @property
    def counts(self) -> Ids:
        """Blocks of each prompt."""
        return np.diff(self.starts)

    def reordered(self, order: NDArray[np.intp]) -> BlockHashes:
        """Return the prompts in another order."""
        counts = self.counts[order]
        ends = np.cumsum(counts)
        at = np.arange(int(ends[-1]) if ends.size else 0) - np.repeat(ends - counts, counts)
        return BlockHashes.counted(self.ids[at + np.repeat(self.starts[:-1][order], counts)], counts)
