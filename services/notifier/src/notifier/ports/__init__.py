"""What the handlers need from outside, and what they may rely on; a module for each subject."""
