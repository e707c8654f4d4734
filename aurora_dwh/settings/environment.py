"""Reading environment variables so that everything wrong with them is said at once, and no value is ever repeated.

Which variables there are and what they mean is `config`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import SecretStr

VERIFY = "verify"
"""TLS with the server's certificate and host name verified."""

VERIFY_CA = "verify-ca:"
"""What stands before a file of certificates where the host name is not to be verified."""

DISABLED = "disabled"
"""No TLS."""

FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"


class ConfigError(Exception):
    """Environment variables that are missing, contradict one another or cannot be used; `problems` names them all."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Environment:
    """One reading of the environment. A variable that is empty counts as not set, unless it may be empty."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.problems: list[str] = []  # what is wrong so far, without values: one may be a secret in the wrong place

    def text(self, name: str) -> str | None:
        """Return a variable's value, None where it is not set."""
        return self._variables.get(name, "").strip() or None

    def secret(self, name: str, *, may_be_empty: bool = False) -> SecretStr | None:
        """Return a variable's value to the last blank, wrapped so that it cannot be printed."""
        from pydantic import SecretStr  # a tenth of a second, which the command line's help does not need

        value = self._variables.get(name)
        return None if value is None or not (value or may_be_empty) else SecretStr(value)

    def required(self, name: str, meaning: str) -> str:
        """Return a variable's value; one that is not set is a problem."""
        value = self.text(name)
        if value is None:
            self.problems.append(f"{name} is not set: {meaning}")
        return value or ""

    def matching(self, name: str, pattern: str, meaning: str, default: str) -> str:
        """Return a variable's value, which must match a pattern as a whole."""
        value = self.text(name) or default
        if not re.fullmatch(pattern, value):
            self.problems.append(f"{name} is not {meaning}")
        return value

    def port(self, name: str) -> int | None:
        """Return a port's number, None where it is not set."""
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"[0-9]{1,5}", value) or not 0 < int(value) < 65536:
            self.problems.append(f"{name} is not a port; write a number from 1 to 65535")
            return None
        return int(value)

    def flag(self, name: str) -> bool:
        """Return whether a switch is on; it is off where it is not set."""
        value = (self.text(name) or "0").lower()
        if value not in FLAGS:
            self.problems.append(f"{name} is neither on nor off; write 1 or 0")
        return FLAGS.get(value, False)

    def only_one(self, names: Sequence[str], given: Sequence[bool]) -> None:
        """Demand that just one of several ways is taken."""
        taken = [name for name, is_given in zip(names, given, strict=True) if is_given]
        if not taken:
            self.problems.append(f"none of {', '.join(names)} is set: set one of them")
        elif len(taken) > 1:
            self.problems.append(f"{' and '.join(taken)} are set, which contradict each other: keep one of them")

    def forbidden(self, name: str, because: str) -> None:
        """Demand that a variable is not set, because of another one."""
        if self.text(name) is not None:
            self.problems.append(f"{name} contradicts {because}")

    def tls(self, name: str, *, file_allowed: bool) -> str:
        """Return `verify`, `disabled`, or the path of a file of certificates, `verify-ca:` before it or not."""
        value = self.text(name) or VERIFY
        if value in (VERIFY, DISABLED):
            return value
        if not file_allowed:
            self.problems.append(f"{name} is neither verify nor disabled")
        elif not Path(value.removeprefix(VERIFY_CA)).is_file():
            self.problems.append(
                f"{name} is neither verify nor disabled, nor the path of a file with certificates, nor {VERIFY_CA} "
                "and such a path"
            )
        return value

    def s3_uri(self, name: str) -> tuple[str, str]:
        """Return bucket and prefix of an `s3://bucket/prefix`."""
        value = self.required(name, "where the lake lies, such as s3://my-bucket/lake")
        match = re.fullmatch(rf"s3://({_BUCKET})((?:/[^/?#]+)*)/?", value)
        if value and not match:
            self.problems.append(f"{name} is not of the form s3://bucket/prefix")
        return (match[1], match[2].strip("/")) if match else ("", "")
