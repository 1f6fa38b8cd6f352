"""Runs the adaptation strategies on a user's model and data, and compares them fairly."""
