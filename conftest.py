"""What holds for tests and examples alike.

Modules of the page that need the extra ``web`` and have no examples are not imported to look for some.
"""

import os

# before numpy loads: every core has a process of its own, and its matrices are small
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

collect_ignore = [
    f"pdplan/web/{name}.py"
    for name in (
        "api",
        "app",
        "body",
        "controls",
        "elements",
        "exports",
        "files",
        "headers",
        "page",
        "panels",
        "session",
    )
]
