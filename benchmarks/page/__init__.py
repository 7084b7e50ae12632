"""docs/performance.md: its tables and plots, made from the newest results of every benchmark."""
