"""The embedded stack: an Aurora, a lake and a Redshift that run from pip wheels, for the demo, development and tests.

They speak the real wire protocols, so the product has one code path and imports nothing from here. `stack` runs them
together; `shop` fills the Aurora with a sample business.
"""
