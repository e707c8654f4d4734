"""Dagster: assets, checks, IO managers, schedules and sensors over the engine, and nothing of the engine itself."""
