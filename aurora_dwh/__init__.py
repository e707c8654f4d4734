"""aurora-dwh: Aurora MySQL through S3 into Redshift, every day, with proof."""

import ctypes
import os
import sys
from contextlib import suppress

# Read when numpy is first imported, whose matrix algebra nobody uses here: each of its threads keeps memory of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if sys.platform == "linux":
    # Arrow reads this when it is first imported. jemalloc holds 15 MB more at the peak of a run, and is no faster.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # Batches and blocks are given back to the system when they are freed. Left alone, glibc keeps ever larger ones, and
    # gaps between them, which is 20 MB at the peak of a run. -3 is M_MMAP_THRESHOLD (mallopt(3)); musl has none.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(-3, 512 * 1024)
