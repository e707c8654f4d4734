"""aurora-dwh: Aurora MySQL through S3 into Redshift, every day, with proof."""

import os
import sys

# Read when numpy is first imported, whose matrix algebra nobody uses here: each of its threads keeps memory of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if sys.platform == "linux":
    # Arrow reads this when it is first imported. mimalloc, its own choice, holds 40 MB more at the peak of a copy, and
    # the system's allocator takes a twentieth longer.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
