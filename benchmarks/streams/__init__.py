"""Many who listen to one speech server at the same time, over loopback HTTP.

Does sound come before it is needed, and how soon does the first of it come: alone, N at once,
beside others in the middle of their speech, and as requests come in real life.
"""
