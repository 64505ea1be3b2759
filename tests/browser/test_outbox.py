"""What is chosen is on the phone before anything else happens to it, and each photo finds its way."""

import base64

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.steps import history, register_drawn, take
from tests.drawn import photo, photos
from tests.rest import created, files

pytestmark = pytest.mark.only_on("sqlite", "pages see a database through services that are tried on both")

NEVER_READY = """
    // A phone so slow that no photo is ever made small while the page is open.
    if (!sessionStorage.fast) self.createImageBitmap = () => new Promise(() => {});
"""


def _wait_for_worker(page: Page) -> None:
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")


def test_photos_are_kept_before_they_are_made_small(context: BrowserContext, page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.add_init_script(NEVER_READY)
    page.goto("/")
    _wait_for_worker(page)
    context.set_offline(True)
    take(page, *(photo("crack", seed) for seed in range(8)))
    expect(page.locator("#waiting-list li")).to_have_count(8)
    page.reload()  # none of them was ready
    expect(page.locator("#waiting-list li")).to_have_count(8)
    expect(page.locator("#waiting-sum")).to_contain_text("Photos: 8")
    # The same photo again is said, and a person decides.
    page.evaluate("() => { sessionStorage.fast = 'yes'; }")
    page.reload()
    take(page, photo("crack", 3))
    expect(page.locator("#waiting-list .refused .state")).to_have_text(
        "This photo was chosen before. Send it again, or drop it."
    )
    context.set_offline(False)
    expect(page.locator("#answer-list > details")).to_have_count(8)
    expect(page.locator("#waiting-list li")).to_have_count(1)
    assert len(history(server)) == 8


@pytest.mark.long
def test_seventy_two_are_kept_by_a_page_that_is_left(context: BrowserContext, page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    _wait_for_worker(page)
    context.set_offline(True)
    take(page, *(photo("crack", seed) for seed in range(72)))
    page.wait_for_timeout(1500)
    page.goto("/history")
    page.goto("/")
    expect(page.locator("#waiting-count")).to_have_text("72")


@pytest.mark.long
def test_a_photo_whose_bytes_are_lost_does_not_hold_up_the_others(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.add_init_script("""
        const read = Blob.prototype.arrayBuffer;
        Blob.prototype.arrayBuffer = function () {
            if (this.name === "0.jpg") return Promise.reject(new DOMException("gone", "NotReadableError"));
            return read.call(this);
        };
    """)
    page.goto("/")
    take(page, photo("crack", 1), photo("crack", 2), photo("rust", 3))
    expect(page.locator("#answer-list > details")).to_have_count(2)
    expect(page.locator("#waiting-list .refused .state")).to_contain_text("can no longer read this photo")
    assert len(history(server)) == 2


@pytest.mark.long
def test_a_catalog_that_was_renamed_is_found_and_another_takes_what_one_that_is_gone_leaves(
    context: BrowserContext, page: Page, server: str
) -> None:
    register_drawn(server, "crack", "rust")
    created(httpx.post(f"{server}/v1/catalogs", json={"name": "site"}))
    address = f"{server}/v1/catalogs/site/defect-classes"
    created(httpx.post(address, data={"name": "crack"}, files=files(photos("crack", range(5))), timeout=60))
    page.goto("/choose?catalog=site&then=/")
    _wait_for_worker(page)
    context.set_offline(True)
    take(page, photo("crack", 1))
    expect(page.locator("#waiting-list li")).to_have_count(1)
    assert httpx.patch(f"{server}/v1/catalogs/site", json={"name": "tower"}).status_code == 200
    created(httpx.post(f"{server}/v1/catalogs", json={"name": "site"}))  # another one by the old name
    context.set_offline(False)
    expect(page.locator("#answer-list > details")).to_have_count(1)
    assert history(server)[0]["catalog"] == "tower"
    page.goto("/choose?catalog=tower&then=/")
    context.set_offline(True)
    take(page, photo("crack", 2))
    expect(page.locator("#waiting-list li")).to_have_count(1)
    assert httpx.delete(f"{server}/v1/catalogs/tower").status_code == 204
    context.set_offline(False)
    expect(page.locator("#waiting-list .refused .state")).to_contain_text("does not exist any more")
    page.locator("#waiting-list .move select").select_option(httpx.get(f"{server}/v1/catalogs/default").json()["id"])
    expect(page.locator("#waiting")).to_be_hidden()
    assert history(server)[0]["catalog"] == "default"


@pytest.mark.long
def test_photos_of_the_version_before_go_up(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/livez")
    page.evaluate(
        """async (text) => {
            const photo = new Blob([Uint8Array.from(atob(text), (each) => each.charCodeAt(0))], { type: "image/jpeg" });
            const entry = { id: "0123456789abcdef", owner: "", order: 1, state: "waiting", catalog: "default", photo,
                filename: "old.jpg", preview: photo, fields: { place: "B2" }, note: "wet", attempts: 0 };
            const opened = indexedDB.open("haja", 1);
            await new Promise((done) => {
                opened.onupgradeneeded = () => opened.result.createObjectStore("entries", { keyPath: "id" });
                opened.onsuccess = () => {
                    const transaction = opened.result.transaction("entries", "readwrite");
                    transaction.objectStore("entries").add(entry);
                    transaction.oncomplete = () => { opened.result.close(); done(); };
                };
            });
        }""",
        base64.b64encode(photo("crack", 1)).decode(),
    )
    page.goto("/")
    expect(page.locator("#answer-list > details")).to_have_count(1)
    [answer] = history(server)
    assert (answer["place"], answer["note"]) == ("B2", "wet")


@pytest.mark.long
def test_a_full_phone_keeps_what_it_has_and_says_what_it_could_not_take(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.add_init_script("""
        const add = IDBObjectStore.prototype.add;
        IDBObjectStore.prototype.add = function (value) {
            if (value.photo?.name === "1.jpg") throw new DOMException("full", "QuotaExceededError");
            return add.call(this, value);
        };
    """)
    page.goto("/")
    take(page, photo("crack", 1), photo("crack", 2), photo("rust", 3))
    expect(page.locator("#trouble")).to_contain_text("There is no room on this phone for 1.jpg")
    expect(page.locator("#answer-list > details")).to_have_count(2)


@pytest.mark.long
def test_a_file_that_is_no_photo_is_said(page: Page, server: str) -> None:
    register_drawn(server, "crack", "rust")
    page.goto("/")
    page.evaluate("""() => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(["x"], "plan.pdf", { type: "application/pdf" }));
        transfer.items.add(new File(["x"], "IMG_1.heic"));
        dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }""")
    expect(page.locator("#trouble")).to_have_text("Not a photo: plan.pdf")
    expect(page.locator("#waiting-list .file")).to_have_text("IMG_1.heic")
