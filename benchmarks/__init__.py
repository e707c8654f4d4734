"""The benchmark suite: this project beside the C client and beside other tools, on one machine, in one run.

`python -m benchmarks` measures and writes docs/benchmarks.md. Each measure is a module with a function `measure`; what
is measured are processes of their own, in `clients`. `harness` runs them by turns, `rig` has the servers, `tables` the
generated rows, `page` the report. Nothing in the product imports any of it.
"""
