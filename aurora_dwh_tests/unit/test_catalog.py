# ruff: noqa: E501 - the texts of errors are compared as they are read: one line each
"""What a catalog file is read as, and what is said about one that is wrong."""

import json
from datetime import date, timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import ValidationError

from aurora_dwh.catalog.fields import ConstantMask, KeepLastMask, PauseAbove
from aurora_dwh.catalog.file import TOP_FIELDS
from aurora_dwh.catalog.model import Catalog, CatalogError, Problem, Table, TableFields

HEAD = "timezone: Asia/Tokyo\nstart_date: 2024-01-01\n"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str) -> Catalog:
    Path("catalog.yaml").write_text(dedent(text), encoding="utf-8")
    return Catalog.load(Path("catalog.yaml"))


def errors(text: str) -> str:
    with pytest.raises(CatalogError) as caught:
        load(text)
    return str(caught.value)


def problems_of(text: str) -> list[Problem]:
    try:
        load(text)
    except CatalogError as error:
        return error.problems
    return []


def table(fields: str) -> Table:
    return load(HEAD + f"tables: {{t: {fields}}}").tables["t"]


def table_errors(fields: str) -> list[str]:
    """Return the messages about one table that is written on line 3, without their place."""
    place = "catalog.yaml:3: table t: "
    lines = errors(HEAD + f"tables: {{t: {fields}}}").splitlines()
    assert all(line.startswith(place) for line in lines), lines
    return [line.removeprefix(place) for line in lines]


def test_words_and_numbers_are_those_of_yaml_1_2() -> None:
    """`no`, `on` and `1:30` are texts, and 010 is ten."""
    fields = ("mode: append", "cursor: on", "description: 1:30", "exclude: [y, off]", "chunk_rows: 010")
    found = load(HEAD + "tables:\n  no:\n" + "".join(f"    {field}\n" for field in fields)).tables["no"]
    assert (found.cursor, found.description, found.exclude, found.chunk_rows) == ("on", "1:30", ("y", "off"), 10)


def test_the_sample_shop() -> None:
    catalog = Catalog.load()
    assert (catalog.timezone, catalog.start_date, catalog.schedule) == ("Asia/Tokyo", date(2024, 1, 1), "01:00")
    assert {name: (t.mode, t.key, t.cursor, t.lookback, t.cursor_timezone) for name, t in catalog.tables.items()} == {
        "products_master": ("incremental", ("product_id",), "update_date", timedelta(hours=1), "Asia/Tokyo"),
        "orders_master": ("incremental", ("order_id",), "update_date", timedelta(hours=1), "Asia/Tokyo"),
        "order_details_master": (
            "incremental",
            ("order_id", "product_id"),
            "update_date",
            timedelta(hours=1),
            "Asia/Tokyo",
        ),
        "country": ("full", (), None, timedelta(0), None),
        "page_view": ("append", (), "viewed_at", timedelta(hours=1), "Asia/Tokyo"),
    }
    assert catalog.tables["orders_master"].soft_delete == "delete_date"
    assert catalog.tables["order_details_master"].dist_key == "order_id"
    assert all(t.description and t.owners for t in catalog.tables.values())


def test_the_file_that_the_environment_names_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("other.yaml").write_text(HEAD + "tables: {t: {mode: full}}", encoding="utf-8")
    monkeypatch.setenv("AURORA_DWH_CATALOG", "other.yaml")
    assert list(Catalog.load().tables) == ["t"]


def test_every_field_is_read() -> None:
    read = table(
        """{key: [Id, shop], cursor: updated, cursor_timezone: America/Chicago, lookback: 90m, soft_delete: gone,
        include: [id, shop, updated, gone], exclude: secret, filter: "shop > 0", dist_key: id, sort_key: [updated, id],
        on_drift: freeze, zero_dates: fail, target_table: T2, description: d, owners: a@b.example, tags: {tier: gold}}"""
    )
    assert read.model_dump(exclude_defaults=True) == {
        "name": "t",
        "key": ("Id", "shop"),
        "cursor": "updated",
        "cursor_timezone": "America/Chicago",
        "lookback": timedelta(minutes=90),
        "soft_delete": "gone",
        "include": ("id", "shop", "updated", "gone"),
        "exclude": ("secret",),
        "filter": "shop > 0",
        "dist_key": "id",
        "sort_key": ("updated", "id"),
        "on_drift": "freeze",
        "zero_dates": "fail",
        "target_table": "T2",
        "description": "d",
        "owners": ("a@b.example",),
        "tags": {"tier": "gold"},
    }
    assert read.target == "t2"


@pytest.mark.parametrize(
    ("written", "read"),
    [('"01:00"', "01:00"), ("01:00", "01:00"), ("1:30", "01:30"), ("23:59", "23:59"), ("'00:00'", "00:00")],
)
def test_a_time_of_day_is_text_with_and_without_quotes(written: str, read: str) -> None:
    assert load(HEAD + f"schedule: {written}\ntables: {{t: {{mode: full}}}}").schedule == read


@pytest.mark.parametrize("written", ["60", "24:00", "12:60", "noon", "01:00:00", "[1]"])
def test_what_is_no_time_of_day_is_refused(written: str) -> None:
    message = errors(HEAD + f"schedule: {written}\ntables: {{t: {{mode: full}}}}")
    assert message.startswith("catalog.yaml:3: schedule: ")
    assert message.endswith('is not a time of day; write it as "HH:MM", in quotes, such as "01:00"')


def test_a_file_of_yaml_1_1_does_not_turn_a_time_into_a_number() -> None:
    assert load("%YAML 1.1\n---\n" + HEAD + "schedule: 01:00\ntables: {t: {mode: full}}").schedule == "01:00"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("30s", timedelta(seconds=30)),
        ("90m", timedelta(minutes=90)),
        ("1h", timedelta(hours=1)),
        ("2d", timedelta(days=2)),
        ("0", timedelta(0)),
    ],
)
def test_durations(written: str, read: timedelta) -> None:
    assert table(f"{{key: id, cursor: u, lookback: {written}}}").lookback == read


@pytest.mark.parametrize("written", ["60", "1w", "-1h", "1.5h", "true", "''"])
def test_what_is_no_duration_is_refused(written: str) -> None:
    [message] = table_errors(f"{{key: id, cursor: u, lookback: {written}}}")
    assert message.endswith("is not a duration; write a number and a unit, such as 30s, 90m, 1h or 2d")


def test_null_is_a_policy_where_it_is_one() -> None:
    assert table("{mode: full, zero_dates: null}").zero_dates == "null"
    assert Table(name="t", mode="full", oversize=None).oversize == "null"  # type: ignore[arg-type]


def test_masks_are_read_though_they_are_not_built() -> None:
    fields = {"a": "sha256", "b": None, "c": {"value": "x"}, "d": {"keep_last": 4}}
    masks = Table.model_validate({"name": "t", "mode": "full", "mask": fields}).mask
    assert masks == {"a": "sha256", "b": "null", "c": ConstantMask(value="x"), "d": KeepLastMask(keep_last=4)}


@pytest.mark.parametrize(
    "mask", ["md5", "{keep_last: 0}", "{keep_last: 2, value: x}", "{}", "[sha256]", "{value: [1]}"]
)
def test_what_is_no_mask_is_refused(mask: str) -> None:
    [message] = table_errors(f"{{mode: full, mask: {{email: {mask}}}}}")
    assert message.startswith("mask.email: ")
    assert message.endswith("is not a mask; write sha256, hmac, null, {value: ...} or {keep_last: n}")


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("SELECT 1 AS one", "SELECT 1 AS one"),
        ("\n  select 'a;b:c?' as x, `for update` from t; -- done;\n", "select 'a;b:c?' as x, `for update` from t"),
        ("SELECT*FROM t", "SELECT*FROM t"),
        ("(SELECT 1 AS v) UNION (SELECT 2)", "(SELECT 1 AS v) UNION (SELECT 2)"),
        ("/* :day */ WITH x AS (SELECT 1 AS v) SELECT v, @a := 1 AS a FROM x # it's", None),
        ("SELECT \"say \\\" ; \" AS s, 'it''s; :a' AS t, created_at AS into_it FROM t", None),
    ],
)
def test_a_query_is_one_select_without_its_semicolon(query: str, read: str | None) -> None:
    assert Table(name="t", mode="full", query=query).query == (read or query.strip())


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("-- nothing", "holds no statement; write a SELECT"),
        (";", "holds no statement; write a SELECT"),
        ("SELECT 1 AS a; DROP TABLE t", "holds several statements; write one SELECT"),
        ("DELETE FROM t", "begins with 'DELETE'; write a SELECT, or WITH and a SELECT"),
        ("SELECT_ 1", "begins with 'SELECT_'; write a SELECT, or WITH and a SELECT"),
        ("(CALL p())", "begins with 'CALL'; write a SELECT, or WITH and a SELECT"),
        ("SELECT * FROM t FOR\nUPDATE", "writes or locks by 'FOR\\nUPDATE', and a query may only read; take that clause out"),
        ("SELECT * FROM t LOCK IN SHARE MODE", "writes or locks by 'LOCK IN SHARE MODE', and a query may only read; take that clause out"),
        ("SELECT * FROM t /*! FOR SHARE */", "writes or locks by 'FOR SHARE', and a query may only read; take that clause out"),
        ("SELECT 1 INTO @a", "writes or locks by 'INTO', and a query may only read; take that clause out"),
        (
            "SELECT * FROM t WHERE at >= :day",
            "holds the placeholder ':day', and nothing is put in there; name a column of the result in `cursor`, by which each day's rows are asked for around the query",
        ),
    ],
)  # fmt: skip
def test_what_is_no_query_is_refused_with_its_line(query: str, message: str) -> None:
    text = HEAD + f"tables:\n  t:\n    mode: full\n    query: {json.dumps(query)}\n"
    assert errors(text) == f"catalog.yaml:6: table t: query: {message}"


def test_aurora_itself_exports_no_query() -> None:
    [message] = table_errors("{mode: full, query: SELECT 1 AS a, extract: outfile}")
    assert message.startswith("extract: `extract: outfile` takes no `query`: ")
    assert message.endswith("write `extract: stream` for this table")


def test_a_query_needs_a_key_in_mode_incremental_as_any_table() -> None:
    [message] = table_errors("{query: SELECT 1 AS a, cursor: a}")
    assert message.startswith("key: mode incremental upserts rows by their key; add `key: [...]`")


def test_sort_key_is_the_cursor_where_none_is_given() -> None:
    assert table("{key: id, cursor: u}").effective_sort_key == ("u",)
    assert table("{key: id, cursor: u, sort_key: id}").effective_sort_key == ("id",)
    assert table("{mode: full}").effective_sort_key == ()


def test_a_catalog_cannot_be_changed() -> None:
    read = table("{mode: full}")
    with pytest.raises(ValidationError, match="frozen"):
        read.mode = "append"  # type: ignore[misc]


def test_every_problem_of_a_file_is_reported_with_its_place() -> None:
    text = """\
    timezone: Asia/Tokio
    start_date: 2999-01-01
    shedule: "01:00"
    defaults:
      cursor: update_date
      lookback: long
    tables:
      orders:
        keys: order_id
      items:
        key: [order_id, Order_ID]
        exclude:
          - note
          - UPDATE_DATE
      views:
        mode: appended
      pages: {mode: append, deletes: flag, owners: [team:data-platform]}
      country: [full]
    """
    assert errors(text) == dedent(
        """\
        catalog.yaml:1: timezone: 'Asia/Tokio' is not a time zone, did you mean `Asia/Tokyo`?; write an IANA name such as Asia/Tokyo
        catalog.yaml:3: shedule: not a field of the catalog, did you mean `schedule`?
        catalog.yaml:6: defaults.lookback: 'long' is not a duration; write a number and a unit, such as 30s, 90m, 1h or 2d
        catalog.yaml:8: table orders: key: mode incremental upserts rows by their key; add `key: [...]`, as `aurora-dwh discover --output suggested.yaml` finds one, or use mode full or append
        catalog.yaml:9: table orders: keys: not a field of a table, did you mean `key`?
        catalog.yaml:11: table items: key: 'order_id' and 'Order_ID' are one column in Redshift, which folds names to lower case; name it once
        catalog.yaml:12: table items: exclude: 'update_date' is the table's cursor and must be copied; take it off the list
        catalog.yaml:16: table views: mode: 'appended' is none of 'incremental', 'full' or 'append'
        catalog.yaml:17: table pages: owners: 'team:data-platform' is not an owner; write an e-mail address, or team:name with letters, digits and _ only
        catalog.yaml:17: table pages: deletes: `deletes: flag` finds rows by their key; add `key: [...]`, or keep them
        catalog.yaml:18: table country: must hold fields, such as `country: {key: id}`, or nothing"""
    )


def test_a_table_of_no_fields_is_found_too() -> None:
    assert (
        errors(HEAD + "tables:\n  t: {}").splitlines()[0].startswith("catalog.yaml:4: table t: key: mode incremental")
    )


def test_a_problem_has_parts() -> None:
    with pytest.raises(CatalogError) as caught:
        load(HEAD + "tables:\n  t: {mode: full, cursor: u}")
    [problem] = caught.value.problems
    assert (problem.file, problem.line, problem.table, problem.field) == ("catalog.yaml", 4, "t", "cursor")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            "{cursor: u}",
            "key: mode incremental upserts rows by their key; add `key: [...]`, as `aurora-dwh discover --output suggested.yaml` finds one, or use mode full or append",
        ),
        (
            "{mode: append}",
            "cursor: mode append finds a day's rows by their cursor; add `cursor: ...`, the column that says when a row was last written, or use mode full",
        ),
        ("{mode: full, lookback: 1h}", "lookback: mode full takes no lookback: the whole table is copied; leave it out"),
        ("{key: id, cursor: u, exclude: ID}", "exclude: 'id' is the table's key and must be copied; take it off the list"),
        ("{key: id, cursor: u, include: id}", "include: 'u' is the table's cursor and must be copied; add it to the list"),
        (
            "{mode: full, dist_key: d, exclude: d}",
            "exclude: 'd' is the table's dist_key and must be copied; take it off the list",
        ),
        (
            "{mode: full, sort_key: [a, s], exclude: [s]}",
            "exclude: 's' is the table's sort_key and must be copied; take it off the list",
        ),
        ("{mode: full, include: [a, b], exclude: B}", "exclude: 'b' is in `include` too; take it off one of the lists"),
        (
            "{mode: full, include: [_dwh_day]}",
            "include: '_dwh_day' is reserved: names that begin with _dwh_ are aurora-dwh's own",
        ),
        ("{mode: full, key: ['']}", "key: a name must not be empty"),
        (
            "{mode: full, key: 7}",
            "key: 7 is not what belongs here: write a name, or a list such as [a, b]",
        ),
        (
            "{mode: full, dist_key: 2024-01-01}",
            "dist_key: datetime.date(2024, 1, 1) is not what belongs here: write a text, in quotes where YAML would read a number or a date",
        ),
        ("{mode: full, chunk_rows: 0}", "chunk_rows: 0 is too small; write 1 or more"),
        ("{mode: full, chunk_rows: true}", "chunk_rows: True is not what belongs here: write a whole number"),
        ("{mode: full, tags: {tier: 1}}", "tags.tier: 1 is not a tag's value; write up to 63 letters, digits, _ . or -, numbers in quotes"),
        ("{mode: full, tags: {'a b': c}}", "tags.a b: 'a b' is not a tag's name; write up to 63 letters, digits, _ . or -"),
        ("{mode: full, name: x}", "name: a table's name is the word before the colon; leave this field out"),
        ("{mode: full, target_table: " + "x" * 128 + "}", "target_table: the name is 128 bytes long and Redshift cuts names at 127; set a shorter `target_table`"),
        ("{mode: full, target_table: '#t'}", "target_table: Redshift takes '#t' for a temporary table, as it begins with #; set another `target_table`"),
        ("{mode: full, key: id, deletes: flag}", "deletes: mode full takes no deletes: the whole table is copied; leave it out"),
        ("{mode: append, cursor: u, deletes: flag}", "deletes: `deletes: flag` finds rows by their key; add `key: [...]`, or keep them"),
        ("{mode: full, keep: 12h}", "keep: '12h' is not a number of days; write it with its unit, such as 90d"),
        ("{mode: full, keep: 0d}", "keep: '0d' is not a number of days; write it with its unit, such as 90d"),
        ("{mode: append, cursor: u, keep: 90d}", "keep: mode append takes no keep: its days are the table's rows, not copies of it; leave it out"),
        ("{key: id, cursor: u, cursor_timezone: JST-9}", "cursor_timezone: 'JST-9' is not a time zone; write an IANA name such as Asia/Tokyo"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said(fields: str, message: str) -> None:
    assert table_errors(fields) == [message]


def test_a17_a_table_without_a_key_cannot_be_incremental() -> None:
    with pytest.raises(ValidationError, match="mode incremental upserts rows by their key"):
        Table(name="t", cursor="u")


def test_copies_are_kept_as_long_as_the_defaults_say() -> None:
    text = (
        HEAD + "defaults: {keep: 90d}\ntables: {a: {mode: full}, b: {mode: full, keep: null}, c: {key: id, cursor: u}}"
    )
    assert {name: table.keep for name, table in load(text).tables.items()} == {
        "a": timedelta(days=90),
        "b": None,
        "c": None,
    }


def test_an_export_has_no_ceiling() -> None:
    message = (
        "max_rows_per_second: `extract: outfile` has no ceiling, as Aurora writes an export at its own speed; write "
        "`null` for this table"
    )
    fields = "key: id, cursor: u, extract: outfile"
    assert table_errors(f"{{{fields}, max_rows_per_second: 5}}") == [message]
    defaults = HEAD + "defaults: {max_rows_per_second: 5}\n"
    assert message in errors(defaults + f"tables: {{t: {{{fields}}}}}")
    load(defaults + f"tables: {{t: {{{fields}, max_rows_per_second: null}}}}")


def test_a_table_is_read_by_several_connections_where_that_can_be() -> None:
    assert load(HEAD + "tables: {t: {key: id, cursor: u}}").tables["t"].connections == 1
    defaults = HEAD + "defaults: {connections: 4}\n"
    read = load(defaults + "tables: {a: {key: id, cursor: u}, b: {mode: append, cursor: u}, c: {mode: full}}").tables
    assert {name: table.connections for name, table in read.items()} == {"a": 4, "b": 4, "c": 1}
    (message,) = table_errors("{mode: full, connections: 2}")
    assert message == (
        "connections: mode full takes no connections: the copy is the table at one moment, which several connections do "
        "not see; leave it out"
    )
    exported = "key: id, cursor: u, extract: outfile"
    message = "connections: with `extract: outfile` Aurora writes by one connection; write `1` for this table"
    assert table_errors(f"{{{exported}, connections: 2}}") == [message]
    assert message in errors(defaults + f"tables: {{t: {{{exported}}}}}")
    load(defaults + f"tables: {{t: {{{exported}, connections: 1}}}}")
    (message,) = table_errors("{query: SELECT 1 AS id, cursor: u, mode: append, connections: 2}")
    assert message == "connections: a `query` has no primary key to part its rows by; write `1` for this table"
    for wrong in ("0", "9", "2.5", "true"):
        assert table_errors(f"{{key: id, cursor: u, connections: {wrong}}}")


def test_a_new_name_is_one_columns_and_nobody_elses_own() -> None:
    fields = "mode: full, key: id, rename: {{{}}}"
    read = load(HEAD + f"tables: {{t: {{{fields.format('Id: Number, _dwh_x: x')}}}}}").tables["t"]
    assert [read.copied(name) for name in ("ID", "_DWH_X", "other")] == ["Number", "x", "other"]
    assert table_errors(f"{{{fields.format('a: N, b: n')}}}") == [
        "rename: 'a' and 'b' both become 'n'; choose another name"
    ]
    assert table_errors(f"{{{fields.format('a: x, A: y')}}}") == [
        "rename: 'a' and 'A' are one column in Redshift, which folds names to lower case; name it once"
    ]
    assert "names that begin with _dwh_ are aurora-dwh's own" in table_errors(f"{{{fields.format('a: _dwh_day')}}}")[0]
    assert table_errors(f"{{{fields.format('a: x')}, exclude: a}}") == [
        "exclude: 'a' is the table's rename and must be copied; take it off the list"
    ]


def test_aurora_has_no_key_to_hash_an_export_with() -> None:
    fields = "key: id, cursor: u, mask: {email: hmac}"
    load(HEAD + f"tables: {{t: {{{fields}}}}}")
    assert table_errors(f"{{{fields}, extract: outfile}}") == [
        "extract: Aurora has no key to hash with, so a table with `mask: hmac` is read by `extract: stream`"
    ]


def test_a_table_is_not_both_listed_and_ignored() -> None:
    read = load(HEAD + "ignore: [tmp_*, 'a[b]', \"*_old\"]\ntables: {t: {mode: full}}")
    assert [read.ignored_by(name) for name in ("tmp_x", "x_tmp_", "ab", "t_old", "t", "TMP_x")] == [
        "tmp_*", None, "a[b]", "*_old", None, None
    ]  # fmt: skip
    message = errors(HEAD + "ignore: tmp_*\ntables:\n  t: {mode: full}\n  tmp_a: {mode: full}")
    assert message == (
        "catalog.yaml:6: table tmp_a: is listed, and 'tmp_*' of `ignore` leaves it out; take either the table or the "
        "pattern out"
    )
    assert "catalog.yaml:3: ignore" in errors(HEAD + "ignore: {a: b}\ntables: {t: {mode: full}}")


def test_monthly_is_a_tables_schedule_and_not_the_catalogs() -> None:
    message = errors(HEAD + "schedule: monthly\ntables: {t: {mode: full}}")
    assert message == (
        'catalog.yaml:3: schedule: \'monthly\' is not a time of day; write it as "HH:MM", in quotes, such as "01:00"'
    )


@pytest.mark.parametrize("cron", ["*/15 8-20 * * 1-5", "0 9,12,15 * * *", "5 */2 1-10/3 * 0,6"])
def test_a_tables_schedule_is_daily_monthly_hourly_or_a_cron(cron: str) -> None:
    catalog = load(HEAD + f"tables: {{t: {{mode: full, schedule: '{cron}'}}, h: {{mode: full, schedule: hourly}}}}")
    assert (catalog.tables["t"].cron, catalog.tables["h"].cron) == (cron, "0 * * * *")


@pytest.mark.parametrize(
    "written",
    ["weekly", "hurly", "01:00", "60 * * * *", "* * * *", "* * * * * *", "5-1 * * * *", "*/90 * * * *", "@hourly"],
)
def test_any_other_schedule_of_a_table_is_refused_with_what_to_write(written: str) -> None:
    (message,) = table_errors(f"{{mode: full, schedule: '{written}'}}")
    near = ", did you mean `hourly`?" if written in ("hurly", "@hourly") else ""
    assert message == (
        f"schedule: {written!r} is not a table's schedule{near}; write daily, monthly, hourly, or a cron of five "
        'fields in figures, in quotes, such as "*/15 8-20 * * 1-5"'
    )


def test_a22_two_tables_cannot_share_a_name_in_redshift() -> None:
    text = HEAD + "tables:\n  Orders: {mode: full}\n  orders: {mode: full}\n  o: {mode: full, target_table: ORDERS}\n"
    assert errors(text).splitlines() == [
        "catalog.yaml:5: table orders: target_table: table Orders goes to 'orders' in Redshift too; set another `target_table`",
        "catalog.yaml:6: table o: target_table: table Orders goes to 'orders' in Redshift too; set another `target_table`",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", "catalog.yaml:2: is not YAML: while parsing a flow sequence, expected ',' or ']', but got ':'"),
        ("timezone: UTC\ntimezone: UTC\n", "catalog.yaml:2: 'timezone' is written twice here; keep one of the two"),
        ("- a\n", "catalog.yaml: must hold fields such as `timezone:` and `tables:`"),
        ("", "catalog.yaml: must hold fields such as `timezone:` and `tables:`"),
        (
            "tables:\n",
            "catalog.yaml:1: timezone: say at whose midnight days are cut: `timezone: Asia/Tokyo`\ncatalog.yaml:1: start_date: say which day is the first: `start_date: 2024-01-01`\ncatalog.yaml:1: tables: list the tables to copy, or run `aurora-dwh discover`",
        ),
        (HEAD + "tables: [a]\n", "catalog.yaml:3: tables: must hold one entry for each table, such as `tables: {orders: {key: order_id}}`"),
        (HEAD + "defaults: x\ntables: {t: {mode: full}}\n", "catalog.yaml:3: defaults: must hold table fields, such as `defaults: {cursor: updated_at}`"),
        ("timezone: UTC\nstart_date: 20240101\ntables: {t: {mode: full}}\n", "catalog.yaml:2: start_date: '20240101' is not a day; write it as YYYY-MM-DD, such as 2024-01-01"),
        ("timezone: UTC\nstart_date: 2024-02-30\ntables: {t: {mode: full}}\n", "catalog.yaml:2: start_date: '2024-02-30' is not a day of the calendar; write it as YYYY-MM-DD, such as 2024-01-01"),
        ("timezone: UTC\nstart_date: '2024-02-30'\ntables: {t: {mode: full}}\n", "catalog.yaml:2: start_date: '2024-02-30' is not a day of the calendar; write it as YYYY-MM-DD, such as 2024-01-01"),
        ("timezone: UTC\nstart_date: 2024-02-30 25:00:00\ntables: {t: {mode: full}}\n", "catalog.yaml:2: start_date: '2024-02-30 25:00:00' is not a day; write it as YYYY-MM-DD, such as 2024-01-01"),
        (HEAD + "tables:\n  t: {mode: full}\n  u: {mode: full, schedule: 2024-02-30}\n", "catalog.yaml:5: table u: schedule: '2024-02-30' is not a table's schedule; write daily, monthly, hourly, or a cron of five fields in figures, in quotes, such as \"*/15 8-20 * * 1-5\""),
        ("timezone: UTC\nstart_date: 2999-01-01\ntables: {t: {mode: full}}\n", "catalog.yaml:2: start_date: 2999-01-01 lies in the future; write today or an earlier day"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(text: str, message: str) -> None:
    assert errors(text) == message


def test_a_missing_file_and_one_in_another_encoding_are_named() -> None:
    with pytest.raises(
        CatalogError, match=r"^none\.yaml: cannot be read \(No such file or directory\); name a catalog"
    ):
        Catalog.load(Path("none.yaml"))
    Path("latin.yaml").write_bytes(b"timezone: \xe9")
    with pytest.raises(CatalogError, match=r"^latin\.yaml: is not UTF-8 text \(byte 10\); save it as UTF-8$"):
        Catalog.load(Path("latin.yaml"))


def test_defaults_reach_only_the_modes_that_they_mean_something_in() -> None:
    catalog = load(
        HEAD
        + "defaults: {cursor: u, key: id, lookback: 1h, mode: append, deletes: flag}\n"
        + "tables: {a: null, f: {mode: full}, i: {mode: incremental, cursor: w}}\n"
    )
    assert [(t.mode, t.key, t.cursor, t.lookback.seconds, t.deletes) for t in catalog.tables.values()] == [
        ("append", ("id",), "u", 3600, "flag"),
        ("full", ("id",), None, 0, "keep"),
        ("incremental", ("id",), "w", 3600, "flag"),
    ]


ODD = [
    "null",
    "true",
    "7",
    "1.5",
    "text",
    "''",
    "[]",
    "[1]",
    "[[a]]",
    "{}",
    "{a:|b}",
    "{1:|2}",
    "2024-01-01",
    "~",
    "&x|a",
    "0x1f",
    "!tag|v",
]
"""What could stand behind a colon, with | for a blank."""


@pytest.mark.parametrize("field", [*TableFields.model_fields, "other"])
def test_whatever_is_written_is_read_or_refused_in_words(field: str) -> None:
    for written in ODD:
        fields = f"{{{field}: {written.replace('|', ' ')}}}"
        for text in (f"tables: {{t: {fields}}}", f"defaults: {fields}\ntables: {{t: {{mode: full}}}}"):
            problems = problems_of(HEAD + text)
            assert all(p.line and p.field and "pydantic" not in p.message for p in problems), (text, problems)


@pytest.mark.parametrize("field", TOP_FIELDS)
def test_whatever_is_written_at_the_top_is_read_or_refused_in_words(field: str) -> None:
    top = {"timezone": "UTC", "start_date": "2024-01-01", "tables": "{t: {mode: full}}"}
    for written in ODD:
        fields = top | {field: written.replace("|", " ")}
        problems = problems_of("".join(f"{name}: {value}\n" for name, value in fields.items()))
        assert all(p.line and "pydantic" not in p.message for p in problems), (written, problems)


def test_yaml_anchors_and_merged_keys_are_followed() -> None:
    text = HEAD + "tables:\n  a: &base {key: id, cursor: u}\n  b:\n    <<: *base\n    lookback: soon\n"
    assert errors(text).startswith("catalog.yaml:7: table b: lookback: 'soon' is not a duration")
    assert load(text.replace("soon", "1h")).tables["b"].key == ("id",)


def test_reading_imports_neither_orchestrator_nor_data_libraries() -> None:
    import subprocess
    import sys

    code = "import sys; from aurora_dwh.catalog.model import Catalog; Catalog.load(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"dagster", "pyarrow", "boto3", "pymysql", "numpy"} & set(loaded)


def test_limits_and_pools_are_read() -> None:
    limits = "pause_above: {threads_running: 40, replica_lag: 30s, give_up_after: 10m}\npools: {aurora: 2}\n"
    read = load(HEAD + limits + "defaults: {max_rows_per_second: 500}\ntables: {t: {mode: full}}")
    assert read.pause_above == PauseAbove(
        threads_running=40, replica_lag=timedelta(seconds=30), give_up_after=timedelta(minutes=10)
    )
    assert (read.pools.aurora, read.pools.redshift) == (2, 4)
    assert read.tables["t"].max_rows_per_second == 500
    assert load(HEAD + "tables: {t: {mode: full}}").pause_above is None


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("pools: {aurorra: 2}", "3: pools.aurorra: not a field of pools, did you mean `aurora`?"),
        ("pools: {aurora: 0}", "3: pools.aurora: 0 is too small; write 1 or more"),
        ("pools: 4", "3: pools: 4 is not what belongs here: write fields, as docs/catalog.md shows"),
        (
            "pause_above: {replica_lag: 30}",
            "3: pause_above.replica_lag: 30 is not a duration; write a number and a unit",
        ),
        ("pause_above: {threads: 3}", "3: pause_above.threads: not a field of pause_above"),
    ],
)
def test_what_is_no_limit_or_pool_is_refused(written: str, message: str) -> None:
    assert errors(HEAD + f"{written}\ntables: {{t: {{mode: full}}}}").startswith(f"catalog.yaml:{message}")
