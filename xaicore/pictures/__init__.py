"""Pictures: read any of them safely, sample photographs, and which pixel is where."""
