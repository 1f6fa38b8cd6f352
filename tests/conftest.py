"""One thread per process: on small models more threads cost more than they bring."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
