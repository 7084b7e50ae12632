"""Finished answers kept for whoever asks the same again: on disk, and shared by replicas."""
