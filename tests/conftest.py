"""Two workers share the cores (pytest-xdist). With one thread each, none waits for a core that another has;
tests of threads ask for theirs."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
