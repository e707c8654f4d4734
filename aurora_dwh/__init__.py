"""aurora-dwh: Aurora MySQL through S3 into Redshift, every day, with proof."""

import os
import sys

# Read when numpy is first imported, whose matrix algebra nobody uses here: each of its threads keeps memory of its own.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if sys.platform == "linux":
    # Arrow reads this when it is first imported. Its own choice keeps memory that jemalloc gives back: 50 MB in a run.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
