"""Pictures drawn by code, so that training sees what few photographs hold: pure edges, spectra, flat colour, strokes.

Each function draws one square RGB picture, uint8 [size, size, 3], from a NumPy generator.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Picture = NDArray[np.uint8]
Generator = np.random.Generator


def _colour(rng: Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3)
    return int(red), int(green), int(blue)


def _palette(rng: Generator) -> NDArray[np.float64]:
    """Two to six colours, half of the time close to one another, of any saturation."""
    count = int(rng.integers(2, 7))
    colours = rng.uniform(0, 255, (count, 3))
    if rng.random() < 0.5:
        colours = colours[:1] + rng.normal(0, 40, (count, 3))
    grey = colours.mean(axis=1, keepdims=True)
    colours = grey + rng.uniform(0.1, 1) * (colours - grey)
    result: NDArray[np.float64] = np.clip(colours, 0, 255)
    return result


def _through_palette(field: NDArray[np.float64], rng: Generator) -> Picture:
    """Colour a scalar field by its rank-free position between the palette's colours."""
    colours = _palette(rng)
    low, high = np.percentile(field, (1, 99))
    position = np.clip((field - low) / max(high - low, 1e-9), 0, 1) * (len(colours) - 1)
    index = np.minimum(position.astype(int), len(colours) - 2)
    share = (position - index)[..., None]
    result: Picture = ((1 - share) * colours[index] + share * colours[index + 1]).astype(np.uint8)
    return result


def spectrum(size: int, rng: Generator, exponent: float | None = None) -> NDArray[np.float64]:
    """Gaussian noise whose amplitude falls as 1 / f^exponent, at times stretched along one direction."""
    exponent = float(rng.uniform(0.3, 2.2)) if exponent is None else exponent
    vertical, horizontal = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    if rng.random() < 0.3:
        angle, stretch = rng.uniform(0, np.pi), rng.uniform(2, 8)
        along = np.cos(angle) * vertical + np.sin(angle) * horizontal
        across = np.cos(angle) * horizontal - np.sin(angle) * vertical
        radius = np.hypot(stretch * along, across)
    else:
        radius = np.hypot(vertical, horizontal)
    radius[0, 0] = 1.0
    noise = rng.normal(size=radius.shape) + 1j * rng.normal(size=radius.shape)
    return np.fft.irfft2(noise * (radius + 1e-3) ** -exponent, s=(size, size))


def noise(size: int, rng: Generator) -> Picture:
    """Noise of a power-law spectrum: natural images have exponents near 1 (Field 1987)."""
    if rng.random() < 0.5:
        return _through_palette(spectrum(size, rng), rng)
    exponent = float(rng.uniform(0.3, 2.0))
    layers = np.stack([spectrum(size, rng, exponent) for _ in range(3)], axis=-1)
    layers = layers / layers.std(axis=(0, 1)) * rng.uniform(10, 70, 3) + rng.uniform(60, 200, 3)
    result: Picture = np.clip(layers, 0, 255).astype(np.uint8)
    return result


def marble(size: int, rng: Generator) -> Picture:
    """Bands of a warped coordinate: wood, marble, water."""
    y, x = np.mgrid[0:size, 0:size] / size
    warp = spectrum(size, rng, 1.8)
    warp = warp / warp.std() * rng.uniform(0.02, 0.4)
    angle, frequency = rng.uniform(0, np.pi), rng.uniform(2, 30)
    phase = 2 * np.pi * frequency * (np.cos(angle) * x + np.sin(angle) * y + warp)
    wave = np.sin(phase)
    return _through_palette(np.sign(wave) * np.abs(wave) ** rng.uniform(0.3, 1.5), rng)


def grating(size: int, rng: Generator) -> Picture:
    """One to three sinusoids or square waves, chirped at times, of any period from two pixels up."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float64)
    total = np.zeros((size, size))
    for _ in range(int(rng.integers(1, 4))):
        angle, period = rng.uniform(0, np.pi), 2 ** rng.uniform(1, 6)
        along = np.cos(angle) * x + np.sin(angle) * y
        along = along + rng.uniform(0, 1) * along**2 / size * (rng.random() < 0.4)
        wave = np.sin(2 * np.pi * along / period + rng.uniform(0, 7))
        total += rng.uniform(0.3, 1) * (np.sign(wave) if rng.random() < 0.4 else wave)
    return _through_palette(total, rng)


def rings(size: int, rng: Generator) -> Picture:
    """Circles and spirals about a centre."""
    y, x = np.mgrid[0:size, 0:size] - rng.uniform(0, size, 2)[:, None, None]
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    arms = int(rng.integers(0, 7))
    return _through_palette(np.sin(2 * np.pi * radius / 2 ** rng.uniform(2, 6) + arms * angle), rng)


def gradient(size: int, rng: Generator) -> Picture:
    """A smooth blend between four corner colours, or one flat colour."""
    corners = rng.uniform(0, 255, (2, 2, 3))
    if rng.random() < 0.3:
        corners[:] = corners[0, 0]
    t = np.linspace(0, 1, size) ** rng.uniform(0.5, 2)
    rows = corners[0][None] * (1 - t[:, None, None]) + corners[1][None] * t[:, None, None]
    blend = rows[:, :1] * (1 - t[None, :, None]) + rows[:, 1:] * t[None, :, None]
    result: Picture = blend.astype(np.uint8)
    return result


def dead_leaves(size: int, rng: Generator) -> Picture:
    """Overlapping discs and boxes of power-law sizes (Lee, Mumford and Huang 2001); edges and junctions."""
    picture = Image.new("RGB", (size, size), _colour(rng))
    draw = ImageDraw.Draw(picture)
    smallest, colours = rng.uniform(2, 12), _palette(rng)
    # Drawn back to front; radii with density r^-3 are scale invariant.
    radii = smallest / np.sqrt(rng.uniform((smallest / (size / 3)) ** 2, 1, 900))
    for radius in radii:
        x, y = rng.uniform(0, size, 2)
        shade = np.clip(colours[rng.integers(len(colours))] + rng.normal(0, 25, 3), 0, 255).astype(int)
        fill = (int(shade[0]), int(shade[1]), int(shade[2]))
        if rng.random() < 0.6:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
        else:
            angle = rng.uniform(0, 2 * np.pi, int(rng.integers(3, 6)))
            corners = [(x + radius * np.cos(a), y + radius * np.sin(a)) for a in np.sort(angle)]
            draw.polygon(corners, fill=fill)
    return np.asarray(picture)


def strokes(size: int, rng: Generator) -> Picture:
    """Curved brush strokes that follow a smooth direction field, with streaks along them."""
    scale = 2
    colours, ground = _palette(rng), spectrum(size, rng, 1.6)
    field = spectrum(size, rng, 2.2)
    field = field / field.std() * rng.uniform(0.3, 2.0)
    tint = spectrum(size, rng, 1.6)
    tint = (tint - tint.min()) / np.ptp(tint)
    base = Image.fromarray(_through_palette(ground, rng)).resize((size * scale, size * scale))
    draw = ImageDraw.Draw(base)
    width, length = rng.uniform(2, 14), rng.uniform(8, 60)
    for _ in range(int(min(2500, 4 * size * size / (width * length)))):
        x, y = rng.uniform(0, size, 2)
        row = colours[int(tint[int(y), int(x)] * 0.999 * len(colours))]
        points = [(x * scale, y * scale)]
        for _ in range(6):
            angle = 3 * field[int(np.clip(y, 0, size - 1)), int(np.clip(x, 0, size - 1))]
            x, y = x + length / 6 * np.cos(angle), y + length / 6 * np.sin(angle)
            points.append((x * scale, y * scale))
        for share in (1.0, 0.6, 0.3):
            shade = np.clip(row + rng.normal(0, 22, 3), 0, 255).astype(int)
            draw.line(
                points,
                fill=(int(shade[0]), int(shade[1]), int(shade[2])),
                width=max(1, int(width * scale * share)),
                joint="curve",
            )
    return np.asarray(base.resize((size, size), Image.Resampling.BOX))


def glyphs(size: int, rng: Generator) -> Picture:
    """Rows of small line figures like writing, and blocks like a page or a facade."""
    picture = Image.new("RGB", (size, size), _colour(rng))
    draw = ImageDraw.Draw(picture)
    ink, cell = _colour(rng), int(rng.integers(7, 40))
    line = max(1, cell // 8)
    for top in range(0, size, int(cell * rng.uniform(1.1, 2))):
        for left in range(0, size, cell):
            if rng.random() < 0.15:
                continue
            for _ in range(int(rng.integers(1, 5))):
                ends = rng.uniform(0.1, 0.9, 4) * cell
                # Half of the ends on a coarse raster: letters are mostly upright.
                if rng.random() < 0.7:
                    ends = np.round(ends / cell * 3) / 3 * cell * 0.9
                box = (left + ends[0], top + ends[1], left + ends[2], top + ends[3])
                if rng.random() < 0.25:
                    x0, x1, y0, y1 = *sorted((box[0], box[2])), *sorted((box[1], box[3]))
                    draw.arc((x0, y0, x1, y1), 0, int(rng.integers(90, 361)), fill=ink, width=line)
                else:
                    draw.line(box, fill=ink, width=line)
    return np.asarray(picture)


def dots(size: int, rng: Generator) -> Picture:
    """A jittered lattice of dots or diamonds: pointillism, halftone, cloth, tiles."""
    picture = Image.new("RGB", (size, size), _colour(rng))
    draw = ImageDraw.Draw(picture)
    colours, pitch = _palette(rng), rng.uniform(4, 40)
    jitter, share = rng.uniform(0, 0.6), rng.uniform(0.2, 0.7)
    for row in range(int(size / pitch) + 2):
        for column in range(int(size / pitch) + 2):
            x = (column + 0.5 * (row % 2) + jitter * rng.normal()) * pitch
            y = (row + jitter * rng.normal()) * pitch
            radius = share * pitch * rng.uniform(0.6, 1.2)
            shade = colours[rng.integers(len(colours))].astype(int)
            fill = (int(shade[0]), int(shade[1]), int(shade[2]))
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    return np.asarray(picture)


DRAWINGS: tuple[Callable[[int, Generator], Picture], ...] = (
    noise,
    marble,
    grating,
    rings,
    gradient,
    dead_leaves,
    dead_leaves,
    strokes,
    strokes,
    glyphs,
    dots,
)


def picture(size: int, seed: int) -> Picture:
    """Drawing number `seed`; now and then two drawings laid over each other, or one softened."""
    rng = np.random.default_rng(seed)
    result = DRAWINGS[seed % len(DRAWINGS)](size, rng)
    if rng.random() < 0.25:
        other = DRAWINGS[rng.integers(len(DRAWINGS))](size, rng)
        mask = spectrum(size, rng, 2.0)[..., None] > 0
        result = np.where(mask, result, other)
    if rng.random() < 0.3:
        soft = Image.fromarray(result).filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 3))))
        result = np.asarray(soft)
    return np.ascontiguousarray(result)
