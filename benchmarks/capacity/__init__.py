"""How many machines so many listeners need: measured times, replayed through the real scheduler.

parts.py      what each operation of a model takes on this machine
times.py      those times, and what others cost that were not taken
replica.py    one server in virtual time: the real loop, a model that only takes time
fleet.py      several behind a proxy, and who asks them
check.py      does it foretell what a real server was measured at?
"""
