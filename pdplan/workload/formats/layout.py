"""Where a format keeps what a trace needs: the one thing that each format's file says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read one file, found from its first line.

    Parameters
    ----------
    format : str
        Name of the format, short.
    kind : {"csv", "jsonl"}
        Lines of cells under a header, or a JSON object on each line.
    prompt, output : str
        Columns (or keys) of the lengths [tok].
    time : str, optional
        Column of the arrival; without it the file has lengths only.
    time_unit_s : float, optional
        Seconds of one unit of that column; None for dates with a time of day (ISO 8601).
    header : tuple of str
        All columns in order, as the CSV names them.
    hashes : str, optional
        Key of the list of block identities of a prompt.
    block_tokens : int, optional
        Tokens of one such block, as the format documents it.
    block_choices : tuple of int
        Other sizes [tok] that files of this format come with, where the lists do not fit the documented one.
    labels : tuple of str
        Columns that together name the kind of a request (model, type, application).
    session, parent : str, optional
        Column of the conversation of a request, and of the request before it in a chain of requests.
    delay : str, optional
        Key of a wait after the turn before [ms], in place of a time.
    failures : str, optional
        What a request without output tokens is in this format; None where it is a broken row.
    """

    format: str
    kind: Literal["csv", "jsonl"]
    prompt: str
    output: str
    time: str | None = None
    time_unit_s: float | None = None
    header: tuple[str, ...] = ()
    hashes: str | None = None
    block_tokens: int | None = None
    block_choices: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    session: str | None = None
    parent: str | None = None
    delay: str | None = None
    failures: str | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Columns read as text: labels, session and parent."""
        return (*self.labels, *(name for name in (self.session, self.parent) if name is not None))


def folded(names: tuple[str, ...]) -> dict[str, str]:
    """Return {lower case without spaces around: name as written}.

    Examples
    --------
    >>> folded((" TIMESTAMP", "Log Type"))
    {'timestamp': ' TIMESTAMP', 'log type': 'Log Type'}
    """
    return {name.strip().lower(): name for name in names}
