"""Pictures of an answer: small SVG and HTML texts, coloured by the page's style sheet alone."""

from __future__ import annotations
