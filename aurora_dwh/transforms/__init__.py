"""Tables that are computed instead of copied: from the lake by a transform, or by any asset of Dagster."""
