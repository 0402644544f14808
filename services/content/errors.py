"""What content answers instead of doing it. Errors alone: no rule stands here."""

from __future__ import annotations

from core.errors import DomainError


class ImageQuotaExceeded(DomainError):
    """Someone's images are `images_max` already, or would take more than `bytes_max` together."""

    code = "IMAGE_QUOTA_EXCEEDED"

    def __init__(self, images_max: int, bytes_max: int) -> None:
        super().__init__(
            f"your images may be {images_max}, of {bytes_max // 1024**2} MiB together:"
            " delete some first"
        )
        self.images_max = images_max
        self.bytes_max = bytes_max
