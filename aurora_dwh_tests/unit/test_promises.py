"""What messages advise and pages promise has a test: the commands and the sentences, and the tests by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE, TESTS = ROOT / "aurora_dwh", ROOT / "aurora_dwh_tests"
PROMISE = re.compile(r"`(test_\w+)`")

ADVISED = {
    "orchestration/assets/checks.py:_schema": (
        "test_c12_a_column_that_is_dropped_is_told_with_the_values_that_go_and_others_stay"
    ),
    "orchestration/assets/checks.py:_rules": (
        "test_c11_a_day_that_is_read_again_is_loaded_and_the_others_are_named_by_the_check"
    ),
    "orchestration/automation/manual_exports_job.py:_take_in": "test_a_day_waits_for_its_count_and_for_its_end",
    "catalog/model.py:_mode_needs": "test_c21_a_catalog_that_lacks_what_discover_finds_is_mended_by_the_named_command",
    "catalog/file.py:": "test_c21_a_catalog_that_lacks_what_discover_finds_is_mended_by_the_named_command",
    "catalog/file.py:read_catalog": "test_c21_a_catalog_that_lacks_what_discover_finds_is_mended_by_the_named_command",
    "commands/rebuild.py:_days": (
        "test_c11_days_of_an_older_entry_are_not_loaded_again_and_the_named_command_reads_them_anew"
    ),
    "commands/doctor/days.py:check_days": "test_c03_a_zone_whose_days_end_later_leaves_a_gap_that_is_said",
    "commands/doctor/days.py:check_record": (
        "test_o07_a_record_that_was_removed_is_made_again_and_what_it_lacks_is_told_with_the_command"
    ),
    "commands/doctor/relations.py:check_relations": (
        "test_o09_keys_that_the_catalog_names_anew_are_had_by_the_named_command"
    ),
    "lake/guard.py:check_rows_kept": "test_c05_days_are_given_up_by_the_named_command",
    "local/lake.py:": "test_up_and_down",
    "proof/repair.py:days": "test_c21_what_a_proof_cannot_mend_row_by_row_is_mended_by_the_named_command",
    "proof/repair.py:mend": "test_c21_what_a_proof_cannot_mend_row_by_row_is_mended_by_the_named_command",
    "core/rules.py:other_source": (
        "test_c15_another_server_does_not_come_into_the_lake_or_the_staging_table_of_the_first"
    ),
    "source/selection.py:read_selected": (
        "test_c12_a_column_that_the_user_shall_not_read_any_more_is_left_out_by_the_catalog"
    ),
    "warehouse/load/checks.py:check_order": "test_c06_a_clock_that_is_set_back_is_an_error_and_what_it_says_mends_it",
    "warehouse/load/checks.py:check_keys": "test_c17_rows_that_somebody_else_wrote_are_mended_by_the_named_command",
    "warehouse/load/checks.py:_alike_keys": (
        "test_c17_a_key_that_was_renamed_by_blanks_at_its_end_is_mended_by_the_named_command"
    ),
    "warehouse/load/checks.py:_one_key": (
        "test_c13_rows_that_have_their_key_in_common_are_an_error_and_the_source_s_own_key_mends_it"
    ),
    "warehouse/load/schema_drift.py:require_columns": (
        "test_c24_a_table_is_not_made_from_the_lake_with_a_column_that_its_days_lack"
    ),
    "warehouse/load/schema_drift.py:rebuild_to": "test_c17_a_column_of_another_type_is_mended_by_the_named_command",
    "warehouse/load/schema_drift.py:widen": (
        "test_a20_a_column_whose_encoding_keeps_it_from_being_widened_is_so_by_the_named_command"
    ),
    "warehouse/load/schema_drift.py:_refuse_changes": "test_c17_a_frozen_table_is_mended_by_the_named_command",
    "warehouse/errors.py:_remedy": ("test_o09_o19_a_table_of_another_user_or_of_other_keys_is_told_with_its_command"),
    "warehouse/rebuild.py:_check": "test_c21_a_lake_that_lacks_days_is_filled_by_the_named_command",
    "warehouse/rebuild.py:_transactions": (
        "test_c21_days_of_types_that_go_into_no_one_table_are_read_again_by_the_named_command"
    ),
    "warehouse/load/standing.py:_from_source": (
        "test_c22_a_changed_mode_is_refused_and_the_named_command_carries_the_table_over"
    ),
    "warehouse/load/standing.py:check": (
        "test_c22_a_changed_mode_is_refused_and_the_named_command_carries_the_table_over"
    ),
    "warehouse/load/statements.py:rebuild_anew": (
        "test_a20_a_column_that_is_computed_of_another_type_is_told_as_such_and_carried_over_as_is_said"
    ),
    "core/rules.py:rebuild_anew": (
        "test_a20_a_column_that_is_computed_of_another_type_is_told_as_such_and_carried_over_as_is_said"
    ),
    "warehouse/load/standing.py:_check_rows": "test_c16_a_table_that_lost_its_rows_is_not_taken_for_a_new_one",
    "warehouse/load/standing.py:_check_elsewhere": "test_c16_a_staging_table_of_another_name_has_all_days_or_none",
}
"""File and function of a message that names a command of `aurora-dwh` -> the test that runs it where it is advised."""

PAGES = {"commands/catalog_edit.py:"}
"""Places that tell what a command is, and advise none."""


def advising() -> Iterator[str]:
    """Yield each place of the package whose texts name a command, or take one of `rules`, docstrings apart."""
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        documented = {
            id(statement.value)
            for node in ast.walk(tree)
            if isinstance(getattr(node, "body", None), list)
            for statement in getattr(node, "body", ())
            if isinstance(statement, ast.Expr)
        }
        yield from _texts(tree, documented, file.relative_to(PACKAGE).as_posix(), "")


def _texts(node: ast.AST, documented: set[int], file: str, function: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        name = child.name if isinstance(child, ast.FunctionDef) else function
        is_text = isinstance(child, ast.Constant) and "`aurora-dwh " in str(child.value) and id(child) not in documented
        if is_text or "rebuild_anew" in (getattr(child, "attr", ""), getattr(child, "id", "")):
            yield f"{file}:{name}"
        yield from _texts(child, documented, file, name)


def named_tests() -> set[str]:
    """Return the names of all tests."""
    found = (re.findall(r"^def (test_\w+)", f.read_text(encoding="utf-8"), re.MULTILINE) for f in TESTS.rglob("*.py"))
    return {name for names in found for name in names}


def test_c21_each_command_that_a_message_advises_is_run_by_a_test() -> None:
    assert set(advising()) - PAGES == set(ADVISED)
    assert set(ADVISED.values()) <= named_tests()


def test_the_tests_that_pages_name_are_there() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        named = set(PROMISE.findall(page.read_text(encoding="utf-8")))
        assert named <= named_tests(), page


def test_each_sentence_of_what_a_green_day_proves_names_its_test() -> None:
    text = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    section = text.partition("## What a green day proves, and what it does not")[2].partition("\n## ")[0]
    points = section.split("\n- ")[1:]
    assert len(points) > 10
    assert [point for point in points if not PROMISE.search(point)] == []
