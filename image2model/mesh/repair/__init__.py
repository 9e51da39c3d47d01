"""Print check and repair of a mesh."""
