"""Inspection of a picture before it is paid for: its subject cut out, and warnings of what will likely go wrong."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from ...atomic_files import atomic_write
from ...errors import GenerationFailed
from .inspection import Inspection
from .subject import Mask, Subject, cut_subject, find_mask, find_subject

MARGIN = 0.1
"""Room left on each side of a cut-out, as a share of the square: what image-to-3D models are trained on."""
INSPECTION_SIDE, PREVIEW_SIDE, MASK_SIDE = 1024, 256, 512
MIN_ADVISED_SIDE = 256
"""A picture whose longer side has fewer pixels shows too little."""
SHARPNESS_SIDE, MIN_SHARPNESS = 384, 0.08
"""Measured on five photographs: .30 to .59; blurred by six thousandths of their longer side: .05 at most."""
MIN_CONTRAST = 6.0
"""Contrast, of 255, below which a subject counts as one colour, whose sharpness cannot be measured."""
OTHER_SUBJECT_SHARE, OTHER_SUBJECT_MIN_SHARE = 0.3, 0.01
"""A second subject covers so much of the first's area, and of the picture."""


def inspect(picture: bytes) -> Inspection:
    """Inspect a checked picture (a JPEG or PNG in RGB or RGBA). Runs in a worker process."""
    image: Image.Image = Image.open(io.BytesIO(picture))
    warnings = ["small"] if max(image.size) < MIN_ADVISED_SIDE else []
    try:
        mask = find_mask(image)  # of the whole picture, as its generation does, which then finds the network's answer
        image.thumbnail((INSPECTION_SIDE, INSPECTION_SIDE))
        subject = cut_subject(image, mask)
    except GenerationFailed:
        return Inspection((*warnings, "no_subject"), None)
    if not warnings and sharpness(subject) < MIN_SHARPNESS:  # a small one is never sharp
        warnings.append("blurred")
    if count_subjects(mask) > 1:
        warnings.append("several_subjects")
    preview = centred_on_square(subject)
    preview.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return Inspection(tuple(warnings), _webp(preview), _webp(mask_of(subject, image.size)))


def mask_of(subject: Subject, size: tuple[int, int]) -> Image.Image:
    """A white image with the subject's coverage as alpha, in the shape of `size` and at most MASK_SIDE long."""
    scale = min(1.0, MASK_SIDE / max(size))
    left, top, right, bottom = (round(side * scale) for side in subject.box)
    alpha = Image.fromarray(np.rint(subject.alpha * 255).astype(np.uint8))
    whole = Image.new("L", (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
    whole.paste(alpha.resize((max(1, right - left), max(1, bottom - top))), (left, top))
    return Image.merge("LA", (Image.new("L", whole.size, 255), whole))


def _webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()


def cut_out(image: Path, destination: Path) -> None:
    """Write the picture's subject as a square PNG, centred, on white made transparent; raises GenerationFailed."""
    with Image.open(image) as picture:
        subject = find_subject(picture)
    buffer = io.BytesIO()
    centred_on_square(subject).save(buffer, "PNG", compress_level=3)
    atomic_write(destination, buffer.getvalue())


def centred_on_square(subject: Subject) -> Image.Image:
    """The subject in mode RGBA in the middle of a square with MARGIN around it, white where it is transparent."""
    alpha = subject.alpha[..., None]
    colours = np.concatenate([subject.rgb * alpha + 255 * (1 - alpha), alpha * 255], axis=2)
    image = Image.fromarray(np.rint(colours).clip(0, 255).astype(np.uint8))
    image = image.crop(image.getchannel("A").getbbox())
    side = round(max(image.size) / (1 - 2 * MARGIN))
    square = Image.new("RGBA", (side, side), (255, 255, 255, 0))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def sharpness(subject: Subject) -> float:
    """Sharpness: share of the subject's contrast in its finest detail, independent of its size and light."""
    grey = Image.fromarray(np.asarray(subject.rgb.mean(axis=2), np.float32))
    scale = SHARPNESS_SIDE / max(grey.size)
    size = (max(8, round(grey.width * scale)), max(8, round(grey.height * scale)))
    values = np.asarray(grey.resize(size, Image.Resampling.BILINEAR))
    inside = np.asarray(Image.fromarray(subject.alpha).resize(size, Image.Resampling.BILINEAR)) > 0.9
    inside = ndimage.binary_erosion(inside, iterations=4)
    if not inside.any():
        return 1.0
    contrast = float(values[inside].std())
    return float(ndimage.laplace(values)[inside].std()) / contrast if contrast > MIN_CONTRAST else 1.0


def count_subjects(mask: Mask) -> int:
    """Number of separate subjects of similar size in a picture."""
    labels, count = ndimage.label(mask.values > 0.5)
    sizes = np.sort(np.bincount(labels.ravel(), minlength=count + 1)[1:])[::-1]
    enough = max(OTHER_SUBJECT_SHARE * sizes[:1].sum(), OTHER_SUBJECT_MIN_SHARE * mask.values.size)
    return int((sizes >= enough).sum())
