"""Names that go into manifests: what Kubernetes and shells accept."""

from __future__ import annotations

import re
from typing import Final

from pdplan.errors import InputError

_HF_PART: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
_HF_ID: Final = re.compile(rf"{_HF_PART}(?:/{_HF_PART})?")
_PATH: Final = re.compile(r"/[\x20-\x7e]{1,511}")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def is_hf_id(text: str) -> bool:
    """Whether a text has the form of a Hugging Face repository id.

    Examples
    --------
    >>> is_hf_id("meta-llama/Llama-3.1-70B"), is_hf_id("/models/llama"), is_hf_id("a/b/c")
    (True, False, False)
    """
    return len(text) <= 200 and _HF_ID.fullmatch(text) is not None


def require_model_id(text: str) -> str:
    """Return a Hugging Face id or an absolute path as it is.

    Raises
    ------
    InputError
        Neither: it could be taken for an option, or break a quotation.
    """
    if is_hf_id(text) or _PATH.fullmatch(text):
        return text
    raise InputError(
        f"model id is {text[:80]!r}: give a Hugging Face id such as meta-llama/Llama-3.1-70B, "
        "or an absolute path of plain ASCII"
    )


def require_label(text: str, what: str) -> str:
    """Return a DNS-1123 label as it is.

    Raises
    ------
    InputError
        Not one.

    Examples
    --------
    >>> require_label("serving", "--namespace")
    'serving'
    """
    if _LABEL.fullmatch(text):
        return text
    raise InputError(
        f"{what} is {text[:80]!r}: Kubernetes takes up to 63 lower-case letters, digits and '-', with a "
        "letter or digit at both ends"
    )


def k8s_name(text: str, suffix: str = "", *, limit: int = 63) -> str:
    """Make a DNS-1123 label of any text, with a suffix.

    Examples
    --------
    >>> k8s_name("Llama-3.1-70B", "-pd")
    'llama-3-1-70b-pd'
    >>> k8s_name("***", "-pd"), k8s_name("a" * 40, "-pd", limit=10)
    ('model-pd', 'aaaaaaa-pd')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "model"
    return plain[: limit - len(suffix)].rstrip("-") + suffix
