"""Looking into a receive buffer: places in it, and values that begin at any of its bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]


def everywhere(data: npt.NDArray[np.uint8], kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return a view of a buffer whose element n is the value that begins at byte n; nothing needs to be aligned."""
    view: npt.NDArray[Any] = np.ndarray((len(data) - kind.itemsize + 1,), kind, buffer=data.data, strides=(1,))
    return view
