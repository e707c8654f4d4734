"""MySQL's protocol on the wire: packets, rows, and columns decoded out of them many rows at a time."""
