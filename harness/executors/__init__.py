"""Executors: where the trials of a run happen, in this process, in others, or on a Ray cluster."""
