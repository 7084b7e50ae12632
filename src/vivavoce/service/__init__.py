"""What the server does, whoever asks and however: one use case, `speech`, and what it needs."""
