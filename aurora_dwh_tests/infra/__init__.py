"""The deployment: its configuration, and templates in which each option meets each other one, made offline."""
