"""``make reference``: write the parts of the reference that nobody writes by hand."""

from tests.reference import settings

settings.PAGE.write_text(settings.written())
