"""Every error we raise, by meaning.

The docstring of a class is its default message. Nothing here knows HTTP: `api/failures.py` maps
each class to a status, by the class hierarchy.
"""


class Error(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())

    @property
    def message(self) -> str:
        """The text for the person who asked."""
        return str(self.args[0])


# -- what was asked for is wrong ----------------------------------------------------------------


class Invalid(Error):
    """The request is not valid."""


class SizeMismatch(Invalid):
    """The data is not as long as was declared."""


class Unauthenticated(Error):
    """This call needs authentication: send a valid token in X-Auth-Token."""


class Denied(Error):
    """You may not do this."""


class NotFound(Error):
    """There is no such thing, or you may not see it."""


class ImageNotFound(NotFound):
    """No image with this id."""


class Conflict(Error):
    """This cannot be done in the present state."""


class Duplicate(Conflict):
    """This exists already."""


class InUse(Conflict):
    """The image data is in use."""


class ChangedMeanwhile(Conflict):
    """The image was changed by somebody else meanwhile: read it again and retry."""


class Gone(Error):
    """The image was deleted meanwhile."""


class OverLimit(Error):
    """This would exceed a limit."""


class UnsupportedMedia(Error):
    """The content is not of a supported kind."""


class RangeNotSatisfiable(Error):
    """The requested range lies outside the data."""


# -- a backend has trouble ----------------------------------------------------------------------


class StoreError(Error):
    """The store failed."""


class DataNotFound(StoreError):
    """The store has no data at this location."""


class DataExists(StoreError, Duplicate):
    """The store holds data under this key already."""

    def __init__(self, message: str | None = None, *, url: str | None = None) -> None:
        """`url`: where it lies; a store says so only when it has read nothing of the new data."""
        super().__init__(message)
        self.url = url


class DataInUse(StoreError, InUse):
    """The store refuses to delete data that is in use."""


class StoreFull(StoreError, OverLimit):
    """The store has no room left for this data."""


class StoreReadOnly(StoreError, Gone):
    """The store does not take writes."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or does not permit this."""


class Unsupported(StoreError):
    """The store cannot do this."""


class DatabaseUnavailable(Error):
    """The database cannot be reached or does not answer: try again later."""


class Contention(DatabaseUnavailable):
    """Others were writing the same rows for too long: try again."""


# -- the client or the operator ------------------------------------------------------------------


class ClientGone(Error):
    """The client went away before the end of its data."""


class BadSettings(Error):
    """The configuration is not usable."""
