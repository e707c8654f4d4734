"""What each tool gets wrong: a table for each type of the map, copied by all and compared value by value.

Both sides are read by plain drivers. The comparison is generous about form: a copy may be text, or of another type that
means the same, as long as each value is the source's.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from aurora_dwh.lake.layout import Layout
from aurora_dwh.lake.store import Lake
from aurora_dwh.settings.config import LakeSettings
from aurora_dwh_tests.e2e import type_samples
from aurora_dwh_tests.e2e.type_samples import SAMPLES
from benchmarks import peers
from benchmarks.copying import OURS
from benchmarks.measure import Findings, Size, table
from benchmarks.rig import Rig
from benchmarks.tables import FIRST_DAY

ROWS = 60
NEEDS = {"made": ("t4",), "kept": ("v_latin1",)}
"""Columns that a computed one is made of."""

Rows = Mapping[int, Any]
Verdicts = dict[str, str]
"""Type -> what is wrong with its copy; only those that are wrong."""


def measure(rig: Rig, size: Size) -> tuple[Findings, dict[str, str]]:
    """Return what was found, and by each tool's name a few words on what it got wrong."""
    source = {name: _make(rig, name) for name in [*SAMPLES][:: size.every_type]}
    verdicts = {OURS: _ours(rig, source), **{peer.name: _peer(rig, peer, source) for peer in peers.PEERS}}
    what = (
        f"{len(source)} types, each in a table of its own with {ROWS} values, those at its edges first. A copy may "
        "have another form, such as text, but each value must be the source's."
    )
    rows = [
        [tool, f"{len(source) - len(of)} of {len(source)}", ", ".join(f"`{SAMPLES[name].ddl}`" for name in of)]
        for tool, of in verdicts.items()
    ]
    lines = [what, *table(["program", "types copied exactly", "wrong or refused"], rows)]
    for tool, of in verdicts.items():
        lines += [f"- {tool}, `{SAMPLES[name].ddl}`: {what}" for name, what in list(of.items())[:8]]
    return Findings("Exactness", lines=lines), {
        tool: f"wrong on {len(of)} types" if of else "" for tool, of in verdicts.items()
    }


def _make(rig: Rig, name: str) -> Rows:
    """Make and fill the table of a type, and return its values by id as the driver reads them."""
    names = (*NEEDS.get(name, ()), name)
    with rig.server.connect(rig.database) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = '', time_zone = '+00:00'")
        cursor.execute(type_samples.create(_table(name), names))
        type_samples.write(connection, _table(name), type_samples.rows(ROWS, 1, names), names)
        cursor.execute(f"SELECT id, {SAMPLES[name].read.format(name)} FROM {_table(name)}")
        return {key: type_samples.plain(name, value) for key, value in cursor.fetchall()}


def _ours(rig: Rig, source: Mapping[str, Rows]) -> Verdicts:
    variables = rig.variables({_table(name): "{mode: full}" for name in source}, name="typed")
    rig.run("extract", FIRST_DAY, *map(_table, source), variables=variables)
    settings = LakeSettings.from_env(variables)
    os.environ.update({name: value for name, value in variables.items() if name.startswith("AWS_")})
    lake = Lake(settings.client(), Layout(settings.bucket, settings.prefix, rig.database))

    def rows(name: str) -> list[dict[str, Any]]:
        return lake.reader(lake.read(_table(name), [FIRST_DAY])).read_all().to_pylist()  # type: ignore[no-any-return]

    return {name: wrong for name in source if (wrong := _compared(name, source[name], partial(rows, name)))}


def _peer(rig: Rig, peer: peers.Peer, source: Mapping[str, Rows]) -> Verdicts:
    folder = rig.home / "typed"
    variables = rig.variables({}, name="typed")
    run = rig.run(*peer.command, folder, *map(_table, source), variables=variables, python=peers.python())
    errors = run.said["errors"]
    verdicts = {}
    for name in source:
        if error := errors.get(_table(name)):
            verdicts[name] = f"fails: {_short(error)}"
        elif wrong := _compared(name, source[name], partial(peer.read, Path(folder), _table(name))):
            verdicts[name] = wrong
    return verdicts


def _compared(name: str, source: Rows, read: Any) -> str:
    """Return what is wrong with the copy of a type, nothing where all is right."""
    try:
        rows = {int(row["id"]): row[name] for row in read()}
    except Exception as error:
        return f"cannot be read: {_short(repr(error))}"
    if rows.keys() != source.keys():
        return f"has {len(rows)} rows of {len(source)}"
    for key, there in source.items():
        if not _same(name, there, rows[key]):
            return f"{_short(repr(there))} became {_short(repr(rows[key]))}"
    return ""


def _same(name: str, there: Any, here: Any) -> bool:
    """Return whether a copied value means what the source's value is."""
    if there is None or here is None:
        return here is there
    try:
        return bool(_like(name, there, here) == there)
    except (ValueError, TypeError, ArithmeticError):
        return False


def _like(name: str, there: Any, here: Any) -> Any:
    """Return a copied value in the form of the source's."""
    if name.startswith("tm"):
        return there if _microseconds(here) == _microseconds(there) else here
    if name == "j":
        return there if json.loads(here) == json.loads(there) else here
    if isinstance(here, Decimal) and isinstance(there, str):
        return there if here == Decimal(there) else here  # 1.50 is 1.5
    if SAMPLES[name].plain is not SAMPLES["v"].plain and isinstance(there, str):  # a number's exact text
        return type_samples.plain(name, str(here) if isinstance(here, float) and name.startswith("d") else here)
    if isinstance(there, int):
        return (
            int.from_bytes(here, "big")
            if isinstance(here, bytes)
            else int(Decimal(str(int(here) if here in (True, False) else here)))
        )
    if isinstance(there, datetime):
        return (_moment(here) if isinstance(here, str) else here).replace(tzinfo=None)
    if isinstance(there, date):
        moment = datetime.fromisoformat(here) if isinstance(here, str) else here
        return moment.date() if isinstance(moment, datetime) else moment
    if isinstance(there, bytes) and isinstance(here, str):
        return bytes.fromhex(here.removeprefix("0x").removeprefix("\\x"))
    if isinstance(there, str) and isinstance(here, bytes):
        return here.decode()
    return here


def _moment(text: str) -> datetime:
    """Return a time that a tool wrote as text: in UTC by another sign, or without the zeros at its end."""
    plain = re.sub(r" ?[+]00(:00)?$", "", text)
    return datetime.fromisoformat(plain.ljust(26, "0") if "." in plain else plain)


def _microseconds(value: Any) -> int:
    """Return a TIME, which is a span of up to 838 hours and may be negative, as microseconds."""
    if isinstance(value, time):
        value = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    ((sign, hours, minutes, seconds, fraction),) = re.findall(r"^(-?)(\d+):(\d+):(\d+)\.?(\d*)$", value)
    whole = (int(hours) * 60 + int(minutes)) * 60 + int(seconds)
    return int(f"{sign}1") * (whole * 1_000_000 + int(fraction.ljust(6, "0") or 0))


def _table(name: str) -> str:
    return f"typed_{name}"


def _short(text: str) -> str:
    plain = " ".join(re.sub(r"\x1b\[\d*m", "", text).replace("|", "/").split())
    return plain if len(plain) <= 120 else f"{plain[:60]} ... {plain[-55:]}"
