"""What turns an image into a GLB."""
