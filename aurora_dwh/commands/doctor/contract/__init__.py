"""What the product takes for granted of Redshift and S3, measured on a real warehouse: `aurora-dwh doctor --contract`.

`assumption` says what one is and measures them one after the other, on the two sessions of a `scratch`; `locks`,
`copies`, `functions`, `catalog` and `store` have the assumptions themselves.
"""
