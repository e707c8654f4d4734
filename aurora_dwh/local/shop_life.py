"""What happens in the sample shop on each day: a seeded simulation, pure and the same every time.

It is played from the first day on, however late the days asked for begin, so that days lived in several calls are the
days lived in one. Putting the rows into a database is `shop`.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from aurora_dwh.local import shop_data

DAYS: Final = 30
START: Final = dt.date(2024, 1, 1)
SEED: Final = 20240101

Row: TypeAlias = "tuple[Any, ...]"

_ORDERS_A_DAY: Final = 166
_VIEWS_A_DAY: Final = 620
_FIRST_ORDER: Final = 10_100
_WEEKDAYS: Final = (0.85, 0.9, 0.95, 1.0, 1.1, 1.35, 1.45)  # a shop of hobbies: people buy at the weekend
_GROWTH_A_DAY: Final = 0.008
_HOURS: Final = (2, 1, 1, 1, 1, 1, 2, 4, 6, 7, 7, 8, 10, 8, 7, 7, 7, 8, 10, 13, 16, 17, 13, 7)
_OPENING_PRODUCTS: Final = 104
_LINES_AN_ORDER: Final = (1, 2, 3, 4, 5, 6, 7, 8)
_LINES_WEIGHTS: Final = (14, 20, 20, 16, 12, 8, 6, 4)


@dataclass(frozen=True)
class Day:
    """What one day leaves behind.

    Attributes:
        date: The day, in Tokyo.
        changed: By table, the rows made or changed that day, as they stand at its end.
        views: The page views of the day.
    """

    date: dt.date
    changed: dict[str, list[Row]]
    views: list[Row]


def days(
    first: dt.date, last: dt.date, *, start: dt.date = START, seed: int = SEED, scale: float = 1.0
) -> Iterator[Day]:
    """The days from `first` to `last`, both included, of a shop that opened on `start`.

    Raises:
        ValueError: The days begin before the shop does, or end before they begin.
    """
    if first < start or last < first:
        raise ValueError(f"the shop lives from {start} on; it cannot live from {first} to {last}")
    shop = _Shop(start, seed, scale)
    for number in range((last - start).days + 1):
        day = shop.next_day()
        if start + dt.timedelta(days=number) >= first:
            yield day


@dataclass
class _Product:
    product_id: str
    name: str
    line: str
    scale: str
    vendor: str
    description: str
    stock: int
    cents: int
    msrp: int
    popularity: float
    created: str
    updated: str = ""
    deleted: str | None = None

    def row(self) -> Row:
        return (
            self.product_id, self.name, self.line, self.scale, self.vendor, self.description, self.stock,
            _money(self.cents), _money(self.msrp), self.created, self.updated or self.created, self.deleted,
        )  # fmt: skip


@dataclass
class _Line:
    order_id: int
    product_id: str
    quantity: int
    cents: int
    created: str
    updated: str
    deleted: str | None = None

    def row(self) -> Row:
        return (
            self.order_id, self.product_id, self.quantity, _money(self.cents), self.created, self.updated, self.deleted,
        )  # fmt: skip


@dataclass
class _Order:
    order_id: int
    required: dt.date
    comments: str | None
    created: str
    updated: str
    status: str = "In Process"
    shipped: str | None = None
    deleted: str | None = None
    lines: list[_Line] = field(default_factory=list)

    def row(self) -> Row:
        return (
            self.order_id, self.created[:19], self.required.isoformat(), self.shipped, self.status, self.comments,
            self.created, self.updated, self.deleted,
        )  # fmt: skip


class _Shop:
    """The shop's state between two days."""

    def __init__(self, start: dt.date, seed: int, scale: float) -> None:
        self._start = self._today = start
        self._seed = seed
        self._scale = scale
        self._random = random.Random(f"{seed}:opening")  # noqa: S311 - a simulation, not a secret
        self._products: list[_Product] = []
        self._next_order = _FIRST_ORDER
        self._next_view = 1
        self._plans: dict[dt.date, list[tuple[_Order, str]]] = defaultdict(list)
        self._changed: dict[str, dict[Any, Row]] = {}
        self._begin_day()
        for number in range(_OPENING_PRODUCTS):
            made = start - dt.timedelta(days=self._random.randint(1, 300))
            self._add_product(number, self._moment(made, 9, 18))

    def next_day(self) -> Day:
        """Play one day."""
        self._random = random.Random(f"{self._seed}:{self._today}:{self._scale}")  # noqa: S311 - as above
        self._take_orders()
        for order, event in self._plans.pop(self._today, []):
            self._carry_out(order, event)
        self._keep_the_shelf()
        day = Day(self._today, {table: list(rows.values()) for table, rows in self._changed.items()}, self._views())
        self._today += dt.timedelta(days=1)
        self._begin_day()
        return day

    def _begin_day(self) -> None:
        self._changed = {"products_master": {}, "orders_master": {}, "order_details_master": {}}

    def _count(self, usual: int) -> int:
        pace = _WEEKDAYS[self._today.weekday()] * (1 + _GROWTH_A_DAY * (self._today - self._start).days)
        return max(1, round(usual * pace * self._scale * self._random.uniform(0.92, 1.08)))

    def _moment(self, day: dt.date, earliest: int = 0, latest: int = 24) -> str:
        hour = self._random.choices(range(earliest, latest), _HOURS[earliest:latest])[0]
        second, micro = divmod(self._random.randrange(3_600_000_000), 1_000_000)
        return f"{day} {hour:02}:{second // 60:02}:{second % 60:02}.{micro:06}"

    # --- orders ----------------------------------------------------------------------------------------------------

    def _take_orders(self) -> None:
        on_sale = [product for product in self._products if product.deleted is None]
        weights = [product.popularity for product in on_sale]
        for moment in sorted(self._moment(self._today) for _ in range(self._count(_ORDERS_A_DAY))):
            order = _Order(
                self._next_order,
                self._today + dt.timedelta(days=self._random.randint(5, 9)),
                self._comment(),
                moment,
                moment,
            )
            self._next_order += 1
            wanted = self._random.choices(_LINES_AN_ORDER, _LINES_WEIGHTS)[0]
            for product in _distinct(self._random.choices(on_sale, weights, k=wanted)):
                self._sell(order, product, moment)
            self._note(order, lines=True)
            self._plan(order)

    def _sell(self, order: _Order, product: _Product, moment: str) -> None:
        quantity = self._random.choices((1, 2, 3, 4, 6, 10), (50, 22, 10, 7, 6, 5))[0]
        cents = round(product.msrp * self._random.uniform(0.86, 1.0))
        order.lines.append(_Line(order.order_id, product.product_id, quantity, cents, moment, moment))
        product.stock -= quantity
        product.updated = moment
        if product.stock < 40:
            product.stock += self._random.randrange(400, 1_500, 50)
        self._changed["products_master"][product.product_id] = product.row()

    def _comment(self) -> str | None:
        if self._random.random() < 0.72:
            return None
        text = self._random.choice(shop_data.COMMENTS)
        return text.replace("{n}", str(self._random.randint(1, 9)))

    def _plan(self, order: _Order) -> None:
        """Decide at once what becomes of an order, and on which days."""
        chance = self._random.random()
        after = self._random.randint
        if chance < 0.83:
            self._events(order, (after(1, 4), "Shipped"))
        elif chance < 0.87:
            self._events(order, (after(1, 3), "Shipped"), (after(2, 6), "Disputed"), (after(1, 5), "Resolved"))
        elif chance < 0.91:
            self._events(order, (1, "On Hold"), (after(2, 5), "Shipped"))
        elif chance < 0.94:
            self._events(order, (after(1, 3), "Cancelled"))
        elif chance < 0.965:
            self._events(order, (after(0, 2), "Cancelled"), (after(3, 8), "deleted"))
        elif chance < 0.985:
            self._events(order, (1, "edited"), (after(1, 3), "Shipped"))

    def _events(self, order: _Order, *steps: tuple[int, str]) -> None:
        day = self._today
        for wait, event in steps:
            day += dt.timedelta(days=wait)
            self._plans[day].append((order, event))

    def _carry_out(self, order: _Order, event: str) -> None:
        moment = max(self._moment(self._today, 9, 19), order.updated)
        order.updated = moment
        if event == "deleted":
            order.deleted = moment
            for line in order.lines:
                line.updated = line.deleted = moment
        elif event == "edited":
            line = self._random.choice(order.lines)
            line.quantity += self._random.randint(1, 3)
            line.updated = moment
        else:
            order.status = event
            if event == "Shipped":
                order.shipped = moment[:19]
        self._note(order, lines=event in {"deleted", "edited"})

    def _note(self, order: _Order, *, lines: bool) -> None:
        self._changed["orders_master"][order.order_id] = order.row()
        if lines:
            for line in order.lines:
                if line.updated == order.updated:
                    self._changed["order_details_master"][line.order_id, line.product_id] = line.row()

    # --- products --------------------------------------------------------------------------------------------------

    def _keep_the_shelf(self) -> None:
        """Evening work: new prices, new models, models that go."""
        for product in self._random.sample(self._products, 3):
            if product.deleted is None:
                product.msrp = max(product.cents + 100, round(product.msrp * self._random.uniform(0.93, 1.09)))
                self._touch(product)
        if self._random.random() < 0.5:
            self._add_product(len(self._products), self._moment(self._today, 20, 23))
        if self._random.random() < 0.12:
            product = self._random.choice(self._products)
            if product.deleted is None:
                self._touch(product)
                product.deleted = product.updated
                self._changed["products_master"][product.product_id] = product.row()

    def _touch(self, product: _Product) -> None:
        product.updated = max(self._moment(self._today, 20, 24), product.updated)
        self._changed["products_master"][product.product_id] = product.row()

    def _add_product(self, number: int, created: str) -> None:
        line, prefix, makes = shop_data.LINES[number % len(shop_data.LINES)]
        scale = self._random.choice(shop_data.SCALES)
        subject = makes[number // len(shop_data.LINES) % len(makes)]
        year = self._random.randint(1903, 2019)
        cents = self._random.randint(1_200, 11_000)
        product = _Product(
            product_id=f"{prefix}{scale.partition(':')[2]}_{1000 + number * 37 % 9000}",
            name=f"{year} {subject}",
            line=line,
            scale=scale,
            vendor=self._random.choice(shop_data.VENDORS),
            description=self._random.choice(shop_data.DESCRIPTIONS).replace("{subject}", subject),
            stock=self._random.randrange(200, 9_000, 10),
            cents=cents,
            msrp=round(cents * self._random.uniform(1.25, 2.1)),
            popularity=1.0 / (1 + number * 53 % _OPENING_PRODUCTS) ** 0.8,
            created=created,
        )
        self._products.append(product)
        self._changed["products_master"][product.product_id] = product.row()

    # --- visits ----------------------------------------------------------------------------------------------------

    def _views(self) -> list[Row]:
        weights = [product.popularity for product in self._products]
        rows: list[Row] = []
        session, agent = "", ""
        for moment in sorted(self._moment(self._today) for _ in range(self._count(_VIEWS_A_DAY))):
            if not session or self._random.random() < 0.35:
                session, agent = f"{self._random.getrandbits(128):032x}", self._random.choice(shop_data.AGENTS)
            product = self._random.choices(self._products, weights)[0] if self._random.random() < 0.7 else None
            path = f"/products/{product.product_id}" if product else self._random.choice(shop_data.PATHS)
            referrer = self._random.choice(shop_data.REFERRERS)
            rows.append(
                (self._next_view, moment, path, referrer, product.product_id if product else None, session, agent)
            )
            self._next_view += 1
        return rows


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _distinct(products: list[_Product]) -> list[_Product]:
    return list({product.product_id: product for product in products}.values())
