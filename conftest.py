"""Modules of the page that need the extra ``web`` and have no examples: not imported to look for some."""

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
