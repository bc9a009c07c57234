"""One project on several machines: lanes handed out, carried out by workers, followed by a command."""
