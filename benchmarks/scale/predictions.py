"""What was expected of every figure, and why: written before any was taken.

Printed beside the result. A prediction that missed stays as it is: the miss is what is learnt.
They are for two cores of a 2.6 GHz server, shared by client, proxy and servers.
"""

from __future__ import annotations

from benchmarks.online.predictions import Prediction

_STREAMS = "half of the streams are on either server"

PREDICTIONS: dict[str, Prediction] = {
    "added.first_byte.direct": Prediction(5, "a fresh chunk of pcm by way of the worker"),
    "added.first_byte.proxy": Prediction(5.5, "direct and what is added"),
    "added.first_byte.added": Prediction(
        0.5, "a connection to the server each time 0.15 ms, reading and writing twice 0.2 ms"
    ),
    "added.total.added": Prediction(0.7, "22 parts, each passed on by a process that is awake"),
    "many.direct": Prediction(90, "16 connections; server, worker and client share two cores"),
    "many.proxy": Prediction(80, "the proxy takes a tenth of the cores"),
    "many.ratio": Prediction(0.9, "the same"),
    "gone.direct": Prediction(10, "a disconnect is an event; then one message to the worker"),
    "gone.proxy": Prediction(12, "abortonclose: the proxy closes the server's side at once"),
    "full.refused_after": Prediction(255, "timeout queue, 250 ms"),
    "killed.answered": Prediction(500, "8 clients, some 10 s, each answer 0.1 s"),
    "killed.failed": Prediction(4, "who waited for the killed one; others are sent elsewhere"),
    "killed.failing_for": Prediction(50, "connections to the dead one are refused at once"),
    "killed.slowest": Prediction(1200, "a retry waits a second only if the same server is tried"),
    "killed.streams.cut": Prediction(2, _STREAMS),
    "killed.streams.whole": Prediction(2, _STREAMS),
    "killed.back_after": Prediction(2500, "a start 1 s, and a check each second"),
    "left.answered": Prediction(500, "as killed"),
    "left.failed": Prediction(0, "unready for 3 s, noticed within 1.3 s"),
    "left.slowest": Prediction(250, "all on one server"),
    "left.streams.cut": Prediction(0, "what was begun is finished"),
    "left.streams.whole": Prediction(4, "the same"),
}
