"""The guides' commands that take minutes, typed in a copy of the checkout."""
