"""Software rendering of a mesh."""
