"""The embedded Aurora: MySQL's wire protocol over a SQLite file.

A stand-in that lets the product run from pip wheels alone. It serves what a careful extractor and a shop's application
send, refuses the rest with MySQL's errors, and keeps MySQL's types, snapshots and information_schema. Layers, from the
socket down: `wire`, `statements` (`reads`, `writes`, `control`), `session`, `translate`, `catalogue`, `values`.
"""

from aurora_dwh.local.aurora.outfile import Exports
from aurora_dwh.local.aurora.server import EmbeddedAurora

__all__ = ["EmbeddedAurora", "Exports"]
