"""The picture of the production topology, in English and Japanese: `python docs/img/architecture.py` draws both.

A label is a title in bold and lines beneath it; what an arrow carries stands beside its line.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "ja")
WIDTH, HEIGHT = 1150, 680
DAGSTER, DATA, AWS, PEOPLE = "#e7f0ff", "#fff1e0", "#eef7ea", "#f3f3f5"


class Text(NamedTuple):
    """What is written, in both languages; each item is a line."""

    en: tuple[str, ...]
    ja: tuple[str, ...]


class Box(NamedTuple):
    """Something that runs or keeps data."""

    x: int
    y: int
    width: int
    height: int
    fill: str
    text: Text


class Arrow(NamedTuple):
    """Where a call or data goes, along corners; the label begins at `at`."""

    corners: tuple[tuple[int, int], ...]
    at: tuple[int, int] = (0, 0)
    text: Text = Text((), ())


FRAMES = (
    Box(200, 20, 705, 500, "none", Text(("VPC",), ("VPC",))),
    Box(400, 45, 490, 290, "none", Text(("ECS Fargate: Dagster",), ("ECS Fargate：Dagster",))),
)

BOXES = (
    Box(20, 70, 130, 64, PEOPLE, Text(("People", "browser"), ("利用者", "ブラウザー"))),
    Box(220, 70, 145, 64, AWS, Text(("Load balancer", "OIDC, or internal"), ("ロードバランサー", "OIDC または内部"))),
    Box(
        420,
        75,
        180,
        64,
        DAGSTER,
        Text(("Webserver x 2", "UI, GraphQL"), ("Web サーバー x 2", "UI、GraphQL")),
    ),
    Box(
        690,
        75,
        180,
        64,
        DAGSTER,
        Text(("Code server x 1", "schedules, sensors"), ("コードサーバー x 1", "スケジュール、センサー")),
    ),
    Box(
        690,
        245,
        180,
        64,
        DAGSTER,
        Text(("Daemon x 1", "ticks, queue, monitoring"), ("デーモン x 1", "起動、待ち行列、監視")),
    ),
    Box(420, 245, 180, 64, DAGSTER, Text(("Run task", "one for each run"), ("実行タスク", "実行ごとに 1 つ"))),
    Box(220, 195, 145, 64, AWS, Text(("PostgreSQL", "Dagster's state"), ("PostgreSQL", "Dagster の状態"))),
    Box(
        220,
        410,
        180,
        80,
        DATA,
        Text(
            ("Aurora MySQL", "the source, read only,", "from a reader"),
            ("Aurora MySQL", "ソース、読み取りのみ", "リーダーから"),
        ),
    ),
    Box(
        660,
        410,
        210,
        80,
        DATA,
        Text(
            ("Redshift Serverless", "staging: exact copies", "bi: marts; dwh: history"),
            ("Redshift Serverless", "staging：正確な複製", "bi：マート、dwh：履歴"),
        ),
    ),
    Box(
        420,
        570,
        200,
        80,
        DATA,
        Text(
            ("S3: the lake", "a folder for each day:", "Parquet, then a manifest"),
            ("S3：レイク", "日ごとのフォルダに", "Parquet、最後にマニフェスト"),
        ),
    ),
    Box(
        165,
        578,
        190,
        64,
        PEOPLE,
        Text(("Other readers", "Athena, ETL, learning"), ("ほかの利用者", "Athena、ETL、機械学習")),
    ),
    Box(980, 418, 150, 64, AWS, Text(("QuickSight", "dashboards"), ("QuickSight", "ダッシュボード"))),
    Box(980, 75, 150, 64, AWS, Text(("CloudWatch", "logs, alarms"), ("CloudWatch", "ログ、アラーム"))),
    Box(980, 195, 150, 64, AWS, Text(("SNS", "mail, chat"), ("SNS", "メール、チャット"))),
    Box(980, 297, 150, 64, AWS, Text(("Secrets Manager", "passwords, keys"), ("Secrets Manager", "パスワード、鍵"))),
)

ARROWS = (
    Arrow(((150, 102), (220, 102)), (152, 94), Text(("HTTPS",), ("HTTPS",))),
    Arrow(
        ((85, 134), (85, 165), (510, 165), (510, 139)),
        (215, 158),
        Text(("or Session Manager",), ("または Session Manager",)),
    ),
    Arrow(((365, 102), (420, 102))),
    Arrow(((600, 107), (690, 107)), (628, 99), Text(("gRPC",), ("gRPC",))),
    Arrow(((780, 245), (780, 139)), (788, 197), Text(("gRPC",), ("gRPC",))),
    Arrow(((690, 277), (600, 277)), (620, 269), Text(("RunTask",), ("RunTask",))),
    Arrow(((400, 227), (365, 227))),
    Arrow(
        ((420, 290), (310, 290), (310, 410)),
        (318, 358),
        Text(("SELECT in one snapshot",), ("1 スナップショットで SELECT",)),
    ),
    Arrow(((510, 309), (510, 570)), (518, 450), Text(("PUT",), ("PUT",))),
    Arrow(
        ((570, 309), (570, 372), (765, 372), (765, 410)),
        (580, 364),
        Text(("COPY, one transaction a table",), ("COPY、テーブルごとに 1 トランザクション",)),
    ),
    Arrow(
        ((620, 610), (765, 610), (765, 490)),
        (640, 630),
        Text(("by a role that reads the lake alone",), ("レイクの読み取りだけを許すロールで",)),
    ),
    Arrow(((420, 610), (355, 610))),
    Arrow(((870, 450), (980, 450)), (915, 442), Text(("marts",), ("マート",))),
    Arrow(((890, 95), (980, 95)), (915, 87), Text(("logs",), ("ログ",))),
    Arrow(((1055, 139), (1055, 195)), (1063, 172), Text(("alarms",), ("アラーム",))),
    Arrow(((870, 125), (930, 125), (930, 227), (980, 227)), (937, 185), Text(("alerts",), ("通知",))),
    Arrow(((980, 329), (890, 329))),
)


def picture(language: str) -> str:
    """Return the picture as SVG, with the labels of a language of LANGUAGES."""
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" lang="{language}"'
    head = 'id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        f'<defs><marker {head}><path d="M0 0 8 4 0 8Z" fill="#495057"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for frame in FRAMES:
        lines += [
            _rectangle(frame, "#868e96", ' stroke-dasharray="6 4"'),
            _line(frame.x + 10, frame.y + 18, _in(frame, language)[0]),
        ]
    for box in BOXES:
        lines += [_rectangle(box, "#495057"), *_label(box, language)]
    for arrow in ARROWS:
        corners = " ".join(f"{x},{y}" for x, y in arrow.corners)
        lines.append(f'<polyline points="{corners}" fill="none" stroke="#495057" marker-end="url(#head)"/>')
        lines += [_line(*arrow.at, text) for text in _in(arrow, language)]
    return "\n".join([*lines, "</svg>", ""])


def file(language: str) -> Path:
    """Return where the picture of a language lies."""
    return FOLDER / ("architecture.svg" if language == "en" else f"architecture.{language}.svg")


def _in(drawn: Box | Arrow, language: str) -> tuple[str, ...]:
    return drawn.text.ja if language == "ja" else drawn.text.en


def _rectangle(box: Box, stroke: str, dashes: str = "") -> str:
    at = f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}"'
    return f'<rect {at} rx="6" fill="{box.fill}" stroke="{stroke}"{dashes}/>'


def _label(box: Box, language: str) -> list[str]:
    title, *below = _in(box, language)
    middle, y = box.x + box.width // 2, box.y + box.height // 2 - 9 * len(below) + 4
    centred = ' text-anchor="middle"'
    below_lines = [_line(middle, y + 18 * number, text, centred) for number, text in enumerate(below, 1)]
    return [_line(middle, y, title, f'{centred} font-weight="bold"'), *below_lines]


def _line(x: int, y: int, text: str, style: str = "") -> str:
    return f'<text x="{x}" y="{y}"{style}>{escape(text)}</text>'


if __name__ == "__main__":
    for one in LANGUAGES:
        file(one).write_text(picture(one), encoding="utf-8")
