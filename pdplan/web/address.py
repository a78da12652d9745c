"""The state of the page in its address: the scenario, packed."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any, Final

from pdplan.errors import InputError

#: Longest state in an address, and largest scenario that it may unpack to [B].
MAX_CHARACTERS: Final = 12_000
MAX_BYTES: Final = 128 * 1024


def packed(document: dict[str, Any]) -> str:
    """Return a scenario as characters that an address takes.

    Examples
    --------
    >>> unpacked(packed({"version": 1, "model": "llama-3.1-8b"}))
    {'version': 1, 'model': 'llama-3.1-8b'}
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    squeezer = zlib.compressobj(9, wbits=-15)
    return base64.urlsafe_b64encode(squeezer.compress(text.encode()) + squeezer.flush()).decode().rstrip("=")


def unpacked(state: str) -> dict[str, Any]:
    """Return the scenario that an address holds; nothing of it is believed yet.

    Raises
    ------
    InputError
        Cut off, changed, or too large.
    """
    broken = InputError("the address holds no scenario: it was cut off or changed")
    if len(state) > MAX_CHARACTERS:
        raise InputError(f"the address holds more than {MAX_CHARACTERS:,} characters of a scenario")
    try:
        data = base64.b64decode(state + "=" * (-len(state) % 4), altchars=b"-_", validate=True)
        opener = zlib.decompressobj(wbits=-15)
        text = opener.decompress(data, MAX_BYTES)
        if opener.unconsumed_tail:
            raise InputError(f"the address holds a scenario of more than {MAX_BYTES // 1024} KiB")
        if not opener.eof:
            raise broken
        document = json.loads(text)
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise broken from None
    if not isinstance(document, dict):
        raise broken
    return document
