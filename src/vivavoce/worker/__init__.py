"""An engine in a process of its own: `messages` between the two, `host` inside, `handle` outside.

A process, so that unloading gives back everything, and a crash or hang takes nothing else along.
"""
