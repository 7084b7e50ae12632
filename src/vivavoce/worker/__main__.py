"""`python -m vivavoce.worker ENDPOINT`: started by `vivavoce.worker.handle`, not by people."""

import sys

from vivavoce.worker.host import run

run(sys.argv[1])
