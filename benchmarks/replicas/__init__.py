"""What several servers cost and save: behind Ray Serve, and with a shared cache of audio."""
