"""The application: workers, API, page, and what guards them all."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from pdplan.web.api import Api
from pdplan.web.body import BoundedBodies
from pdplan.web.headers import SafeHeaders
from pdplan.web.limits import Limits
from pdplan.web.pool import Pool
from pdplan.web.process import Worker

#: Names by which a browser on this machine may call a server that only this machine reaches.
_LOCAL_NAMES = ["localhost", "127.0.0.1", "[::1]", "[", "testserver"]


def build(limits: Limits, *, local: bool) -> FastAPI:
    """Return the application; its workers start and end with it.

    Parameters
    ----------
    limits : Limits
    local : bool
        Whether only this machine reaches it: other host names are refused then.
    """
    memory = limits.memory_bytes
    api_pool = Pool(limits.api_workers, lambda: Worker("warm_engine", 10, memory), limits.waiting)
    quick_pool = Pool(1, lambda: Worker("warm_formulas", 0, memory), limits.pages)
    deep_pool = Pool(2, lambda: Worker("warm_engine", 5, memory), 4 * limits.pages)
    pools = (quick_pool, deep_pool, api_pool)
    uploads = tempfile.TemporaryDirectory(prefix="pdplan-uploads-")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for pool in pools:
            pool.start()
        yield
        for pool in pools:
            pool.stop()
        uploads.cleanup()

    # no generated pages of documentation: they would load scripts from elsewhere
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.router.routes.extend(Api(api_pool, limits).routes())
    app.add_middleware(SafeHeaders)
    app.add_middleware(BoundedBodies, limit_bytes=limits.upload_bytes)
    if local:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=_LOCAL_NAMES)

    from pdplan.web.page import add_page

    add_page(app, quick_pool, deep_pool, uploads.name, limits)
    return app
