"""A file that travels with a mail."""

import mimetypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from .clean import clean_line
from .errors import ConfigurationError
from .model import Model
from .patterns import pattern

__all__ = ["Attachment"]

_LONGEST_FILENAME = 200
_MIME_NAME = "[A-Za-z0-9!#$&^_.+-]{1,127}"  # RFC 6838, 4.2
_CONTENT_TYPE = pattern(
    rf"{_MIME_NAME}/{_MIME_NAME}"
    rf'(?: *; *{_MIME_NAME}=(?:{_MIME_NAME}|"[ !#-\[\]-~]{{0,200}}"))*'
)


class Attachment(Model):
    """A file that travels with a mail.

    An `Email` also takes a path, or a tuple of name, content and MIME type, for one.
    Written as JSON, an attachment holds its content, also when it was given as a path.

    Raises:
        ConfigurationError: There is no such file, it cannot be read, or an argument is
            unusable.

    Attributes:
        filename: Name shown to the reader; folders and control characters are taken out.
        content: The bytes; text is taken as UTF-8. None when ``path`` is given.
        path: A file that is read while the mail is sent, never whole into memory. When it
            has grown meanwhile, what was there at first is sent; when it has shrunk, the
            try fails and the next one sends what is there; when it cannot be read any
            more, a note travels in its place.
        content_type: MIME type; guessed from the name by default.
        content_id: Name by which the HTML refers to it (``<img src="cid:...">``), or "".
        alt: What an inline picture shows, for those who cannot see it.
    """

    filename: str = ""
    content: bytes | None = Field(default=None, repr=False)
    path: Path | None = None
    content_type: str = ""
    content_id: str = ""
    alt: Annotated[str, AfterValidator(clean_line)] = ""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            filename: str = "",
            content: bytes | bytearray | memoryview | str | None = None,
            path: str | os.PathLike[str] | None = None,
            content_type: str = "",
            content_id: str = "",
            alt: str = "",
        ) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _accept_paths_and_tuples(cls, value: Any) -> Any:
        if isinstance(value, str | os.PathLike):
            return {"path": value}
        if isinstance(value, tuple | list):
            if not 2 <= len(value) <= 3:
                raise ValueError("an attachment is a tuple of name, content and MIME type")
            return dict(zip(("filename", "content", "content_type"), value, strict=False))
        return value

    @field_validator("content", mode="before")
    @classmethod
    def _accept_text(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bytearray | memoryview):
            return bytes(value)
        if isinstance(value, str) and info.mode == "python":
            return value.encode("utf-8", "replace")
        return value

    @field_validator("content_id")
    @classmethod
    def _check_content_id(cls, value: str) -> str:
        value = value.removeprefix("<").removesuffix(">")
        if not (value.isascii() and value.isprintable()) or {*value} & set(' <>"\\'):
            raise ConfigurationError(
                "content_id has a character that a header cannot contain.",
                remedy="Use letters, digits, dots and hyphens.",
            )
        return value

    @model_validator(mode="after")
    def _complete(self) -> "Attachment":
        if (self.content is None) == (self.path is None):
            raise ConfigurationError("An attachment has either content or a path.")
        if self.path is not None:
            object.__setattr__(self, "path", _readable(self.path))
        name = _file_name(self.filename or (self.path.name if self.path else ""))
        kind = self.content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        object.__setattr__(self, "filename", name)
        object.__setattr__(self, "content_type", _check_content_type(kind))
        return self

    @model_serializer(mode="wrap")
    def _hold_content(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        if self.path is None or not info.mode_is_json():
            return handler(self)  # type: ignore[no-any-return]
        try:
            return handler(self.loaded())  # type: ignore[no-any-return]
        except OSError as error:
            return handler(self.stand_in(error))  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """Bytes before encoding."""
        if self.path is not None:
            return self.path.stat().st_size
        return len(self.content or b"")

    def read(self) -> bytes:
        """Return the whole content."""
        return self.path.read_bytes() if self.path is not None else self.content or b""

    def loaded(self) -> "Attachment":
        """Return an attachment that holds its content, whatever happens to the file.

        Raises:
            OSError: The file cannot be read.
        """
        return self if self.path is None else self.replace(content=self.read(), path=None)

    def stand_in(self, error: OSError) -> "Attachment":
        """Return the note that travels in place of a file that cannot be read."""
        return Attachment(
            filename=f"{self.filename}.txt",
            content=f"{self.filename} should have been attached here, but could not be read "
            f"when the mail was sent: {error.strerror or error}.\n",
        )


def _readable(path: Path) -> Path:
    try:
        path = path.absolute()
        if path.is_file():
            with path.open("rb"):
                return path
        reason = "it is not a regular file" if path.exists() else "there is no such file"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise ConfigurationError(f"{str(path)!r} cannot be attached: {reason}.")


def _file_name(text: str) -> str:
    name = clean_line(text).replace("\\", "/").rpartition("/")[2].rstrip(". ").lstrip()
    if len(name) > _LONGEST_FILENAME:
        suffix = Path(name).suffix[:20]
        name = name[: _LONGEST_FILENAME - len(suffix)] + suffix
    return name or "attachment"


def _check_content_type(value: str) -> str:
    value = value.strip()
    if not _CONTENT_TYPE.fullmatch(value) or value.lower().startswith("multipart/"):
        raise ConfigurationError(
            f"{value[:200]!r} is not a valid MIME type.",
            remedy="Write it like text/csv, or leave it out.",
        )
    return value


if TYPE_CHECKING:
    Attachable = (
        Attachment
        | str
        | os.PathLike[str]
        | tuple[str, bytes | str]
        | tuple[str, bytes | str, str]
    )
