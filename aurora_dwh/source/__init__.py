"""The source, Aurora MySQL: connection, windows, and the columnar reader."""
