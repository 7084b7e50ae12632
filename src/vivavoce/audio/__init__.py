"""Sound as data: stretching time, changing rates, encoding. Knows nothing of engines or HTTP."""
