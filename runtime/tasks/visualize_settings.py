"""How to visualise."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from pixelgrad.errors import SettingsError
from pixelgrad.runtime.parameters import PARAMETERS
from pixelgrad.runtime.settings import (
    LARGEST,
    check_choice,
    check_edge,
    check_flag,
    check_number,
    check_whole,
    is_number,
)

__all__ = ["WEIGHTS", "Manner", "VisualizeSettings"]

# Of nature's spectrum, 1 / f^decay, beyond which one wave is left; below which cut, not even one in a large picture.
_STEEPEST, _LOWEST_CUT = 4, 1e-4
# What shapes a spectrum, and the parameters that have one of that kind.
_SPECTRAL = {
    "decay": ("fourier", "maco"),
    "cut": ("fourier",),
    "decorrelate": ("fourier",),
    "contrast": ("fourier",),
}
#: The settings that weigh terms of an artifact.
WEIGHTS = ("rivals_weight", "tv_weight", "norm_weight", "diversity_weight")


@dataclass(frozen=True)
class VisualizeSettings:
    """How to visualise.

    size: edge of the pictures, in pixels; ``None`` takes 224, or 128 for channels and neurons; of MACO 384 and 224.
    coarsest: edge of the first scale, 112; ``size`` or more does it all in one, as MACO does, and classes of networks
        whose last positions see less than 224 pixels. Where the network takes one size only, that is all there is.
    steps: gradient evaluations for each picture, shared among the scales.
    seed: of the noise that it starts from, and of the views.
    parameters: ``fourier``, ``maco`` (phase alone, under a natural magnitude) or ``pixels``.
    decay: of the spectrum, 1 / f^decay: more is smoother. cut: cycles per pixel above which it falls off steeply, 0 for
        never. decorrelate: colours along the axes in which nature's vary, rather than R, G and B. contrast: how many
        times as strong as in photographs an octave of waves may be in each of those colours; 0 for no limit. All of
        ``fourier``, decay of MACO too.
    learning_rate: of Adam, on the parameters: 0.1, of MACO 0.6. views: gradients, each at a view of its own, that are
        averaged for a step of Adam.
    view: edge of what the network sees, in pixels: the picture's own; of MACO 224, or 128 for channels and neurons.
    jitter: pixels, scale: least and most magnification, rotate: degrees, up to which a view differs from the picture:
        16, (0.95, 1.25) and 5; of MACO so that views are crops of 58 to 97% of the picture's edge, moved by up to a
        quarter of it, unturned.
    noise: standard deviation of what is added to each of its pixels, of [0, 1]: 0, of MACO 0.05.
    fade: leave transparent where the unit asked for nothing; by default MACO's pictures are.
    rivals_weight, tv_weight, norm_weight, diversity_weight: of the artifact's terms; ``None`` leaves its own.

    ``None`` in what depends on the parameters is what suits them, as :meth:`manner` fills it in.
    """

    size: int | None = None
    coarsest: int | None = None
    steps: int = 256
    seed: int = 0
    parameters: str = "fourier"
    decay: float = 1.0
    cut: float = 0.25
    decorrelate: bool = True
    contrast: float = 0.0
    learning_rate: float | None = None
    views: int = 1
    view: int | None = None
    jitter: int | None = None
    scale: tuple[float, float] | None = None
    rotate: float | None = None
    noise: float | None = None
    fade: bool | None = None
    rivals_weight: float | None = None
    tv_weight: float | None = None
    norm_weight: float | None = None
    diversity_weight: float | None = None

    def check(self) -> None:
        """Raise :class:`SettingsError` for a value that cannot be."""
        check_whole(self, 1, "steps", "views")
        check_whole(self, 1, "coarsest", optional=True)
        check_whole(self, 0, "seed")
        check_whole(self, 0, "jitter", most=LARGEST, optional=True)
        check_edge(self, "size", "view", optional=True)
        check_choice("parameters", self.parameters, PARAMETERS)
        check_number(self, "decay", most=_STEEPEST)
        check_number(self, "cut", "contrast")
        check_number(self, "rotate", most=180, unit="degrees", optional=True)
        check_number(self, "learning_rate", positive=True, optional=True)
        check_number(self, "noise", most=1, optional=True)
        check_number(self, *WEIGHTS, optional=True)
        check_flag(self, "decorrelate")
        check_flag(self, "fade", optional=True)
        for name, kinds in _SPECTRAL.items():
            if self.parameters not in kinds and getattr(self, name) != getattr(VisualizeSettings, name):
                raise SettingsError(
                    f"{name} is of the parameters {' and '.join(kinds)}, and these are {self.parameters}; leave it out"
                )
        if 0 < self.cut < _LOWEST_CUT:
            raise SettingsError(
                f"cut is {self.cut}; it must be 0, or a number from {_LOWEST_CUT:g} cycles per pixel up"
            )
        ends = (1.0, 1.0) if self.scale is None else self.scale if isinstance(self.scale, list | tuple) else ()
        if len(ends) != 2 or not all(is_number(end, 0.1, 10) for end in ends) or ends[0] > ends[1]:
            raise SettingsError(
                f"scale is {self.scale!r}; it must be the least and the most magnification, from 0.1 to 10"
            )
        if self.views > self.steps:
            raise SettingsError(f"views is {self.views} and there are {self.steps} steps; a step takes that many views")

    def manner(self, size: int, view: int) -> Manner:
        """What depends on the parameters, where it is not given as what suits them.

        size, view: edges in pixels of the picture and of what the network sees.
        """
        given = {field.name: getattr(self, field.name) for field in fields(Manner)}
        suits = _SUITS[self.parameters]
        if self.parameters == "maco":
            least, most = (view / (share * size) for share in reversed(_CROPS))
            suits = replace(suits, jitter=round(_OFF_CENTRE * size), scale=(least, most))
        return replace(suits, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class Manner:
    """The settings of :class:`VisualizeSettings` whose defaults depend on the parameters."""

    learning_rate: float = 0.1
    jitter: int = 16
    scale: tuple[float, float] = (0.95, 1.25)
    rotate: float = 5.0
    noise: float = 0.0
    fade: bool = False


# Views of MACO show so much of the picture's edge, as far from its middle as this share of it. Fel et al. 2023 show 20
# to 25% of 1280 pixels around the middle: strengths cannot change, so what is of no use must have somewhere to go.
_CROPS = (0.58, 0.97)
_OFF_CENTRE = 0.25
_SUITS = {
    "fourier": Manner(),
    # Their steps are of Nadam at 1, over phases that are divided by their deviation as they grow, and average 6 crops;
    # as many gradients are worth more as steps of their own.
    "maco": Manner(learning_rate=0.6, rotate=0.0, noise=0.05, fade=True),
    "pixels": Manner(),
}
