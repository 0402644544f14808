"""What a classifier, where there is one, says of the photos of a submission. No database."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import structlog

from core.ports import Classifier
from services.quests.facts import PictureFacts
from services.quests.pieces import Examined

CLASSIFY_TIMEOUT_S = 20.0
"""For one photo; after that nothing is said of it."""
_WORDS_MAX = 500
_log = structlog.get_logger(__name__)
_CLASSIFIERS = ThreadPoolExecutor(2, thread_name_prefix="classifier")


async def classified(examined: Examined, classifier: Classifier, *, category: str) -> Examined:
    """The submission with what the classifier says of each photo as others are shown it: pixels
    alone. What fails, takes too long or makes no sense leaves that photo unchecked."""
    pictures = [
        await _classify(classifier, photo.shown.content, category) for photo in examined.photos
    ]
    return replace(examined, pictures=tuple(pictures))


async def _classify(classifier: Classifier, photo: bytes, category: str) -> PictureFacts:
    work = asyncio.get_running_loop().run_in_executor(
        _CLASSIFIERS, classifier.classify, photo, category
    )
    try:
        said = await asyncio.wait_for(work, CLASSIFY_TIMEOUT_S)
        if not (0 <= said.score <= 1 and 0 <= said.confidence <= 1):
            raise ValueError(f"score {said.score}, confidence {said.confidence}: not from 0 to 1")
        words = (
            said.words.encode("utf-8", "ignore").decode().replace("\0", "").strip()[:_WORDS_MAX]
            or "by the classifier"
        )
    except Exception:  # a classifier's trouble is no player's
        _log.exception("classifier_failed", category=category)
        return PictureFacts(None, 0.0, "")
    return PictureFacts(said.score, said.confidence, words)
