"""The files of batches: folders, archives, exports, retention."""
