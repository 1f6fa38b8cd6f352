"""Measurements of speed and memory; docs/benchmarks.md has the commands."""
