"""The photos of a COCO file, looked at before any is registered: one that cannot be used keeps no other out."""

from collections.abc import Iterable

from app.exchange.coco import BoxedPhoto
from app.exchange.registering import LabelledPhoto
from app.photos.intake import Intake, LocalFile
from app.photos.reading import PhotoError
from models.manifest import Transform
from models.windows import ALL


async def labelled(
    photos: Iterable[BoxedPhoto], intake: Intake, transform: Transform, *, rest_is_sound: bool
) -> tuple[list[LabelledPhoto], list[str]]:
    """What the photos are examples of; and a sentence on each that cannot be used.

    A box over all of a photo makes it an example as a whole. Where `rest_is_sound`, those photos say so whose boxes are
    all of one class, and were all read.
    """
    usable: dict[str, BoxedPhoto] = {}
    faults = []
    for photo in photos:
        try:
            decoded = (await intake.check(LocalFile(photo.path), transform)).decoded
        except PhotoError as error:
            faults.append(f"{photo.name}: {error.detail}")
            continue
        except OSError as error:
            faults.append(f"{photo.name}: it cannot be read: {error.strerror}")
            continue
        # A copy may have been made smaller or larger since, but not turned or cut.
        if abs(decoded.width * photo.height / decoded.height - photo.width) > max(1, 0.01 * photo.width):
            faults.append(
                f"{photo.name}: its boxes are written for {photo.width} x {photo.height} pixels, and upright it has "
                f"{decoded.width} x {decoded.height}"
            )
        elif (twin := usable.setdefault(decoded.sha256, photo)) is not photo:
            faults.append(f"{photo.name}: it is the same photo as {twin.name}")
            twin.complete = False
    return [example for photo in usable.values() for example in _examples(photo, rest_is_sound=rest_is_sound)], faults


def _examples(photo: BoxedPhoto, *, rest_is_sound: bool) -> list[LabelledPhoto]:
    sound = rest_is_sound and photo.complete and len(photo.boxes) == 1
    return [
        LabelledPhoto(photo.path, photo.name, class_name, () if ALL in boxes else tuple(boxes), sound)
        for class_name, boxes in photo.boxes.items()
    ]
