"""zenmail's own transports. They come in through the same entry points as anybody's."""
