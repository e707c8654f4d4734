"""The lake on S3: where a day lies, how its parts and manifest are written, and the IO manager in front of it."""
