"""Adam on pixels, with averaged iterates, as the artifact's graph computes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixelgrad.runtime.images.resizing import Resize, resize
from pixelgrad.runtime.memory import DeviceArray, memory_of

Array = np.ndarray[Any, Any]
_STATE = ("first_moment", "second_moment", "average")
_OUTPUTS = ["new_image", "averaged_image", *(f"new_{name}" for name in _STATE)]


class Adam:
    """Kingma & Ba 2015 with betas (0.9, 0.99), clamped to [0, 1]; the result is the bias-corrected average (0.99)."""

    def __init__(self, image: Array, session: Any, learning_rate: float = 0.02) -> None:
        self._session = session
        self._memory = memory_of(session)
        self._rate = np.asarray(learning_rate, np.float32)
        self._image = self._result = image
        self._state: dict[str, Any] = {name: np.zeros(image.shape, np.float32) for name in _STATE}
        # On a device: the moments before the last, whose place the next ones take.
        self._spare: dict[str, DeviceArray] = {}
        self._step = self._average_step = 0

    @property
    def image(self) -> Array:
        return self._image

    @property
    def result(self) -> Array:
        return self._result

    def update(self, loss: float, gradient: Array) -> None:
        self._step += 1
        self._average_step += 1
        feeds: dict[str, Any] = {
            "image": self._image,
            "gradient": gradient,
            **self._state,
            "step": np.asarray(self._step, np.float32),
            "average_step": np.asarray(self._average_step, np.float32),
            "learning_rate": self._rate,
        }
        if self._memory is None:
            self._image, self._result, *state = self._session.run(_OUTPUTS, feeds)
        else:
            feeds |= {name: self._memory.put(value) for name, value in self._state.items()}
            self._image, self._result, *state = self._memory.run(self._session, _OUTPUTS, feeds, into=self._spare)
            self._spare = {f"new_{name}": feeds[name] for name in _STATE}
        self._state = dict(zip(_STATE, state, strict=True))

    def resized(self, width: int, height: int, resize: Resize = resize) -> Adam:
        """Moments carry over, so that the first steps at the new size are not blind; averaging starts anew."""
        image = np.clip(resize(np.asarray(self._result), (width, height), "bicubic"), 0.0, 1.0)
        grown = Adam(image, self._session, float(self._rate))
        grown._step = self._step
        grown._state["first_moment"] = resize(np.asarray(self._state["first_moment"]), (width, height), "bicubic")
        # Bilinear: a second moment must not become negative.
        grown._state["second_moment"] = resize(np.asarray(self._state["second_moment"]), (width, height), "bilinear")
        return grown
