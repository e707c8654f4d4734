"""When marts are built, and transforms are computed: declaratively, once all of their inputs' day has landed.

The conditions are put together from Dagster's own, clause by clause, because `eager()` looks at the latest day alone
and so would pass over a day that is loaded later, and would never build a mart without days whose tables lack any
day of their history.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg


def mart_condition(*, by_day: bool, monthly: Sequence[dg.AssetKey] = ()) -> dg.AutomationCondition[Any]:
    """Return when a mart is built.

    With days: a day is built when one of its inputs' days has been loaded, anew or again, and none is missing. Without:
    the mart is built when any day of an input was loaded and each input has yesterday. Both wait while an input is
    being made, and act once for a change, so that a build that fails is not repeated for ever. What the same run has
    built together with its inputs is not built twice.

    Args:
        monthly: Tables that are loaded once a month, for which nothing waits.
    """
    late = dg.AssetSelection.assets(*monthly)
    updated = dg.AutomationCondition.any_deps_updated()
    # `since_last_handled()` would forget a change of an input in the tick behind a request, or while a mart is built.
    requested = dg.AutomationCondition.newly_requested() & ~updated
    # An initial evaluation, such as the one behind a change of the catalog's first day, forgets nothing either.
    changed = updated.since(requested)
    if by_day:
        missing = dg.AutomationCondition.any_deps_missing()
        landed = ~(missing.ignore(late) if monthly else missing)
    else:
        yesterday = dg.AutomationCondition.in_latest_time_window() & ~dg.AutomationCondition.missing()
        has_yesterday = dg.AutomationCondition.all_deps_match(yesterday)
        landed = has_yesterday.ignore(late) if monthly else has_yesterday
    idle = ~dg.AutomationCondition.any_deps_in_progress() & ~dg.AutomationCondition.in_progress()
    return (
        changed.with_label("an input was loaded")
        & landed.with_label("every input's day is there")
        & idle.with_label("nothing of it is being made")
    ).with_label("all inputs' day has landed")
