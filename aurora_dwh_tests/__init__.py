"""The tests, which mirror the package: unit, integration (one server), e2e (all of them), browser."""
