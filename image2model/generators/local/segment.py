"""Segmentation of a photograph's subject: U²-Net small (u2netp), run by onnxruntime."""

from __future__ import annotations

import os
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

WEIGHTS = Path(__file__).with_name("u2netp.onnx")
INPUT_SIDE = 320
CACHE_SIZE = 25
"""Pictures, of 0.7 MB each, whose answers a worker keeps: a batch is inspected first and generated afterwards."""
CHANNEL_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
CHANNEL_STD = np.array([0.229, 0.224, 0.225], np.float32)


@cache
def inference_session() -> InferenceSession:
    """The loaded network, one per process; the memory arena is off, which halves its footprint."""
    import onnxruntime  # the import costs a fifth of a second, so only a worker pays it

    options = onnxruntime.SessionOptions()
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(WEIGHTS, options, providers=["CPUExecutionProvider"])


def subject_probability(image: Image.Image) -> NDArray[np.float32]:
    """Return the raw probability (320, 320), read-only, that a pixel of `image` (RGB) belongs to the subject."""
    return _run(image.resize((INPUT_SIDE, INPUT_SIDE), Image.Resampling.LANCZOS).tobytes())


@lru_cache(CACHE_SIZE)
def _run(rgb: bytes) -> NDArray[np.float32]:
    """The network's answer to an image of 320 × 320 pixels, RGB, row by row."""
    small = np.frombuffer(rgb, np.uint8).reshape(INPUT_SIDE, INPUT_SIDE, 3).astype(np.float32)
    scaled = (small / max(float(small.max()), 1.0) - CHANNEL_MEAN) / CHANNEL_STD
    network = inference_session()
    feed = {network.get_inputs()[0].name: scaled.transpose(2, 0, 1)[None]}
    output: Any = network.run([network.get_outputs()[0].name], feed)[0]
    probability = np.asarray(output, np.float32).reshape(INPUT_SIDE, INPUT_SIDE)
    probability.setflags(write=False)
    return probability
