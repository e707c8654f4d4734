"""What the driver raises, told apart by one question: would trying again help?"""

from __future__ import annotations

import struct
from typing import Any

import pytest
from redshift_connector.error import IntegrityError, InterfaceError, OperationalError, ProgrammingError

from aurora_dwh.warehouse.errors import PassingError, WarehouseError, translate


def refused(state: str, message: str, detail: str = "") -> ProgrammingError:
    fields = {"S": "ERROR", "C": state, "M": message, **({"D": detail} if detail else {})}
    return ProgrammingError(fields)


@pytest.mark.parametrize(
    "statement",
    [
        'ALTER TABLE "staging"."or""ders" ADD COLUMN "a" INTEGER',
        'DROP TABLE IF EXISTS "staging"."or""ders"',
        'DROP VIEW "staging"."or""ders"',
    ],
)
def test_o19_what_belongs_to_another_user_is_told_with_what_to_run(statement: str) -> None:
    said = str(translate(refused("42501", "must be owner of relation or_ders"), statement))
    assert said.startswith("Redshift 42501: must be owner of relation or_ders in: ")
    assert 'an administrator run ALTER TABLE "staging"."or""ders" OWNER TO this process\'s user' in said
    assert "OWNER" not in str(translate(refused("42501", "permission denied for relation t"), statement))


VIOLATION = "Serializable isolation violation on table - 108512, transactions forming the cycle are: 1, 2 (pid:3)"


@pytest.mark.parametrize(
    "error",
    [
        refused("XX000", "1023", VIOLATION),
        refused("XX000", f"1023 DETAIL: {VIOLATION}"),
        refused("XX000", "ERROR: 1023 DETAIL: Serializable isolation violation on table - 1"),
        refused("XX000", "1023"),
        refused("XX000", "1018 DETAIL: Relation does not exist"),
        refused("40001", "could not serialize access due to concurrent update"),
        refused("40001", "try again"),
        refused("XX000", "deadlock detected"),
        refused("40P01", "deadlock detected"),
        refused("XX000", "could not complete because of conflict with concurrent transaction"),
        refused("XX000", "ERROR: could not open relation with OID 108512"),
        refused("XX000", "table 108512 dropped by concurrent transaction"),
        refused("57014", "Query cancelled"),
        refused("57P01", "terminating connection due to administrator command"),
        refused("57P03", "the database system is starting up"),
        refused("53300", "too many connections"),
        refused("08006", "connection failure"),
        InterfaceError("BrokenPipe: server socket closed"),
        InterfaceError(("communication error", ConnectionRefusedError(111))),
        OperationalError("timed out"),
        BrokenPipeError(32, "Broken pipe"),
        ConnectionResetError(104, "reset"),
        TimeoutError(),
        struct.error("unpack requires a buffer of 5 bytes"),
    ],
    ids=repr,
)
def test_a24_a_failure_that_may_pass_is_told_as_such(error: Exception) -> None:
    assert isinstance(translate(error, "SELECT 1"), PassingError)


@pytest.mark.parametrize(
    "error",
    [
        refused("42601", 'syntax error at or near "x"'),
        refused("42P01", 'relation "t" does not exist'),
        refused("42501", "permission denied"),
        refused("22001", "value too long for type character varying(1023)"),
        refused(
            "XX000",
            "Spectrum Scan Error",
            "File not found s3://lake/t/day=2024-01-05/part-20240105T102311-10181023.parquet",
        ),
        refused("XX000", "Spectrum Scan Error", "The length of the data column c is longer. Table: 200, Data: 1023"),
        refused("25P02", "current transaction is aborted"),
        InterfaceError({"S": "FATAL", "C": "28000", "M": 'password authentication failed for user "u"'}),
        IntegrityError({"S": "ERROR", "C": "23505", "M": "duplicate key"}),
    ],
    ids=repr,
)
def test_a_failure_that_would_come_again_is_told_as_such(error: Exception) -> None:
    translated = translate(error, "SELECT 1")
    assert isinstance(translated, WarehouseError)
    assert not isinstance(translated, PassingError)


def test_a26_the_message_has_state_text_detail_hint_and_statement() -> None:
    error = ProgrammingError({"S": "ERROR", "C": "42601", "M": "bad", "D": "more", "H": "try this", "P": "3"})
    translated = translate(error, "SELECT\n   1")
    assert str(translated) == "Redshift 42601: bad - more - try this in: SELECT 1"
    assert (translated.state, translated.statement) == ("42601", "SELECT\n   1")


def test_a_lost_connection_says_so_and_has_no_state() -> None:
    translated = translate(BrokenPipeError(32, "Broken pipe"), "COMMIT")
    assert str(translated) == "connection to Redshift lost ([Errno 32] Broken pipe) in: COMMIT"
    assert (translated.state, translated.statement) == ("", "COMMIT")


def test_a_refused_connection_is_told_by_the_socket_s_own_words() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    for wrapped in (InterfaceError("communication error", refused), InterfaceError(("communication error", refused))):
        assert "lost ([Errno 111] Connection refused) in:" in str(translate(wrapped, "connect to wg"))


def test_a_long_statement_is_shown_in_part_and_kept_whole() -> None:
    statement = "SELECT " + "x" * 1_000
    translated = translate(refused("42601", "bad"), statement)
    assert len(str(translated)) < 400
    assert str(translated).endswith("x...")
    assert translated.statement == statement


@pytest.mark.parametrize("fields", [{}, None])
def test_an_error_without_fields_is_a_lost_connection(fields: Any) -> None:
    assert isinstance(
        translate(ProgrammingError(fields) if fields is not None else ProgrammingError(), "S"), PassingError
    )
