"""The page about dbt, as it stands there: a table's day is loaded, and a model of dbt is built downstream of it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from aurora_dwh.local.lake import LakeServer
from aurora_dwh_tests.clients.conftest import ENVIRONMENT, Warehouse
from aurora_dwh_tests.servers import Server
from aurora_dwh_tests.services import BUCKET, lake_variables

ROOT = Path(__file__).parents[2]
CATALOG = "timezone: UTC\nstart_date: 2024-01-01\ntables:\n  orders_master: {key: order_id, cursor: updated}\n"
LINEAGE = """
import json
from definitions import defs

graph = defs.resolve_asset_graph()
print(json.dumps({key.to_user_string(): sorted(p.to_user_string() for p in graph.get(key).parent_keys)
                  for key in graph.get_all_asset_keys()}))
"""


def fenced(language: str) -> list[str]:
    """Return what the page has fenced as of a language."""
    tokens = MarkdownIt().parse((ROOT / "docs" / "dbt.md").read_text(encoding="utf-8"))
    return [token.content for token in tokens if token.type == "fence" and token.info == language]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The page's files, where it says, and a catalog of one table."""
    (tmp_path / "dbt" / "models").mkdir(parents=True)
    files = ("dbt/dbt_project.yml", "dbt/profiles.yml", "dbt/models/sources.yml")
    for name, text in zip(files, fenced("yaml"), strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (model,), (definitions,) = fenced("sql"), fenced("python")
    (tmp_path / "dbt" / "models" / "orders_by_status.sql").write_text(model, encoding="utf-8")
    (tmp_path / "definitions.py").write_text(definitions, encoding="utf-8")
    (tmp_path / "catalog.yaml").write_text(CATALOG, encoding="utf-8")
    return tmp_path


def test_a_model_stands_downstream_of_the_table_that_it_reads(
    project: Path, mysql: Server, warehouse: Warehouse, run: Callable[..., str], lake_server: LakeServer
) -> None:
    database = mysql.database()
    mysql.script(
        "CREATE TABLE orders_master (order_id INT PRIMARY KEY, status VARCHAR(9), updated DATETIME, KEY (updated));"
        "INSERT INTO orders_master VALUES (1, 'new', '2024-01-05 10:00'), (2, 'paid', '2024-01-05 11:00');",
        database,
    )
    settings = {
        "AURORA_HOST": mysql.host,
        "AURORA_PORT": str(mysql.port),
        "AURORA_USER": mysql.user,
        "AURORA_PASSWORD": mysql.password,
        "AURORA_DATABASE": database,
        "AURORA_TLS": "disabled",
        "REDSHIFT_TLS": "disabled",
        "REDSHIFT_IAM_ROLE": "default",
        **lake_variables(lake_server, f"s3://{BUCKET}/dbt"),
        "DAGSTER_HOME": str(project),
        "PYTHONPATH": f"{project}:{ROOT}",
        "PATH": f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    run("dbt", "parse", f"--project-dir={project / 'dbt'}", f"--profiles-dir={project / 'dbt'}", **settings)
    for command in fenced("sh")[0].replace("\\\n", "").splitlines():
        run(*shlex.split(command), folder=project, **settings)
    assert warehouse.sql("SELECT status, orders FROM dbt.orders_by_status ORDER BY 1") == [("new", 1), ("paid", 1)]
    parents = json.loads(run("python", "-c", LINEAGE, **settings).splitlines()[-1])
    assert parents["orders_by_status"] == ["staging/orders_master"]
    assert parents["staging/orders_master"] == ["lake/orders_master"]
