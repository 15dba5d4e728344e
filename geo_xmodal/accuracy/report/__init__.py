"""The report page: one self-contained HTML file from arrays and numbers."""

from __future__ import annotations

from geo_xmodal.accuracy.report.page import render_report
from geo_xmodal.accuracy.report.values import Curve, Groups, Picture, Report, curves_from_log

__all__ = ["Curve", "Groups", "Picture", "Report", "curves_from_log", "render_report"]
