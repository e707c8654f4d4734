"""What is tried again: how often, after which pauses, and how long all of it may take.

The policies lie within one another: requests, transactions and readings within a step, steps within a run, and runs
within a day. What outlasts one is left to the one around it. Besides, Dagster starts a run once more whose worker
crashed (`run_retries` in `dagster.yaml`). An error that would come at every attempt is tried again by none of them:
`source.refusals` and `warehouse.errors` know it, and for a step `orchestration.failures`. How long one attempt waits
for an answer is said where it is made.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Retries:
    """How often a piece of work is tried."""

    attempts: int  # in all, the first one among them
    pause: float = 0.0  # the seconds before the second attempt
    growth: float = 2.0  # how many times as long as the one before each further pause is

    def pause_after(self, attempt: int) -> float:
        """Return how many seconds are waited after an attempt, counted from 1.

        It is up to half as much or half as much again: those who failed together do not come back together.
        """
        return self.pause * self.growth ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, no secret


REQUEST = Retries(5)
"""A request to a service of AWS, for what passes within seconds, such as 503 SlowDown, and no step need know of.
botocore's own pauses are 15 s at most in all; where no answer comes it is 6 minutes."""

ALERT = Retries(1)
"""An alert, by an SNS topic or a webhook: Dagster gives a tick 60 s, and the sensor's next one comes 30 s later."""

DELETION = Retries(4, pause=0.5)
"""Objects that S3 keeps and says may go in a moment, 3.5 s: what is left is swept by a later load."""

TRANSACTION = Retries(6, pause=0.5)
"""A connection to Redshift, and a transaction: 15.5 s, in which a race that was lost is over. With a login of 20 s in
each it is two minutes and a quarter, in which a workgroup that sleeps wakes."""

READING = Retries(4)
"""A day's reading that gave way, as somebody waits for the table or the source is busy. Each further attempt waits for
the end of that: 10 minutes for a lock, for a busy source as long as the catalog's `pause_above` says."""

STEP = Retries(3, pause=5.0)
"""A step that talks to a server: 20 s, as Dagster reckons it (5 s and 15 s, each up to 5 s less or more)."""

DAY = Retries(3, pause=3600.0, growth=1.0)
"""The runs of an asset's day, the one that was scheduled among them: 2 hours. The sensor `gaps` requests the others,
and then leaves the day to people."""
