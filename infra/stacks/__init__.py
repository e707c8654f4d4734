"""One module for each stack. What they share comes from `infra.config` and `infra.commands`."""
