"""What is wrong with manifests, as a report for people and for CI; only files are read, no cluster."""

from headgate.checking.checking import check
from headgate.checking.formats import FORMATS
from headgate.checking.matching import MATCHING
from headgate.checking.migration import ORIGINS
from headgate.checking.report import Report, Summary

__all__ = ["FORMATS", "MATCHING", "ORIGINS", "Report", "Summary", "check"]
