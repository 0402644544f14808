"""Images over HTTP: uploaded, sent, shown as avatar and banner, deleted; and that nothing is left
of what is refused."""

import asyncio
import io

import pytest
from PIL import Image

from core.files import UploadedFile
from core.ids import decode_id, encode_id, new_id
from jobs.files import remove_unwanted_files
from services.content import images
from services.content.images import remove_images, upload_image

UPLOAD = """
mutation($input: UploadImageInput!) { uploadImage(input: $input) {
  __typename
  ... on UploadImageSuccess { image {
    id kind mediaType width height small: url(size: SMALL) large: url(size: LARGE) url
  } }
  ... on InvalidInput { field reason }
  ... on ImageQuotaExceeded { code imagesMax bytesMax }
} }
"""
SET_AVATAR = """
mutation($id: ID!) { setAvatar(input: {imageId: $id}) {
  __typename
  ... on SetAvatarSuccess { user { id avatarUrl } }
  ... on InvalidInput { field reason }
} }
"""
SET_BANNER = """
mutation($id: ID!) { setBanner(input: {imageId: $id}) {
  __typename
  ... on SetBannerSuccess { user { id profile { bannerUrl } } }
  ... on InvalidInput { field reason }
} }
"""
DELETE = """
mutation($id: ID!) { deleteImage(input: {imageId: $id}) {
  __typename
  ... on DeleteImageSuccess { imageId }
} }
"""
NODE = "query($id: ID!) { node(id: $id) { id ... on Image { kind url width } } }"
IMAGES = "query($id: ID!) { node(id: $id) { ... on User { images { totalCount nodes { id } } } } }"
AVATARS = "query($id: ID!) { node(id: $id) { ... on User { avatarUrl profile { bannerUrl } } } }"
PUBLIC = "http://127.0.0.1:8000"


def picture(width=300, height=200, kind="PNG", colour=(10, 90, 200)):
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, kind)
    return out.getvalue()


@pytest.fixture
def give(upload):
    """`await give(person, content, kind)`: what `uploadImage` answers."""

    async def run(person, content=None, kind="PICTURE", *, name=b"a.png"):
        sent = picture() if content is None else content
        answer = await upload(UPLOAD, person, sent, file_name=name, kind=kind)
        return answer["uploadImage"]

    return run


@pytest.fixture
def kept(sql, stored):
    """What there is of images, of their files, of people and of events: equal if nothing moved."""

    async def look():
        tables = "image image_file user_account profile event"
        rows = {
            table: sorted(row[0] for row in await sql(f"SELECT CAST(t AS text) FROM {table} AS t"))
            for table in tables.split()
        }
        return rows, stored()

    return look


@pytest.fixture
def get(client):
    async def run(url, method="GET"):
        assert url.startswith(PUBLIC + "/images/img_")
        return await client.request(method, url.removeprefix(PUBLIC))

    return run


async def test_a_picture_is_kept_in_its_sizes_and_sent_to_anyone(make_user, give, get, stored, sql):
    ada = await make_user("ada")
    answer = await give(ada, picture(3000, 1500, "JPEG"))
    image = answer["image"]
    start = f"{PUBLIC}/images/{image['id']}/"
    assert image == {
        "id": image["id"],
        "kind": "PICTURE",
        "mediaType": "image/jpeg",
        "width": 2048,
        "height": 1024,
        "small": start + "100",
        "large": start + "400",
        "url": start + "original",
    }
    for name, size in (("small", (100, 50)), ("large", (400, 200)), ("url", (2048, 1024))):
        response = await get(image[name])
        assert response.status_code == 200
        assert Image.open(io.BytesIO(response.content)).size == size
    assert len(stored()) == 3
    rows = await sql("SELECT storage_key, size_bytes FROM image_file")
    sizes = {path.name: path.stat().st_size for path in stored()}
    assert {row.storage_key.removeprefix("images/"): row.size_bytes for row in rows} == sizes
    [[total]] = await sql("SELECT size_bytes FROM image")
    assert total == sum(sizes.values())


async def test_avatars_are_sent_as_squares(make_user, give, get):
    image = (await give(await make_user("ada"), kind="AVATAR"))["image"]
    for name, side in (("small", 50), ("large", 200)):
        response = await get(image[name])
        assert Image.open(io.BytesIO(response.content)).size == (side, side)
        assert image[name].endswith(f"/{side}")


async def test_what_is_sent_says_how_to_be_taken(make_user, give, get):
    image = (await give(await make_user("ada")))["image"]
    response = await get(image["small"])
    head = await get(image["small"], "HEAD")
    for each in (response, head):
        assert each.status_code == 200
        headers = each.headers
        assert headers["content-type"] == "image/png"
        assert headers["content-length"] == str(len(response.content))
        assert headers["cache-control"] == "public, max-age=31536000, immutable"
        assert headers.get_list("x-content-type-options") == ["nosniff"]
        assert headers["content-disposition"] == "inline"
        assert headers["content-security-policy"].startswith("default-src 'none';")
        assert "set-cookie" not in headers
    assert head.content == b""


async def test_what_is_no_image_is_not_found(make_user, give, client):
    image = (await give(await make_user("ada")))["image"]
    found = image["id"]
    for path in (
        f"/images/{found}/50",  # an avatar's size
        f"/images/{found}/401",
        f"/images/{found}/original%00",
        f"/images/{found}/..%2Foriginal",
        f"/images/{found.upper()}/original",
        f"/images/{found.removeprefix('img_')}/original",
        f"/images/usr_{found.removeprefix('img_')}/original",
        f"/images/{encode_id('img', new_id())}/original",
        "/images/..%2f..%2fetc/passwd",
        "/images/%00/original",
    ):
        response = await client.get(path)
        assert response.status_code == 404, path
        assert "immutable" not in response.headers.get("cache-control", ""), path
    assert (await client.post(f"/images/{found}/original")).status_code == 405


async def test_a_picture_takes_few_statements(make_user, give, get, ask, statements):
    ada = await make_user("ada")
    ids = [(await give(ada))["image"]["id"] for _ in range(3)]
    statements.clear()
    found = await ask(IMAGES, ada, id=ada.public_id)
    assert [node["id"] for node in found["node"]["images"]["nodes"]] == ids[::-1]
    assert found["node"]["images"]["totalCount"] == 3
    of_images = [said for said in statements if "image" in said]
    assert len(of_images) == 2, of_images  # the page and the count
    statements.clear()
    nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Image { url width } } }"
    assert [node["id"] for node in (await ask(nodes, None, ids=ids))["nodes"]] == ids
    assert len(statements) == 1


REFUSED = {
    "text": b"just words",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "html called png": b"<!DOCTYPE html><html><body onload=alert(1)>",
    "empty": b"",
    "cut off": picture(500, 500, "JPEG")[:-400],
    "too many pixels": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x9c\x41\0\0\x03\xe8\x08\x02\0\0\0",
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("kind", ["AVATAR", "PICTURE"])
async def test_nothing_is_left_of_what_is_refused(content, kind, make_user, give, kept):
    ada = await make_user("ada")
    before = await kept()
    answer = await give(ada, content, kind)
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", "file")
    assert await kept() == before


async def test_an_upload_that_is_too_large_is_refused(make_user, send, files, settings, kept):
    ada = await make_user("ada")
    before = await kept()
    content = picture() + bytes(settings.max_upload_bytes)
    parts = files.upload_of(UPLOAD, {"input": {"kind": "PICTURE", "file": None}}, content)
    response = await send(files.form_of(*parts), ada)
    assert response.status_code == 413
    assert await kept() == before


async def test_nobody_uploads_without_signing_in(send, files, kept):
    before = await kept()
    parts = files.upload_of(UPLOAD, {"input": {"kind": "PICTURE", "file": None}}, picture())
    response = await send(files.form_of(*parts))
    assert response.status_code == 401
    assert await kept() == before


@pytest.mark.parametrize(
    "name",
    [
        b"../../../etc/passwd",
        b"..\\..\\boot.ini",
        b"/images/x",
        b"a%0d%0aSet-Cookie: a=b.png",
        b"a%00.png",
        b"x.html",
        "\u202egpj.exe".encode(),
        b"",
    ],
)
async def test_a_files_name_does_nothing(name, make_user, give, get, stored, settings, sql):
    ada = await make_user("ada")
    answer = await give(ada, name=name or b" ")
    response = await get(answer["image"]["url"])
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-disposition"] == "inline"
    assert "set-cookie" not in response.headers
    folder = settings.state_dir / "files" / "images"
    assert {path.parent for path in stored()} == {folder}
    assert all(len(path.name) == 32 for path in stored())
    rows = await sql("SELECT CAST(i AS text) || CAST(f AS text) FROM image i, image_file f")
    assert not any(word in row[0] for row in rows for word in ("passwd", "Cookie", "exe", "html"))


async def test_what_is_sent_back_is_not_what_was_sent(make_user, give, get):
    ada = await make_user("ada")
    sent = picture(kind="GIF") + b"<script>alert(1)</script>"
    answer = await give(ada, sent)
    response = await get(answer["image"]["url"])
    assert response.headers["content-type"] == "image/png"
    assert response.content.startswith(b"\x89PNG")
    assert b"script" not in response.content


async def test_there_may_be_only_so_many(make_user, give, kept, monkeypatch):
    ada, bob = await make_user("ada"), await make_user("bob")
    monkeypatch.setattr(images, "MAX_IMAGES", 2)
    for _ in range(2):
        assert (await give(ada))["__typename"] == "UploadImageSuccess"
    before = await kept()
    assert await give(ada) == {
        "__typename": "ImageQuotaExceeded",
        "code": "IMAGE_QUOTA_EXCEEDED",
        "imagesMax": 2,
        "bytesMax": str(200 * 1024**2),
    }
    assert await kept() == before
    assert (await give(bob))["__typename"] == "UploadImageSuccess"


async def test_those_that_come_at_once_are_counted_too(make_user, give, sql, stored, monkeypatch):
    ada = await make_user("ada")
    monkeypatch.setattr(images, "MAX_IMAGES", 2)
    answers = await asyncio.gather(*(give(ada) for _ in range(5)))
    names = sorted(answer["__typename"] for answer in answers)
    assert names == ["ImageQuotaExceeded"] * 3 + ["UploadImageSuccess"] * 2
    assert [tuple(row) for row in await sql("SELECT count(*) FROM image")] == [(2,)]
    assert len(stored()) == 6


async def test_they_may_take_only_so_much_room(make_user, give, ask, sql, kept, monkeypatch):
    ada = await make_user("ada")
    first = (await give(ada))["image"]["id"]
    [[size]] = await sql("SELECT size_bytes FROM image")
    monkeypatch.setattr(images, "MAX_BYTES", 2 * size - 1)
    before = await kept()
    assert (await give(ada))["__typename"] == "ImageQuotaExceeded"
    assert await kept() == before
    await ask(DELETE, ada, id=first)
    assert (await give(ada))["__typename"] == "UploadImageSuccess"


async def test_an_image_becomes_avatar_or_banner(make_user, give, get, ask, sql):
    ada = await make_user("ada")
    avatar = (await give(ada, kind="AVATAR"))["image"]
    banner = (await give(ada, kind="BANNER"))["image"]
    said = (await ask(SET_AVATAR, ada, id=avatar["id"]))["setAvatar"]
    assert said["user"] == {"id": ada.public_id, "avatarUrl": avatar["large"]}
    said = (await ask(SET_BANNER, ada, id=banner["id"]))["setBanner"]
    assert said["user"]["profile"] == {"bannerUrl": banner["url"]}
    assert (await get(avatar["large"])).status_code == 200
    events = await sql("SELECT type, CAST(payload AS text) FROM event ORDER BY sequence")
    assert [row[0] for row in events] == ["ProfileUpdated"] * 2
    assert not any("image" in row[1] for row in events)


async def test_the_wrong_kind_and_others_images_are_not_shown(make_user, give, ask, kept):
    ada, bob = await make_user("ada"), await make_user("bob")
    avatar = (await give(ada, kind="AVATAR"))["image"]["id"]
    banner = (await give(ada, kind="BANNER"))["image"]["id"]
    before = await kept()
    for person, query, field, image, wanted in (
        (ada, SET_AVATAR, "setAvatar", banner, "InvalidInput"),
        (ada, SET_BANNER, "setBanner", avatar, "InvalidInput"),
        (bob, SET_AVATAR, "setAvatar", avatar, "Forbidden"),
        (bob, SET_BANNER, "setBanner", banner, "Forbidden"),
        (bob, DELETE, "deleteImage", avatar, "Forbidden"),
        (ada, SET_AVATAR, "setAvatar", encode_id("img", new_id()), "NotFound"),
        (ada, SET_AVATAR, "setAvatar", ada.public_id, "NotFound"),
        (ada, DELETE, "deleteImage", "img_", "NotFound"),
    ):
        answer = await ask(query, person, id=image)
        assert answer[field]["__typename"] == wanted, (query, wanted)
    assert await kept() == before


async def test_a_deleted_image_is_gone_from_everywhere(make_user, give, get, ask, stored, sql):
    ada = await make_user("ada")
    avatar = (await give(ada, kind="AVATAR"))["image"]
    banner = (await give(ada, kind="BANNER"))["image"]
    await ask(SET_AVATAR, ada, id=avatar["id"])
    await ask(SET_BANNER, ada, id=banner["id"])
    said = await ask(DELETE, ada, id=avatar["id"])
    assert said["deleteImage"] == {"__typename": "DeleteImageSuccess", "imageId": avatar["id"]}
    for name in ("small", "large", "url"):
        assert (await get(avatar[name])).status_code == 404
    assert (await get(banner["url"])).status_code == 200
    shown = (await ask(AVATARS, None, id=ada.public_id))["node"]
    assert shown == {"avatarUrl": None, "profile": {"bannerUrl": banner["url"]}}
    assert (await ask(NODE, ada, id=avatar["id"]))["node"] is None
    assert len(stored()) == 3
    [[left]] = await sql("SELECT id FROM image")
    assert left == decode_id(banner["id"], "img")
    again = await ask(DELETE, ada, id=avatar["id"])
    assert again["deleteImage"]["__typename"] == "NotFound"


async def test_only_its_owner_sees_a_list_of_images(make_user, give, ask):
    ada, bob = await make_user("ada"), await make_user("bob")
    image = (await give(ada))["image"]["id"]
    for person in (bob, None):
        assert (await ask(IMAGES, person, id=ada.public_id))["node"]["images"] is None
        assert (await ask(NODE, person, id=image))["node"]["id"] == image


class Broken:
    """A storage that fails with its second file, `after` it has kept it or before, and where it
    `forgets` nothing, also when something is deleted."""

    def __init__(self, storage, *, after=False, forgets=True):
        self.storage, self.after, self.forgets, self.puts = storage, after, forgets, 0

    async def put(self, key, content):
        self.puts += 1
        if self.puts != 2 or self.after:
            await self.storage.put(key, content)
        if self.puts == 2:
            raise OSError("the disk is full")

    async def delete(self, key):
        if not self.forgets:
            raise OSError("the disk is gone")
        await self.storage.delete(key)


def uploaded(server, storage, person):
    content = picture()
    file = UploadedFile("a.png", "image/png", len(content), io.BytesIO(content))
    return upload_image(
        server.db, storage, owner_id=person.id, kind="PICTURE", file=file, max_bytes=10**6
    )


@pytest.mark.parametrize("after", [False, True])
async def test_a_storage_that_fails_leaves_nothing(after, make_user, server, kept):
    ada = await make_user("ada")
    before = await kept()
    with pytest.raises(OSError, match="the disk is full"):
        await uploaded(server, Broken(server.storage, after=after), ada)
    assert await kept() == before


async def test_what_was_lost_on_its_way_is_removed_after_a_day(
    make_user, server, stored, sql, ask, client
):
    ada = await make_user("ada")
    with pytest.raises(OSError, match="the disk is full"):
        await uploaded(server, Broken(server.storage, after=True, forgets=False), ada)
    assert len(stored()) == 2
    [[key]] = await sql("SELECT id FROM image")
    public_id = encode_id("img", key)
    assert (await ask(NODE, ada, id=public_id))["node"] is None
    assert (await client.get(f"/images/{public_id}/original")).status_code == 404
    await sql("UPDATE image SET created_at = now() - interval '23 hours'")
    assert await remove_images(server.db, server.storage) == 0
    await sql("UPDATE image SET created_at = now() - interval '25 hours'")
    assert await remove_unwanted_files(server.db, server.storage) == 1
    assert stored() == []
    assert await sql("SELECT 1 FROM image_file") == []


async def test_a_deletion_that_cannot_remove_files_is_finished_later(make_user, server, stored):
    ada = await make_user("ada")
    key = await uploaded(server, server.storage, ada)
    broken = Broken(server.storage, forgets=False)
    await images.delete_image(server.db, broken, viewer_id=ada.id, image_id=key)
    assert len(stored()) == 3
    assert await remove_images(server.db, server.storage) == 1
    assert stored() == []
    assert await remove_images(server.db, server.storage) == 0


async def test_two_who_delete_at_once_delete_once(make_user, give, ask, stored, sql):
    ada = await make_user("ada")
    image = (await give(ada))["image"]["id"]
    answers = await asyncio.gather(*(ask(DELETE, ada, id=image) for _ in range(4)))
    names = sorted(answer["deleteImage"]["__typename"] for answer in answers)
    assert names == ["DeleteImageSuccess"] + ["NotFound"] * 3
    assert stored() == []
    assert await sql("SELECT 1 FROM image") == []
