"""Tests of the Redshift stand-in: it accepts what Redshift accepts and refuses what Redshift refuses."""
