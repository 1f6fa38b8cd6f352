"""Measured scores with provenance, from which the advisor is to learn."""
