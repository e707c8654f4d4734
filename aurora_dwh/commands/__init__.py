"""The commands of `aurora-dwh`, one small module each; `aurora_dwh.cli` puts them together.

What a command needs beyond typer is imported when it runs, so that `aurora-dwh --help` stays quick.
"""
