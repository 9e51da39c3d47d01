"""A stoneware mug: speckled cream, dipped in blue glaze, full of coffee."""

from __future__ import annotations

from math import sin

from modelling import Paint, lathe, tube
from services import Shot

SHOT = Shot(ground="#dcc6b4", turn=-28, above=16)
CLAY = Paint("#b98d68", 0.85, grain=0.004, grain_scale=60)
CREAM = Paint(
    "#8a6f55",
    0.28,
    second="#efe6d6",
    pattern="speckles",
    scale=(16, 16, 16),
    edges=(0.1, 0.17),
    coat=0.5,
    grain=0.001,
    grain_scale=14,
)
BLUE = Paint(
    "#1f5f7a",
    0.16,
    second="#2f86a0",
    scale=(3, 3, 6),
    coat=1.0,
    grain=0.004,
    grain_scale=7,
)
COFFEE = Paint("#2a1409", 0.12, second="#4b2811", scale=(4, 4, 4), coat=0.6)


def build() -> None:
    """Build the mug, its handle to the right."""
    lathe([(0.0, 0.0), (0.6, 0.0), (0.64, 0.015), (0.655, 0.05), (0.655, 0.09)], CLAY, smooth=40)
    lathe(
        [(0.0, 0.05), (0.6, 0.05), (0.66, 0.085), (0.73, 0.2), (0.775, 0.45), (0.785, 0.8), (0.77, 1.3), (0.755, 1.56),
         (0.745, 1.6), (0.73, 1.612), (0.71, 1.59), (0.7, 1.5), (0.71, 0.8), (0.6, 0.3), (0.0, 0.25)],
        CREAM, smooth=160,
    )  # fmt: skip

    def run(angle: float, z: float) -> float:
        """Glaze that ran down: its lower edge lies under the cream where it did not."""
        edge = 0.86 + 0.06 * sin(3 * angle + 1) + 0.05 * sin(7 * angle) + 0.03 * sin(13 * angle + 2)
        return 1 + 0.018 * max(-1.0, min(1.0, (z - edge) / 0.05)) if z < 1.4 else 1.018

    lathe([(0.75, 0.6), (0.775, 0.9), (0.775, 1.3), (0.765, 1.56), (0.757, 1.61), (0.74, 1.628), (0.72, 1.62),
           (0.7, 1.56)], BLUE, smooth=220, around=256, radius=run)  # fmt: skip
    lathe([(0.0, 1.53), (0.68, 1.53), (0.705, 1.536)], COFFEE, smooth=0)
    tube(
        [(0.72, 0, 1.36), (0.95, 0, 1.42), (1.18, 0, 1.3), (1.25, 0, 1.0), (1.13, 0, 0.7), (0.92, 0, 0.52),
         (0.72, 0, 0.45)],
        [0.13, 0.1, 0.092, 0.09, 0.09, 0.095, 0.12], BLUE, smooth=120, around=32,
    )  # fmt: skip
