"""A plan as one self-contained HTML file, to bring to the design review.

`report_html` returns it, `write_report` writes it, whole or not at all.
"""

from __future__ import annotations

from pdplan.report.page import report_html
from pdplan.report.writing import check_target, write_report

__all__ = ["check_target", "report_html", "write_report"]
