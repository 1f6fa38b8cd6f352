"""One thread per process: on small models more threads cost more than they bring.

Properties draw the same examples every time, and no test fails for being slow.
"""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
settings.register_profile(
    "same every time",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("same every time")
