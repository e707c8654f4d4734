"""The key of `mask: hmac`, and the hash that it makes: HMAC-SHA-256 over a value's bytes, as hexadecimal digits.

The source cannot compute it: a key in a statement would stand in its general log, its slow log and its
performance_schema. So the hash is made in this process, from the bytes as they come off the wire, before anything else
sees them. Where a key comes from is `config`'s business.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_CHARACTERS = 32
"""Characters of the shortest key. A key should be as long as the hash (RFC 2104, section 3), and one that is guessed
gives every value away that can be guessed; 32 hexadecimal digits are 128 bits."""

WAYS = ("AURORA_MASK_KEY", "AURORA_MASK_KEY_SECRET_ID")
"""The environment variables of which one gives the key."""

NO_KEY = f"there is no key for `mask: hmac`; set {' or '.join(WAYS)}"

_FINGERPRINT_DIGITS = 16
_FINGERPRINT_OF = b"aurora-dwh: fingerprint of a mask's key"


@dataclass(frozen=True)
class MaskKey:
    """A key. It is never shown, nor written anywhere."""

    secret: bytes = field(repr=False)  # its bytes

    @property
    def fingerprint(self) -> str:
        """What tells this key from another, and says nothing else of it."""
        return self.hashed(_FINGERPRINT_OF)[:_FINGERPRINT_DIGITS]

    def hashed(self, value: bytes) -> str:
        """Return the hash of a value, 64 digits in lower case."""
        return hmac.digest(self.secret, value, "sha256").hex()

    def hashed_all(self, values: pa.Array) -> pa.Array:
        """Return the hashes of binary values as texts; NULL stays NULL, and equal values are hashed once."""
        import pyarrow as pa

        encoded = values.dictionary_encode()
        hashes = pa.array([self.hashed(value) for value in encoded.dictionary.to_pylist()], pa.string())
        return hashes.take(encoded.indices)
