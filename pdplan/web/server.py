"""The server: the API and the page on one address."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from typing import Final

from pdplan.errors import InputError
from pdplan.web.limits import Limits

#: Threads that hand work to the workers wait no longer than this for the one that draws pages [s].
_SWITCH_S: Final = 5e-4
LOCAL = ("127.0.0.1", "localhost", "::1")


def run(*, host: str, port: int, workers: int) -> None:
    """Serve until interrupted.

    Raises
    ------
    InputError
        The extra ``web`` is not installed, or the address cannot be bound.
    """
    if importlib.util.find_spec("nicegui") is None:
        raise InputError("the page needs the extra 'web': pip install 'pdplan[web]'")
    listening = bound(host, port)
    # before numpy loads, here and in every worker: small matrices, many processes
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.setswitchinterval(_SWITCH_S)
    import uvicorn

    from pdplan.web.app import build

    app = build(Limits(workers=workers), local=host in LOCAL)
    _announce(host, listening.getsockname()[1])
    config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_keep_alive=15)
    uvicorn.Server(config).run([listening])


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    InputError
        The address is taken, not of this machine, or needs rights.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot serve at {host} port {port}: {reason}; choose another with --port"
        ) from None


def _announce(host: str, port: int) -> None:
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}/"
    print(
        f"pdplan: the page is at {address} and the API at {address}api/plan; Ctrl-C ends it", file=sys.stderr
    )
    if host not in LOCAL:
        print("pdplan: whoever reaches this address can use it: it asks for no password", file=sys.stderr)
