"""Latency fits: step times and end-to-end runs in, coefficients with errors and ranges out."""

from __future__ import annotations
