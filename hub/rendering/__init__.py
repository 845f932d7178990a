"""What an assistant answered, made ready for a channel: plain text, and texts cut to the length of a message."""
