"""Meshes of any number of faces, for tests and measurements."""

from __future__ import annotations

import numpy as np
import trimesh
from PIL import Image
from trimesh.visual.material import PBRMaterial


def bumpy_ball(steps: int, texture: Image.Image) -> trimesh.Trimesh:
    """A closed, textured ball with bumps, of about `steps`² faces, and a seam."""
    rows, columns = steps // 2 + 1, steps + 1
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    turn, tilt = u * 2 * np.pi, (v - 0.5) * np.pi
    radius = 1 + 0.15 * np.sin(6 * turn) * np.cos(tilt) ** 2 * np.sin(5 * tilt)
    points = np.stack(
        [radius * np.cos(tilt) * np.sin(turn), radius * np.sin(tilt), radius * np.cos(tilt) * np.cos(turn)], -1
    )
    points[:, -1], points[0], points[-1] = points[:, 0], points[0, 0], points[-1, 0]
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(steps)).ravel()
    lower = np.stack([corner, corner + 1, corner + columns], axis=1)
    upper = np.stack([corner + 1, corner + columns + 1, corner + columns], axis=1)
    ball = trimesh.Trimesh(points.reshape(-1, 3), np.concatenate([lower[steps:], upper[:-steps]]), process=False)
    look = PBRMaterial(baseColorTexture=texture, metallicFactor=0)
    uv = np.stack([u.ravel() * 2, v.ravel()], axis=1)
    ball.visual = trimesh.visual.TextureVisuals(uv=uv, material=look)
    return ball
