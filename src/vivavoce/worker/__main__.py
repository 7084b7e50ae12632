"""`python -m vivavoce.worker ENDPOINT`: started by `vivavoce.worker.handle`, not by people."""

import signal
import sys

from vivavoce.worker.host import run

# Ctrl-C in a terminal goes to every process of the group; the server decides when workers end.
signal.signal(signal.SIGINT, signal.SIG_IGN)
run(sys.argv[1])
