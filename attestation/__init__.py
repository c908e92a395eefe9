"""Judging a device: binding, EK trust, Keylime, appraisal, release.

Nothing here opens a file, reads a clock or stores anything, except ``keylime``, which
talks to Keylime's own programs.
"""
