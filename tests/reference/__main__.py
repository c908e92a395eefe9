"""``make reference``: write the parts of the reference that nobody writes by hand."""

from tests.reference import api, settings

settings.PAGE.write_text(settings.written())
api.PAGE.write_text(api.written())
