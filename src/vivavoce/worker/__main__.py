"""`python -m vivavoce.worker ENDPOINT ENGINE`: started by `process`, not by people."""

import sys

from vivavoce.worker.host import run

run(*sys.argv[1:])
