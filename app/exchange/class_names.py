"""What folders and categories are called, as the names of classes."""

from pydantic import TypeAdapter, ValidationError

from app.api.fields import ClassName

_NAME: TypeAdapter[str] = TypeAdapter(ClassName)


def class_name(text: str) -> str:
    """The name as classes bear it: in one form of Unicode, without spaces at its ends. Raises ValueError."""
    try:
        return _NAME.validate_python(text)
    except ValidationError:
        raise ValueError("the name of a class has 1 to 100 characters, all of which can be shown") from None
