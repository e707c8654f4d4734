"""The proof: a table in Aurora against its copy in Redshift, row by row, on a schedule or from the terminal.

`digest` has the SQL that makes one number of a row on either side, `walk` reads those of the source, `compare` finds in
Redshift which differ, `look` reads these rows on both sides and says what they are (`verdict`), `repair` mends them,
`engine` puts it together. This is the one place besides the assets that joins source, lake and warehouse.
"""
