"""Bytes of a trace: a file or standard input, plain or gzip, in blocks that end with a line."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from pdplan.errors import InputError

#: A block is parsed at once; larger ones gain no speed and cost memory.
BLOCK_BYTES: Final = 8 << 20
#: The first block, from which the format is recognised.
HEAD_BYTES: Final = 64 << 10
#: No line of a trace is longer than this; a file without line ends is no trace.
LONGEST_LINE: Final = 256 << 20
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Give the bytes of a file, or of standard input for ``-``, unpacked where they start like gzip.

    Raises
    ------
    InputError
        The file cannot be read, or its gzip data end too soon or are damaged.
    """
    name = "standard input" if path == "-" else path
    try:
        with _raw(path) as raw:
            if raw.peek(2)[:2] == _GZIP:
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield io.BufferedReader(unpacked)
            else:
                yield raw
    except EOFError:
        raise InputError(f"trace {name}: the gzip data end too soon: is the file complete?") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"trace {name}: damaged gzip data ({error})") from None
    except OSError as error:
        raise InputError(f"trace {name}: {error.strerror or error}") from None


@contextmanager
def _raw(path: str) -> Iterator[io.BufferedReader]:
    if path != "-":
        with open(path, "rb") as file:
            yield file
        return
    stream: Any = sys.stdin.buffer
    yield stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream)


def line_blocks(
    stream: IO[bytes], first_bytes: int = HEAD_BYTES, block_bytes: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """Give blocks of whole lines; the last may lack its line end. A byte-order mark is dropped.

    The first block is small: it serves to recognise the format.

    Raises
    ------
    InputError
        A line longer than 256 MiB.

    Examples
    --------
    >>> list(line_blocks(io.BytesIO(b"ab\\ncdef\\ngh"), 4, 4))
    [b'ab\\n', b'cdef\\n', b'gh']
    """
    rest = b""
    start = True
    while piece := stream.read(first_bytes if start else block_bytes):
        if start:
            piece, start = piece.removeprefix(_BOM), False
        cut = piece.rfind(b"\n") + 1
        if not cut:
            rest += piece
            if len(rest) > LONGEST_LINE:
                raise InputError(f"a line is longer than {LONGEST_LINE >> 20} MiB: this is no trace")
            continue
        yield rest + piece[:cut]
        rest = piece[cut:]
    if rest:
        yield rest
