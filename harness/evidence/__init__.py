"""Measured scores with provenance, from which the advisor learns."""

from harness.evidence.contexts import Context, Observation, contexts
from harness.evidence.load import load
from harness.evidence.schema import Row

__all__ = ["Context", "Observation", "Row", "contexts", "load"]
