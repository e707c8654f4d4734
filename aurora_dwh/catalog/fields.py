"""The types of a catalog's fields: what may be written for each, and what it is read as.

Each type is an `Annotated` one that carries its check, an error text that says what to write instead, and its JSON
Schema for editors. Rules that join several fields are `model.Table`'s.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from aurora_dwh.core.schema import fold
from aurora_dwh.core.spelling import near_match

OWN_PREFIX = "_dwh_"
"""How the project's own columns in Redshift begin."""

SCHEDULES = ("daily", "monthly", "hourly")
"""What may be written for a table's schedule beside a cron."""

CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""The least and the greatest number of each field of a cron: minute, hour, day of the month, month, day of the week."""

DURATION_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
OWNER_PATTERN = r"(team:[A-Za-z0-9_]+|[^@\s:]+@[^@\s:]+\.[^@\s:]+)"
TAG_KEY_PATTERN = r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}"
TAG_VALUE_PATTERN = r"[A-Za-z0-9_.-]{0,63}"


def _filled(value: str) -> str:
    if not value:
        raise ValueError("a name must not be empty")
    return value


def _name(value: str) -> str:
    if fold(value).startswith(OWN_PREFIX):
        raise ValueError(f"{value!r} is reserved: names that begin with {OWN_PREFIX} are aurora-dwh's own")
    return value


def _text_or_list(value: object) -> object:
    """Return a list for a single text or nothing; everything else is left to the type's own check."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _duration(value: object) -> object:
    if value == 0 and not isinstance(value, bool):
        return timedelta(0)
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)([smhd])", value)):
        return timedelta(**{DURATION_UNITS[match[2]]: int(match[1])})
    if isinstance(value, timedelta) and value >= timedelta(0):
        return value
    raise ValueError(f"{value!r} is not a duration; write a number and a unit, such as 30s, 90m, 1h or 2d")


def _day_count(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"[1-9]\d{0,4}d", value):
        return timedelta(days=int(value[:-1]))
    if value is None or (isinstance(value, timedelta) and value >= timedelta(days=1)):
        return value
    raise ValueError(f"{value!r} is not a number of days; write it with its unit, such as 90d")


def _schedule(value: object) -> object:
    match = re.fullmatch(r"(\d{1,2}):(\d\d)", value) if isinstance(value, str) else None
    if match and int(match[1]) < 24 and int(match[2]) < 60:
        return f"{int(match[1]):02}:{match[2]}"
    raise ValueError(f'{value!r} is not a time of day; write it as "HH:MM", in quotes, such as "01:00"')


def _table_schedule(value: str) -> str:
    if value not in SCHEDULES and not _is_cron(value):
        near = near_match(value, SCHEDULES)
        raise ValueError(
            f"{value!r} is not a table's schedule{near}; write {', '.join(SCHEDULES)}, or a cron of five fields in "
            'figures, in quotes, such as "*/15 8-20 * * 1-5"'
        )
    return value


def _is_cron(text: str) -> bool:
    fields = text.split()
    if len(fields) != len(CRON_RANGES):
        return False
    return all(_is_cron_field(field, *limits) for field, limits in zip(fields, CRON_RANGES, strict=True))


def _is_cron_field(field: str, least: int, most: int) -> bool:
    for part in field.split(","):
        match = re.fullmatch(r"(?:\*|(\d+)-(\d+))(?:/([1-9]\d*))?|(\d+)", part)
        if match is None:
            return False
        first, last, step, only = (found and int(found) for found in match.groups())
        numbers = [number for number in (first, last, only) if isinstance(number, int)]
        if numbers != sorted(numbers) or not all(least <= number <= most for number in numbers):
            return False
        if isinstance(step, int) and step > most:
            return False
    return True


def _day(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    kind = "a day"
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        with suppress(ValueError):
            return date.fromisoformat(value)
        kind = "a day of the calendar"
    raise ValueError(f"{str(value)!r} is not {kind}; write it as YYYY-MM-DD, such as 2024-01-01")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        hint = near_match(value, available_timezones())
        raise ValueError(f"{value!r} is not a time zone{hint}; write an IANA name such as Asia/Tokyo") from None
    return value


def _null_word(value: object) -> object:
    """Return the word `null` for YAML's null: `zero_dates: null` is a policy, not a field left out."""
    return "null" if value is None else value


def _owner(value: str) -> str:
    if not re.fullmatch(OWNER_PATTERN, value):
        raise ValueError(
            f"{value!r} is not an owner; write an e-mail address, or team:name with letters, digits and _ only"
        )
    return value


def _tag_key(value: str) -> str:
    if not re.fullmatch(TAG_KEY_PATTERN, value):
        raise ValueError(f"{value!r} is not a tag's name; write up to 63 letters, digits, _ . or -")
    return value


def _tag_value(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(TAG_VALUE_PATTERN, value):
        raise ValueError(f"{value!r} is not a tag's value; write up to 63 letters, digits, _ . or -, numbers in quotes")
    return value


class ConstantMask(BaseModel):
    """A mask that writes one value into every row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: str | int | float | bool


class KeepLastMask(BaseModel):
    """A mask that keeps the last characters of a text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_last: int = Field(ge=1)


def _mask(value: object) -> object:
    match value:
        case None | "null":
            return "null"
        case "sha256" | "hmac" | ConstantMask() | KeepLastMask():
            return value
        case {"value": str() | int() | float() as constant, **rest} if not rest:
            return ConstantMask(value=constant)
        case {"keep_last": int() as characters, **rest} if characters >= 1 and not rest:
            return KeepLastMask(keep_last=characters)
    raise ValueError(f"{value!r} is not a mask; write sha256, hmac, null, {{value: ...}} or {{keep_last: n}}")


_NAME_SCHEMA = {"type": "string", "minLength": 1}
_NAMES_SCHEMA = {"anyOf": [_NAME_SCHEMA, {"type": "array", "items": _NAME_SCHEMA}, {"type": "null"}]}
_MASK_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"enum": ["sha256", "hmac", "null", None]},
        {
            "type": "object",
            "properties": {"value": {"type": ["string", "number", "boolean"]}},
            "required": ["value"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"keep_last": {"type": "integer", "minimum": 1}},
            "required": ["keep_last"],
            "additionalProperties": False,
        },
    ]
}

Name = Annotated[str, AfterValidator(_filled), AfterValidator(_name), WithJsonSchema(_NAME_SCHEMA)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_text_or_list), WithJsonSchema(_NAMES_SCHEMA)]
AnyName = Annotated[str, AfterValidator(_filled), WithJsonSchema(_NAME_SCHEMA)]
AnyNames = Annotated[tuple[AnyName, ...], BeforeValidator(_text_or_list), WithJsonSchema(_NAMES_SCHEMA)]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": "^[0-9]+[smhd]$"}, {"const": 0}]}),
]
DayCount = Annotated[
    timedelta,
    BeforeValidator(_day_count),
    WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,4}d$"}),
]
Schedule = Annotated[
    str,
    BeforeValidator(_schedule),
    WithJsonSchema({"type": "string", "pattern": "^([01]?[0-9]|2[0-3]):[0-5][0-9]$"}),
]
TableSchedule = Annotated[
    str,
    AfterValidator(_table_schedule),
    WithJsonSchema(
        {"anyOf": [{"enum": list(SCHEDULES)}, {"type": "string", "pattern": r"^[0-9*,/-]+( +[0-9*,/-]+){4}$"}]}
    ),
]
Day = Annotated[date, BeforeValidator(_day)]
Zone = Annotated[str, AfterValidator(_zone)]
Owner = Annotated[str, AfterValidator(_owner)]
Owners = Annotated[
    tuple[Owner, ...],
    BeforeValidator(_text_or_list),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{OWNER_PATTERN}$"},
                {"type": "array", "items": {"type": "string", "pattern": f"^{OWNER_PATTERN}$"}},
                {"type": "null"},
            ]
        }
    ),
]
Tags = Annotated[
    dict[Annotated[str, AfterValidator(_tag_key)], Annotated[str, PlainValidator(_tag_value)]],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": f"^{TAG_KEY_PATTERN}$"},
            "additionalProperties": {"type": "string", "pattern": f"^{TAG_VALUE_PATTERN}$"},
        }
    ),
]
Mask = Annotated[
    Literal["sha256", "hmac", "null"] | ConstantMask | KeepLastMask, PlainValidator(_mask), WithJsonSchema(_MASK_SCHEMA)
]
ZeroDates = Annotated[
    Literal["null", "fail", "text"],
    BeforeValidator(_null_word),
    WithJsonSchema({"enum": ["null", None, "fail", "text"]}),
]
Oversize = Annotated[
    Literal["fail", "truncate", "null"],
    BeforeValidator(_null_word),
    WithJsonSchema({"enum": ["fail", "truncate", "null", None]}),
]


class PauseAbove(BaseModel):
    """How busy Aurora may be before reading pauses. It is asked before each SELECT, at most once a second."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    threads_running: int | None = Field(default=None, ge=1, strict=True)
    """Statements that run at once, the reader's own among them."""

    replica_lag: Duration | None = None
    """How far the replicas may be behind the writer."""

    give_up_after: Duration = timedelta(minutes=30)
    """How long a pause may last before the read fails, to be tried again."""


class Pools(BaseModel):
    """How many steps may work on a server at once, over all runs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    aurora: int = Field(default=4, ge=1, strict=True)
    """Steps that read Aurora."""

    redshift: int = Field(default=4, ge=1, strict=True)
    """Steps that load into Redshift or build a mart there."""
