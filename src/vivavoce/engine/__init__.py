"""Engines turn text into samples. Each is a package of its own behind one protocol (`base`)."""
