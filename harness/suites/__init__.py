"""Calibration suites: runs over models, data, sizes and shifts that become evidence."""
