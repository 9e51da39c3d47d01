"""The segments of a JPEG: where the picture ends, whether all of it is there, and the file without its metadata.

Cameras put much behind the end marker (a film, further views, a gain map), and some leave that marker out. So what
counts is what lies between the start and the end of the first picture (ITU-T T.81, annex B).
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import JpegImagePlugin

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SIMPLE_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive Huffman coding: what every program reads."""
PROGRESSIVE = 0xC2
STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
APP0, APP14, COMMENT = 0xE0, 0xEE, 0xFE
END = b"\xff\xd9"
AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The marker that ends a scan: not a stuffed byte, a restart or a fill byte."""
NOISE = np.random.default_rng(0).integers(1, 255, 1 << 16, np.uint8).tobytes()
MCU_SIDE = 16
"""Most rows of pixels that one row of coded blocks holds in the usual samplings; reduced, as many hold more of them."""
REDUCED_SIDE = 1024


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker with all that belongs to it; a scan with its coded data."""

    marker: int
    start: int
    body: int
    """Offset of its parameters, behind marker and length."""
    end: int


@dataclass(frozen=True, slots=True)
class Jpeg:
    """One JPEG picture within a file."""

    data: bytes
    """The file from the start marker to the end marker, which is added where it is missing."""
    segments: tuple[Segment, ...]
    has_end: bool
    has_all_scans: bool
    """True if at most the last bit of coefficients is missing, which is hardly seen."""

    @property
    def scans(self) -> int:
        """Number of scans."""
        return sum(segment.marker == SOS for segment in self.segments)

    @property
    def frame_marker(self) -> int:
        """Marker of the frame header, which names the coding process (baseline, progressive …); 0 without one."""
        return next((segment.marker for segment in self.segments if segment.marker in FRAME_HEADERS), 0)

    def without_metadata(self) -> bytes:
        """The same picture, losslessly, without EXIF, GPS position, comments, previews, profile and gain map."""
        kept = [self.data[segment.start : segment.end] for segment in self.segments if not self._is_metadata(segment)]
        return b"".join([self.data[:2], *kept, END])

    def is_truncated(self) -> bool:
        """True if a picture without end marker ends above its last rows; of a progressive one, before its last scans.

        Coded data that goes on with noise instead of the end decodes to other pixels from where it is cut off.
        """
        if self.has_end or not self.has_all_scans or self.frame_marker == PROGRESSIVE:
            return not (self.has_end or self.has_all_scans)
        original, with_noise = (_decode_small(self.data[: -len(END)] + rest + END) for rest in (b"", NOISE))
        rows = np.flatnonzero((original != with_noise).reshape(len(original), -1).any(axis=1))
        return bool(rows.size and rows[0] < len(original) - MCU_SIDE - 1)

    def _is_metadata(self, segment: Segment) -> bool:
        if segment.marker == APP0:
            return not self.data.startswith(b"JFIF\0", segment.body)
        return segment.marker == COMMENT or (APP0 < segment.marker <= 0xEF and segment.marker != APP14)


def read_jpeg(data: bytes) -> Jpeg:
    """Find the first picture in a file that begins with a start marker."""
    segments: list[Segment] = []
    coefficients = _Coefficients(data)
    at, has_end = 2, False
    while 0 <= (at := data.find(b"\xff", at)) < len(data) - 1:
        marker = data[at + 1]
        if marker == EOI:
            has_end = True
            break
        if marker in (0, 0xFF) or marker in STANDALONE:
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if end > len(data) or (
            marker != SOS and coefficients.most_missing_bits == 0
        ):  # what follows belongs to something else
            break
        if marker == SOS:
            following = AFTER_SCAN.search(data, end)
            end = following.start() if following else len(data)
        segments.append(Segment(marker, at, at + 4, end))
        coefficients.add(segments[-1])
        at = end
    end = at if has_end else segments[-1].end if segments else len(data)
    return Jpeg(data[:end] + END, tuple(segments), has_end, coefficients.most_missing_bits <= 1)


class _Coefficients:
    """Coefficients that the scans have brought to their last bit, by component (T.81, G.1.1.1)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._missing_bits: dict[int, NDArray[np.uint8]] = {}

    @property
    def most_missing_bits(self) -> int:
        """Number of bits that are still to come for the least known coefficient."""
        return max((int(bits.max()) for bits in self._missing_bits.values()), default=255)

    def add(self, segment: Segment) -> None:
        """Note a frame header or a scan."""
        body = self._data[segment.body : segment.end]
        if segment.marker in FRAME_HEADERS and len(body) > 5:
            self._missing_bits = {component: np.full(64, 255, np.uint8) for component in body[6::3][: body[5]]}
        elif segment.marker == SOS and len(body) > 2 * body[0] + 3:
            first, last, bits = body[2 * body[0] + 1 : 2 * body[0] + 4]
            for component in set(body[1 : 2 * body[0] : 2]) & set(self._missing_bits):
                self._missing_bits[component][first : last + 1] = bits & 15


def _decode_small(data: bytes) -> NDArray[np.uint8]:
    """Pixels at a reduced size, which takes little memory and shows where coded data ends as well."""
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    image.draft(None, (REDUCED_SIDE, REDUCED_SIDE))
    return np.asarray(image)
