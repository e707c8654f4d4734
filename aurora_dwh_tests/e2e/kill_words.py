"""The words of the kill matrix in Japanese, for docs/ja/operation.md."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

JAPANESE: Mapping[str, str] = {
    "statement": "文",
    "`kill -9` before it": "直前に `kill -9`",
    "cut before it": "直前に切断",
    "cut after its answer": "応答後に切断",
    "as before": "以前のまま",
    "whole": "完全",
    "request again": "再リクエスト",
    "connected again": "再接続",
    "transaction again": "トランザクション再実行",
    "looked up": "結果を照会",
    "goes on": "続行",
    "step again": "ステップ再試行",
    "Aurora": "Aurora",
    "connect": "接続",
    "set the character set": "文字セットを設定",
    "use all roles": "すべてのロールを有効化",
    "set what decides rows and values": "行と値を左右する変数を設定",
    "ask which other variables it has": "ほかにどの変数があるかを問い合わせ",
    "set those": "それらを設定",
    "share the table's lock": "テーブルの共有ロック",
    "read the columns and the comment": "列とコメントを読む",
    "read the columns": "列を読む",
    "read the primary key": "主キーを読む",
    "read the indexes": "インデックスを読む",
    "read the clock": "時計を読む",
    "read the clock and share the table's lock": "時計を読みテーブルの共有ロックを取る",
    "ask whether it is a reader": "リーダーかどうかを問い合わせ",
    "ask whether it is a replica": "レプリカかどうかを問い合わせ",
    "read the session's number": "セッション番号を読む",
    "read which session and server it is": "どのセッションとサーバーかを読む",
    "begin the snapshot": "スナップショットを開始",
    "count rows without a cursor and of the future": "カーソルのない行と未来の行を数える",
    "`EXPLAIN` of the rows' `SELECT`": "行の `SELECT` の `EXPLAIN`",
    "prepare the rows' `SELECT`": "行の `SELECT` を準備",
    "run it": "それを実行",
    "its rows are under way": "行の転送中",
    "close it": "それを閉じる",
    "count the rows": "行を数える",
    "end the snapshot": "スナップショットを終了",
    "disconnect": "切断",
    "S3": "S3",
    "`GET` of the manifest": "マニフェストの `GET`",
    "begin a file in blocks": "ブロック単位のファイルを開始",
    "`PUT` of its first block": "最初のブロックの `PUT`",
    "`PUT` of its last block": "最後のブロックの `PUT`",
    "complete the file": "ファイルを完成",
    "`PUT` of a small file": "小さなファイルの `PUT`",
    "`PUT` of the manifest": "マニフェストの `PUT`",
    "list the table's days": "テーブルの日を一覧",
    "list the day's files": "その日のファイルを一覧",
    "delete the files before": "以前のファイルを削除",
    "Redshift": "Redshift",
    "read what was loaded": "ロード済みの内容を読む",
    "`BEGIN`": "`BEGIN`",
    "lock the table": "テーブルをロック",
    "create the stage": "ステージを作成",
    "`COPY`": "`COPY`",
    "count the copied rows": "コピーした行を数える",
    "pick the newest rows": "最新の行を選ぶ",
    "count new and replaced rows": "新しい行と置き換わる行を数える",
    "`DELETE` of the rows before": "以前の行の `DELETE`",
    "`INSERT`": "`INSERT`",
    "check what stands now": "今ある内容を検査",
    "`INSERT` into the history": "履歴への `INSERT`",
    "`COMMIT`": "`COMMIT`",
}
"""Each part of a cell, as the marks `: `, `; ` and `, ` divide it."""

_MARKS = {": ": "：", "; ": "、", ", ": "、"}


def in_japanese(cells: Sequence[str]) -> list[str]:
    """Return a row of the matrix in Japanese.

    Raises:
        KeyError: A part of a cell has no word in JAPANESE.
    """
    parts = [re.split("(: |; |, )", cell) for cell in cells]
    return ["".join(_MARKS.get(part) or JAPANESE[part] for part in cell) for cell in parts]
