"""The proof: a table in Aurora against its copy in Redshift, row by row, on a schedule or from the terminal.

`digest` has the SQL that makes one number of a row on either side. `buckets` compares their sums over ranges of the
key, `walk` reads the numbers of rows whose sums differ, `compare` finds in Redshift which of these do, `look` reads
those on both sides and says what they are (`verdict`), `repair` mends them, `engine` puts it together. This is the one
place besides the assets that joins source, lake and warehouse.
"""
