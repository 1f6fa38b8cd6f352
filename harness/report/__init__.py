"""The report of a finished run: a page for people, and its summary for the terminal."""

from harness.report.render import render
from harness.report.text import summary_text

__all__ = ["render", "summary_text"]
