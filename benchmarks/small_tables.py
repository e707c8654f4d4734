"""Many small tables, with a few hundred rows a day each: what most days of most tables are.

Each use makes a database of its own in the source, a catalog and a database that the tables are loaded into.
"""

from __future__ import annotations

from benchmarks.rig import Rig
from benchmarks.tables import FIRST_DAY

ROWS_A_DAY = 300

DDL = (
    "CREATE TABLE t{0} (id int PRIMARY KEY, name varchar(40), amount decimal(12,2), note text, "
    "updated_at datetime NOT NULL, KEY (updated_at))"
)
ROWS = (
    "INSERT INTO t{0} SELECT seq, CONCAT('name ', seq), seq / 100, REPEAT('note ', seq % 20), "
    f"TIMESTAMP '{FIRST_DAY} 00:00:00' + INTERVAL seq DIV {ROWS_A_DAY} DAY + INTERVAL seq % {ROWS_A_DAY} MINUTE "
    f"FROM seq_{{1}}_to_{{2}}"
)


def make(rig: Rig, name: str, tables: int, days: range) -> dict[str, str]:
    """Make the tables `t0`, `t1` and so on.

    Args:
        rig: The servers.
        name: Sets this use apart from others.
        tables: How many.
        days: Which days have rows, in days from `FIRST_DAY` on.

    Returns:
        The product's settings.
    """
    rig.execute(f"CREATE DATABASE {name}")
    first, last = days.start * ROWS_A_DAY, days.stop * ROWS_A_DAY - 1
    for number in range(tables):
        rig.execute(DDL.format(number), ROWS.format(number, first, last), database=name)
    rig.settle()
    rig.redshift.create_database(name)
    entries = {f"t{number}": "{key: id, cursor: updated_at}" for number in range(tables)}
    return rig.variables(entries, name=name, database=name)
