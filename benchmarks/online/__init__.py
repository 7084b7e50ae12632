"""What a vivavoce server costs and how fast it answers, measured over loopback HTTP.

Not a load test of a network, and not a test of quality: only time, throughput and memory.
"""
