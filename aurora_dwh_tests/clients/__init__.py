"""Foreign clients at work on the stand-in: it must answer them as Redshift does."""
