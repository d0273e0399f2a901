"""Verifying what is on disk: a store, a run, a set, a table."""

from mttjax.checking.findings import Findings
from mttjax.checking.paths import check_path

__all__ = ["Findings", "check_path"]
