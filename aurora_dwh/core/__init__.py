"""What every part of the product may use: days, types, rows and rules as values. It imports no other folder."""
