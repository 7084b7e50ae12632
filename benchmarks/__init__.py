"""Measurements of vivavoce: `online` asks real server processes. No test, and nothing ships it."""
