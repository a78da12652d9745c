"""The web page and the JSON API: a thin face, started by ``pdplan serve`` (extra ``web``).

Everything is computed in worker processes (`process`, `pool`); the server itself only reads requests, hands
them on (`api`), and draws (`page`). `guard` keeps what strangers send away from files and from long work.
"""

from __future__ import annotations
