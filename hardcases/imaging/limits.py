"""How large a picture may be, and the refusals that say so. Shared by everything that decodes."""

from hardcases.errors import Invalid

MAX_PIXELS = 50_000_000
MAX_SIDE = 32_768
MAX_FRAMES = 1_000
MAX_METADATA = 8_000_000  # bytes of EXIF, ICC, XMP and text together


class UnreadableImage(Invalid):
    code, title = "unreadable_image", "The image cannot be read"


class ImageTooBig(Invalid):
    code, title = "image_too_big", "The image has too many pixels"


def too_big(what: str) -> ImageTooBig:
    """The refusal of a picture that has `what`."""
    limits = f"at most {MAX_PIXELS:,} pixels and {MAX_SIDE:,} on a side"
    return ImageTooBig(f"The image has {what}. Nothing was stored. Send it with {limits}, or cut it into parts.")


def check_size(width: int, height: int) -> None:
    """Raises ImageTooBig."""
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise too_big(f"{width:,} × {height:,} pixels")


def check_frames(frames: int) -> None:
    """Raises ImageTooBig."""
    if frames > MAX_FRAMES:
        raise too_big(f"{frames:,} frames (the limit is {MAX_FRAMES:,})")
