"""A long run of mixed load against real servers: nothing may leak, every answer must be right.

`make soak`, or `PYTHONPATH=tests python -m soak`. Not a benchmark: what it measures is only judged.
"""
