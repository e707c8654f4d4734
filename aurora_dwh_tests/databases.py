"""Empty databases of the Redshift stand-in: what one test has left is emptied for the next.

To make a database takes ten times as long, for PostgreSQL copies all of its catalog.
"""

from __future__ import annotations

import itertools
from weakref import WeakKeyDictionary

from aurora_dwh.local.redshift import RedshiftStandIn
from aurora_dwh.local.redshift.errors import UpstreamError
from aurora_dwh.local.redshift.sqltext import quote
from aurora_dwh.local.redshift.upstream import literal

USES = 40
"""How often one is used: with what is gone of it, its catalog grows."""

_EMPTY = """
DO $$
DECLARE
  owner oid := (SELECT nspowner FROM pg_namespace WHERE nspname = 'public');
  one name;
BEGIN
  SET LOCAL lock_timeout = '5s';
  IF EXISTS (SELECT FROM pg_database d WHERE datname = current_database()
             AND (datacl IS NOT NULL OR d.oid IN (SELECT setdatabase FROM pg_db_role_setting))) THEN
    RAISE 'what is set for a database itself stays with it';
  END IF;
  FOR one IN SELECT DISTINCT r.rolname FROM pg_roles r JOIN pg_shdepend s ON s.refobjid = r.oid
             WHERE s.refclassid = 'pg_authid'::regclass AND NOT r.rolsuper AND r.rolname !~ '^pg_'
             AND s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) LOOP
    EXECUTE format('DROP OWNED BY %I CASCADE', one);
  END LOOP;
  FOR one IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', one);
  END LOOP;
  FOR one IN SELECT relname FROM pg_class
             WHERE relnamespace = 'pg_standin'::regnamespace AND relkind = 'r' AND relname <> 'installed' LOOP
    EXECUTE format('DELETE FROM pg_standin.%I', one);
  END LOOP;
  EXECUTE format('CREATE SCHEMA public AUTHORIZATION %s', owner::regrole);
  GRANT USAGE ON SCHEMA public TO PUBLIC;
END $$
"""

_END_SESSIONS = """
DO $$
BEGIN
  LOOP
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {} AND pid <> pg_backend_pid();
    EXIT WHEN NOT FOUND;
    PERFORM pg_sleep(0.002), pg_stat_clear_snapshot();
  END LOOP;
END $$
"""

_numbers = itertools.count(1)
_spare: WeakKeyDictionary[RedshiftStandIn, dict[str, int]] = WeakKeyDictionary()


def take(redshift: RedshiftStandIn, name: str) -> int:
    """Give an empty database a name, and return how often it was used before."""
    spare = _spare.setdefault(redshift, {})
    if not spare:
        redshift.create_database(name)
        return 0
    used, uses = spare.popitem()
    _rename(redshift, used, name)
    return uses


def give_back(redshift: RedshiftStandIn, name: str, uses: int) -> None:
    """End a database's sessions and empty it, or drop it where it would not be as if it were new."""
    if uses < USES:
        try:
            with redshift.admin(name) as admin:
                admin.query(_END_SESSIONS.format("current_database()"))
                admin.query(_EMPTY)
            empty = f"empty_{next(_numbers)}"
            _rename(redshift, name, empty)
        except UpstreamError:
            pass
        else:
            _spare[redshift][empty] = uses + 1
            return
    with redshift.admin("postgres") as admin:
        admin.query(f"DROP DATABASE {quote(name)} WITH (FORCE)")  # a whole run would else leave 20 GB


def _rename(redshift: RedshiftStandIn, name: str, to: str) -> None:
    with redshift.admin("postgres") as admin:
        admin.query(_END_SESSIONS.format(literal(name)))  # else a tenth of a second is waited for the last to end
        admin.query(f"ALTER DATABASE {quote(name)} RENAME TO {quote(to)}")
