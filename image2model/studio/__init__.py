"""The use cases. Page, REST, command line and worker call this and nothing below it."""

from ..batches.archive import Stream
from .host import Host
from .meshes import Meshes, archive_name
from .studio import Picture, Served, Studio, all_generators

__all__ = ["Host", "Meshes", "Picture", "Served", "Stream", "Studio", "all_generators", "archive_name"]
