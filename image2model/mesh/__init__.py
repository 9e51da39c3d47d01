"""What is known of a GLB, and what is derived from it."""
