"""What was expected of every figure, and why: written from reading the code, before any was taken.

Printed beside the result. A prediction that missed stays as it is: the miss is what is learnt.
They are for the small checkpoint on two cores of a 2.6 GHz server.
"""

from __future__ import annotations

from benchmarks.online.predictions import Prediction

_FRAME = "a frame is 500 small operations, 10 ms, and its sound 5 ms"

PREDICTIONS: dict[str, Prediction] = {
    "alone.first_audio": Prediction(
        30, "request and processes 6 ms, prompt 6 ms, a frame 10 ms, its sound 5 ms, httpx 3 ms"
    ),
    "alone.lead": Prediction(55, "the second chunk: two frames and their sound, 25 of 80 ms"),
    "alone.late": Prediction(0, _FRAME + ": five times real time"),
    "alone.realtime": Prediction(0.14, "10 ms for 80 ms of sound; the decoder's in few calls"),
    "at_once.first_audio": Prediction(48, "1.6 times alone"),
    "at_once.first_audio.ratio": Prediction(
        1.6, "four prompts, a frame of four and their sound at once cost half as much again"
    ),
    "at_once.lead": Prediction(35, "two frames of four and their sound take 45 ms of 80"),
    "at_once.late": Prediction(0, "1.6 times longer than alone is still three times real time"),
    "at_once.realtime": Prediction(0.22, "frames of four: 16 ms"),
    "newcomer.first_audio": Prediction(57, "1.9 times alone"),
    "newcomer.first_audio.ratio": Prediction(
        1.9, "waits for half a round, and its own round has the frames and sound of four"
    ),
    "newcomer.lead": Prediction(35, "as at once"),
    "newcomer.late": Prediction(0, "as at once"),
    "newcomer.realtime": Prediction(0.2, "alone towards its end"),
    "others.lead": Prediction(40, "their second chunk; the newcomer comes when they are ahead"),
    "others.late": Prediction(0, "they are seconds ahead when the newcomer comes"),
    "others.realtime": Prediction(0.2, "three, then four"),
    "underruns": Prediction(0, "what the server itself counts, in all rounds"),
    "arrivals.2.first_audio": Prediction(35, "half of them have company: 0.55 s each, 2 a second"),
    "arrivals.4.first_audio": Prediction(45, "two or three at a time"),
    "arrivals.8.first_audio": Prediction(75, "eight at a time: frames of 22 ms"),
    "arrivals.16.first_audio": Prediction(
        2000, "16 seats of 4 s of speech, 35 ms a frame: 9 a second, so the others wait"
    ),
    "arrivals.32.first_audio": Prediction(8000, "three quarters wait, longer and longer"),
    "arrivals.2.refused": Prediction(0, "nobody waits"),
    "arrivals.4.refused": Prediction(0, "nobody waits"),
    "arrivals.8.refused": Prediction(0, "nobody waits"),
    "arrivals.16.refused": Prediction(0, "60 wait at the end: fewer than 128"),
    "arrivals.32.refused": Prediction(10, "64 are served, 128 wait, 8 s bring 256"),
    **{
        f"arrivals.{rate}.dry": Prediction(0, "who would not be served in time waits outside")
        for rate in (2, 4, 8, 16, 32)
    },
    "arrivals.2.audio": Prediction(8, "2 a second, 4 s each"),
    "arrivals.4.audio": Prediction(16, "4 a second, 4 s each"),
    "arrivals.8.audio": Prediction(30, "8 a second, 4 s each"),
    "arrivals.16.audio": Prediction(36, "all seats taken: 16 frames in 35 ms"),
    "arrivals.32.audio": Prediction(36, "all seats taken: 16 frames in 35 ms"),
    "arrivals.2.realtime": Prediction(0.15, "as alone"),
    "arrivals.4.realtime": Prediction(0.19, "as with two or three"),
    "arrivals.8.realtime": Prediction(0.3, "frames of 22 ms"),
    "arrivals.16.realtime": Prediction(0.9, "waiting counts: 2 s and 1.7 s for 4 s of speech"),
    "arrivals.32.realtime": Prediction(2.5, "waiting counts"),
    "arrivals.held": Prediction(8, "16 are too many, see there"),
    "arrivals.underruns": Prediction(0, "what the server itself counts, at all rates"),
}
