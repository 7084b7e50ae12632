"""What was expected of every figure, and why: written from reading the code, before any was taken.

Printed beside the result. A prediction that missed stays as it is: the miss is what is learnt.
They are for two cores of a 2.6 GHz server.
"""

from __future__ import annotations

from benchmarks.online.predictions import Prediction

_TORCH = "python 30 ms, numpy and zmq 120 ms, torch and onnxruntime 1.7 s"

PREDICTIONS: dict[str, Prediction] = {
    "embedded.first_audio": Prediction(
        900, "first_byte.cold.mp3 is 1000, and pcm needs no encoder"
    ),
    "embedded.starting": Prediction(500, "python and zmq 150 ms, onnxruntime and hibari 350 ms"),
    "embedded.opening": Prediction(350, "a session of onnxruntime for 8 MiB, a lexicon"),
    "embedded.speaking": Prediction(45, "a sentence, as warm, and the first buffers"),
    "embedded.bare.process": Prediction(150, "python, numpy, zmq, msgspec"),
    "embedded.bare.imports": Prediction(350, "onnxruntime 150 ms, hibari's parts 200 ms"),
    "embedded.standby.first_audio": Prediction(400, "the rest without starting"),
    "embedded.standby.starting": Prediction(0, "it is there"),
    "embedded.standby.opening": Prediction(350, "as without"),
    "embedded.standby.speaking": Prediction(45, "as without"),
    "tiny.first_audio": Prediction(3200, "1900, 1200 and a first frame"),
    "tiny.starting": Prediction(1900, _TORCH),
    "tiny.opening": Prediction(5, "it looks for the folder"),
    "tiny.reading_tokenizer": Prediction(200, "152,000 words"),
    "tiny.reading_talker": Prediction(600, "five onnxruntime sessions 0.4 s, 20 MB to int8"),
    "tiny.reading_codec": Prediction(50, "some hundred small tensors"),
    "tiny.taking_memory": Prediction(10, "little is written"),
    "tiny.speaking": Prediction(60, "twice a warm first frame: first calls of everything"),
    "tiny.bare.process": Prediction(150, "python, numpy, zmq, msgspec"),
    "tiny.bare.imports": Prediction(1700, "torch 1.3 s, onnx and onnxruntime 0.3 s, tokenizers"),
    "tiny.standby.first_audio": Prediction(1300, "the rest without starting"),
    "tiny.standby.starting": Prediction(0, "it is there"),
    "tiny.standby.opening": Prediction(5, "as without"),
    "tiny.standby.reading_tokenizer": Prediction(200, "as without"),
    "tiny.standby.reading_talker": Prediction(600, "as without"),
    "tiny.standby.reading_codec": Prediction(50, "as without"),
    "tiny.standby.taking_memory": Prediction(10, "as without"),
    "tiny.standby.speaking": Prediction(60, "as without"),
    "0.6b.first_audio": Prediction(6600, "1900, 4000 and a slow first frame"),
    "0.6b.starting": Prediction(1900, _TORCH),
    "0.6b.opening": Prediction(5, "it looks for the folder"),
    "0.6b.reading_tokenizer": Prediction(150, "152,000 words"),
    "0.6b.reading_talker": Prediction(1750, "to int8 0.9 s, onnxruntime sessions 0.7 s"),
    "0.6b.reading_codec": Prediction(200, "460 MB, two thirds of them laid anew"),
    "0.6b.taking_memory": Prediction(10, "little is written"),
    "0.6b.speaking": Prediction(
        700, "prompt 0.25 s, a frame 0.2 s, its sound; pages touched first"
    ),
    "0.6b.bare.process": Prediction(150, "python, numpy, zmq, msgspec"),
    "0.6b.bare.imports": Prediction(1700, "as the tiny one"),
    "0.6b.standby.first_audio": Prediction(4700, "the rest without starting"),
    "0.6b.standby.starting": Prediction(0, "it is there"),
    "0.6b.standby.opening": Prediction(5, "as without"),
    "0.6b.standby.reading_tokenizer": Prediction(150, "as without"),
    "0.6b.standby.reading_talker": Prediction(1750, "as without"),
    "0.6b.standby.reading_codec": Prediction(200, "as without"),
    "0.6b.standby.taking_memory": Prediction(10, "as without"),
    "0.6b.standby.speaking": Prediction(700, "as without"),
}
