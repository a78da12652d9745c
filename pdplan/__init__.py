"""pdplan: analytical capacity planner for LLM serving with prefill/decode disaggregation."""

from pdplan._version import __version__

__all__ = ["__version__"]
