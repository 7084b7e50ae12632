"""Work that several threads share. Each computes alone: torch would start others for each.

Without gradients.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Job = TypeVar("Job")


def share(jobs: Iterable[Job], begin: Callable[[], Callable[[Job], None]], threads: int) -> None:
    """Do jobs on so many threads, begun in their order; what does them, each thread makes itself.

    Not by two callers at once. Once a job has failed no other is begun, and its error is raised.
    """
    waiting, taking = iter(jobs), threading.Lock()
    failed = threading.Event()

    def take() -> Iterable[Job]:
        while not failed.is_set():
            with taking:
                try:
                    job = next(waiting)
                except StopIteration:
                    return
            yield job

    def work() -> None:
        torch.set_num_threads(1)
        try:
            with torch.inference_mode(inference), torch.no_grad():
                do = begin()
                for job in take():
                    do(job)
        except BaseException:
            failed.set()
            raise

    # Either is a thread's own affair; how many others a thread starts, in part the process's.
    inference, before = torch.is_inference_mode_enabled(), torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(work) for _ in range(threads)]:
                done.result()
    finally:
        torch.set_num_threads(before)  # threads made later ask for the number set last
