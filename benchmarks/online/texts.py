"""What is spoken. Ordinary words with no digits: the time of a request, not of number reading."""

SHORT = "The quick brown fox jumps over the lazy dog."
"""44 characters, 2.8 s of speech; of the fake engine, 22 chunks of 80 ms."""

LONG = """\
The harbour was quiet when the last of the fishing boats came in, and the gulls had settled \
along the wall to wait. An old man sat on a crate and mended a net, slowly, as if the evening \
would never end. Nobody spoke to him, because nobody had to. Everyone in the village knew what \
he was thinking about, and everyone knew that it was better left alone.

A girl came down the steps with a basket of bread. She put it beside him, sat down on the \
stones, and looked out over the water. After a while she asked whether the storm would reach \
them before morning. He lifted his head, smelled the air, and said that it would pass to the \
north.

They sat there until the lamps were lit. The smell of smoke and salt drifted between the houses, \
and somewhere a door closed. When the first drops fell, the girl laughed and called him a poor \
prophet. He laughed as well, gathered the net under his arm, and held out the bread so that it \
stayed dry. Together they climbed the steps, while behind them the sea began, softly, to move \
again in the dark.
"""
"""200 words in 13 sentences, about a minute of speech."""
