"""The sample shop as a project in a state folder: its catalog from the day on which it opened, its marts, its size.

A shop opens so that it has lived `DAYS` days until yesterday: plots and timelines in the UI are of days that one looks
at first. The project is written once, so that a shop that is looked at again later is the same one.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from aurora_dwh.local import shop, stack

_SAMPLE = Path(__file__).parents[1] / "sample_shop"
_NOTE = "shop.json"
_NAP = 60
"""Days that a shop may have been left alone and still lives on."""


@dataclass(frozen=True)
class ShopProject:
    """A shop.

    Attributes:
        start: The day on which it opened, the catalog's first.
        scale: Its orders and views, as a multiple of the usual.
    """

    start: date
    scale: float


def yesterday() -> date:
    """The last whole day in the shop's zone."""
    return datetime.now(ZoneInfo(shop.TIMEZONE)).date() - timedelta(days=1)


def open_shop(state: Path, start: date | None = None, scale: float | None = None) -> ShopProject:
    """Return the shop of a state folder whose stack runs; where there is none, write its project.

    Args:
        state: The folder.
        start: The day on which it opens. Default: `DAYS` days before today.
        scale: Its size. Default: 1.

    Raises:
        ValueError: There is one already, and it opened on another day, or has another size.
    """
    folder = stack.shop_folder(state)
    note = folder / _NOTE
    if note.exists():
        known = json.loads(note.read_text(encoding="utf-8"))
        project = ShopProject(date.fromisoformat(known["start"]), known["scale"])
    else:
        # A shop that was opened without a project is the one of the packaged catalog.
        first = shop.START if shop.lived_until(state) else yesterday() - timedelta(days=shop.DAYS - 1)
        project = ShopProject(start or first, 1.0 if scale is None else scale)
        shutil.copytree(_SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        catalog = folder / "catalog.yaml"
        text = catalog.read_text(encoding="utf-8")
        written = text.replace(f"start_date: {shop.START}", f"start_date: {project.start}")
        catalog.write_text(written, encoding="utf-8")
        note.write_text(json.dumps({"start": str(project.start), "scale": project.scale}), encoding="utf-8")
    if (start or project.start, project.scale if scale is None else scale) != (project.start, project.scale):
        raise ValueError(
            f"the shop in {state} opened on {project.start} with scale {project.scale:g}; run `make clean` for another "
            "one, or name another folder with --state"
        )
    return project


def live_on(state: Path) -> None:
    """Let the shop live until yesterday; open it where there is none, and leave one alone that stopped long ago."""
    project, last = open_shop(state), shop.lived_until(state)
    if last is None:
        shop.reset(state)
    first = last + timedelta(days=1) if last else project.start
    if first <= yesterday() and (last is None or (yesterday() - last).days <= _NAP):
        shop.live_embedded(state, first=first, last=yesterday(), start=project.start, scale=project.scale)
