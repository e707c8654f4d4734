"""The product as its users see it: the Dagster UI in a browser."""
