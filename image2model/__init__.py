"""image2model turns a batch of ordinary pictures into 3D models that people can use."""

__version__ = "0.1.0"
