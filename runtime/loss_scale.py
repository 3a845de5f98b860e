"""How far to scale cotangents up, so that float16 neither loses the small ones nor overflows with the large."""

from __future__ import annotations

__all__ = ["LossScale"]

_FIRST, _LEAST, _MOST = 2.0**16, 1.0, 2.0**24
_GROW_AFTER = 200


class LossScale:
    """Dynamic loss scaling (Micikevicius et al. 2018, section 3.2): halved when the gradient overflows, doubled after
    200 steps without. A power of two, so that scaling rounds nothing.
    """

    def __init__(self) -> None:
        self.value = _FIRST
        self._good = 0

    def accept(self, *, overflow: bool) -> bool:
        """Whether the gradient at this scale may be used, rather than computed again at the scale as it is then."""
        if overflow:
            self._good = 0
            if self.value > _LEAST:
                self.value /= 2
                return False
            return True
        self._good += 1
        if self._good >= _GROW_AFTER and self.value < _MOST:
            self.value *= 2
            self._good = 0
        return True
