"""The account page: coming in by a sign-in service, linking, unlinking, and who is signed in where."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Arrive
from tests.browser.visitor import Visitor
from tests.support.instances import Instance, give_own_epoch
from tests.support.providers.node_oidc import NodeMissingError, NodeOidc
from tests.support.providers.served import MoodyTwitch, crashing, served
from tests.support.servers import PostgresServer, RedisServer

# With or without the name that the service told, then the date.
LINKED = re.compile(r"[Ll]inked \w+ \d")
WIDTHS = (320, 360, 390, 720, 899, 900, 1180, 1440, 1920)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def twitch() -> AsyncIterator[MoodyTwitch]:
    """A service that answers as Twitch does."""
    service = MoodyTwitch()
    async with served(service):
        yield service


@pytest.fixture(scope="module")
def place(
    postgres: PostgresServer, redis_server: RedisServer, browser_template: str, twitch: MoodyTwitch
) -> Iterator[Instance]:
    """One instance that offers the pretended Twitch and, where Node can run it, npm's provider."""
    url = postgres.create_database(browser_template)
    give_own_epoch(url)
    with contextlib.ExitStack() as stack:
        instance = Instance(url, redis_server.url)
        instance.settings |= {
            "PUBLIC_URL": instance.url,
            "TWITCH_ISSUER": twitch.issuer,
            "TWITCH_CLIENT_ID": twitch.client_id,
            "TWITCH_CLIENT_SECRET": twitch.client_secret,
            # The same service under another name: a second way in wherever there is no Node.
            "GOOGLE_ISSUER": twitch.issuer,
            "GOOGLE_CLIENT_ID": twitch.client_id,
            "GOOGLE_CLIENT_SECRET": twitch.client_secret,
        }
        with contextlib.suppress(NodeMissingError):
            oidc = NodeOidc([f"{instance.url}/auth/callback/oidc"])
            stack.callback(oidc.close)
            instance.settings |= {
                "OIDC_ISSUER": oidc.issuer,
                "OIDC_CLIENT_ID": oidc.client_id,
                "OIDC_SECRET": oidc.client_secret,
            }
        instance.start()
        stack.callback(instance.close)
        yield instance
    postgres.drop_database(url)


@pytest.fixture(autouse=True)
def good_mood(twitch: MoodyTwitch) -> Iterator[None]:
    """The service answers again after each test."""
    yield
    twitch.moods.clear()


async def _say_who(page: Page, name: str, consent: str = "That is me, go on") -> None:
    """Fill in the pretended service's page."""
    await page.locator("input[name=name]").fill(name)
    await page.get_by_role("button", name=consent).click()


async def _come_in(place: Instance, arrive: Arrive, name: str, **options: Any) -> Visitor:
    visitor = await arrive(place.url, **options)
    await visitor.page.get_by_role("link", name="Go on with Twitch").click()
    await _say_who(visitor.page, name)
    await visitor.is_live()
    return visitor


async def _open_account(visitor: Visitor) -> None:
    await visitor.choose("Account")
    await expect(visitor.page.get_by_role("heading", name="Account", exact=True)).to_be_focused()


def _row(visitor: Visitor, provider: str) -> Locator:
    return visitor.page.locator(f"linked-accounts .row[data-provider={provider}]")


def _devices(visitor: Visitor) -> Locator:
    return visitor.page.locator("device-list li.row")


async def test_in_by_a_service_and_who_one_is(place: Instance, arrive: Arrive) -> None:
    """One link, the service's own page, and back as somebody with a name; the words typed before are kept."""
    visitor = await arrive(place.url)
    await visitor.page.locator("welcome-view input").fill("Knitting a scarf")
    await visitor.page.get_by_role("link", name="Go on with Twitch").click()
    await _say_who(visitor.page, "Grace Hopper")
    await visitor.is_live()
    await expect(visitor.session.locator(".session-form:visible input")).to_have_value("Knitting a scarf")
    await _open_account(visitor)
    who = visitor.page.get_by_role("region", name="Who I am here")
    await expect(who).to_contain_text("Grace Hopper")
    await expect(who.locator(".tag")).to_have_text("member")
    await expect(_row(visitor, "twitch")).to_contain_text("Grace Hopper · linked")
    await expect(_devices(visitor)).to_have_count(1)
    await expect(_devices(visitor)).to_contain_text("this device")
    await visitor.page.go_back()
    await expect(visitor.page.locator("the-room")).to_be_visible()


async def test_who_wanted_the_inspector_comes_in_there(place: Instance, arrive: Arrive) -> None:
    """By way of the door and the service's own page."""
    visitor = await arrive(place.url, opens=False)
    await visitor.page.goto(f"{place.url}/inspector")
    await visitor.page.get_by_role("link", name="Go on with Twitch").click()
    await _say_who(visitor.page, "Curious Cat")
    await expect(visitor.page).to_have_url(f"{place.url}/inspector")
    await expect(visitor.page.locator(".chip")).to_have_text("live")


async def test_a_guest_keeps_everything_by_signing_in_once(place: Instance, arrive: Arrive) -> None:
    """Against a provider that none of us wrote: linked, a member, and the session still runs."""
    if "OIDC_ISSUER" not in place.settings:
        pytest.skip(
            "npm's oidc-provider needs a newer Node than there is; the pretended service is tested all the same"
        )
    visitor = await (await arrive(place.url)).enter("Waiting for the kettle")
    before = (await visitor.state())["profile"]["id"]
    await _open_account(visitor)
    await expect(visitor.page.locator(".who .tag")).to_have_text("guest")
    await visitor.page.get_by_role("link", name="Keep it with Oidc").click()
    await visitor.page.locator("input[name=login]").fill("ada")
    await visitor.page.locator("input[name=password]").fill("any")
    await visitor.page.get_by_role("button", name="Sign-in").click()
    await visitor.page.get_by_role("button", name="Continue").click()
    await expect(visitor.page.locator(".who .tag")).to_have_text("member")
    await expect(_row(visitor, "oidc")).to_contain_text("ada of OIDC · linked")
    state = await visitor.state()
    assert (state["profile"]["id"], state["session"]["activity"]) == (before, "Waiting for the kettle")


async def test_link_unlink_and_never_the_last(place: Instance, arrive: Arrive) -> None:
    """The second way in comes and goes; the only one is held, and it is said why."""
    visitor = await _come_in(place, arrive, "Link Later")
    await _open_account(visitor)
    unlink = _row(visitor, "twitch").get_by_role("button", name="Unlink Twitch")
    await expect(unlink).to_have_attribute("aria-disabled", "true")
    await expect(unlink).to_have_accessible_description(re.compile("only way back in"))
    await unlink.press("Enter")
    await expect(visitor.page.locator("#said")).to_contain_text("only way back in")
    assert set((await visitor.state())["accounts"]) == {"twitch"}

    await _row(visitor, "google").get_by_role("link", name="Link Google").click()
    await _say_who(visitor.page, "Link Later at work")
    await expect(_row(visitor, "google")).to_contain_text(LINKED)
    await expect(unlink).not_to_have_attribute("aria-disabled", "true")
    await visitor.is_live()
    await _row(visitor, "google").get_by_role("button", name="Unlink Google").click()
    await expect(_row(visitor, "google")).to_contain_text("Not linked")
    await expect(_row(visitor, "google").get_by_role("link", name="Link Google")).to_be_visible()
    await visitor.is_settled()
    assert set((await visitor.state())["accounts"]) == {"twitch"}


async def test_two_devices_unlink_and_the_last_slides_back(place: Instance, arrive: Arrive) -> None:
    """Each lets go of another one, one of them offline: shown at once, pending, and back with the reason."""
    here = await _come_in(place, arrive, "Two Ways")
    await _open_account(here)
    await _row(here, "google").get_by_role("link", name="Link Google").click()
    await _say_who(here.page, "Two Ways too")
    await expect(_row(here, "google")).to_contain_text(LINKED)
    await here.is_live()
    there = await arrive(place.url + "/#account", of=here)
    await there.is_live()
    await expect(_row(there, "google")).to_contain_text(LINKED)
    await there.go_offline()
    await _row(there, "google").get_by_role("button", name="Unlink Google").click()
    await expect(_row(there, "google")).to_contain_text("Not linked")
    await expect(_row(there, "google")).to_have_attribute("data-delivery", re.compile("queued|sent|in_doubt"))
    await _row(here, "twitch").get_by_role("button", name="Unlink Twitch").click()
    await expect(_row(here, "twitch").get_by_role("link", name="Link Twitch")).to_be_visible()
    await here.is_settled()
    await there.go_online()
    await expect(there.troubles).to_contain_text("only way back in")
    await expect(_row(there, "google")).to_contain_text(LINKED)
    await expect(_row(there, "twitch")).to_contain_text("Not linked")
    assert set((await here.state())["accounts"]) == {"google"}


async def test_a_device_is_signed_out_from_another_and_says_so(place: Instance, arrive: Arrive) -> None:
    """It is listed, goes from the list, and its own page is at the door with the reason."""
    here = await _come_in(place, arrive, "Two Devices")
    await _open_account(here)
    there = await _come_in(place, arrive, "Two Devices")
    await _open_account(there)
    await there.choose("Preferences")
    # Told of by the notification that a device came in.
    await expect(_devices(here)).to_have_count(2)
    await expect(_devices(here).first).to_contain_text("this device")
    await _devices(here).last.get_by_role("button", name=re.compile("Sign out")).click()
    await expect(_devices(here)).to_have_count(1)
    await expect(there.page.locator("welcome-view .notice:visible")).to_contain_text("This device was signed out")
    await expect(there.page.get_by_role("heading", name="Preferences")).to_be_hidden()
    await expect(there.page.get_by_role("link", name="Go on with Twitch")).to_be_visible()
    await here.is_live()


async def test_out_everywhere(place: Instance, arrive: Arrive) -> None:
    """Asked first, then every device is at the door."""
    here = await _come_in(place, arrive, "Everywhere At Once")
    there = await _come_in(place, arrive, "Everywhere At Once")
    await _open_account(here)
    await here.page.get_by_role("button", name="Sign out everywhere").click()
    dialog = here.page.get_by_role("dialog", name="Sign out")
    await expect(dialog).to_contain_text("Every device of yours")
    await dialog.get_by_role("button", name="Sign out everywhere").click()
    for visitor in (here, there):
        await expect(visitor.page.locator("welcome-view")).to_be_visible()
    await expect(there.page.locator("welcome-view .notice:visible")).to_contain_text("This device was signed out")


async def test_what_went_wrong_is_said_in_plain_words(place: Instance, arrive: Arrive, twitch: MoodyTwitch) -> None:
    """The person says no; the service fails; the account is somebody else's: where one is, and without a code."""
    visitor = await arrive(place.url)
    notice = visitor.page.locator("welcome-view .wrong:visible")
    await visitor.page.get_by_role("link", name="Go on with Twitch").click()
    await visitor.page.get_by_role("button", name="No, go back").click()
    await expect(notice).to_have_text(re.compile("said no, or you did"))
    assert visitor.page.url == f"{place.url}/"
    twitch.moods["/oauth2/token"] = crashing
    await visitor.page.get_by_role("link", name="Go on with Twitch").click()
    await _say_who(visitor.page, "Somebody Unlucky")
    await expect(notice).to_have_text(re.compile("does not answer|cannot be used"))
    twitch.moods.clear()
    owner = await _come_in(place, arrive, "Owner Of It")
    other = await _come_in(place, arrive, "Not The Owner")
    for visitor in (owner, other):
        await _open_account(visitor)
        await _row(visitor, "google").get_by_role("link", name="Link Google").click()
        await _say_who(visitor.page, "Owner Elsewhere")
        await visitor.is_live()
    refused = other.page.locator("account-view .notice")
    await expect(refused).to_contain_text("already opens another account")
    await expect(_row(other, "google")).to_contain_text("Not linked")
    assert other.page.url == f"{place.url}/#account"
    await other.page.goto(f"{place.url}/?login_error=%3Cimg%20src=x%3E")
    await expect(refused).to_contain_text("did not work")


async def test_a_guest_whose_account_exists_goes_on_as_that_one(place: Instance, arrive: Arrive) -> None:
    """What they sign in with opens an account here already: that one is shown, and nobody else is signed out."""
    owner = await _come_in(place, arrive, "Was Here Before")
    guest = await (await arrive(place.url)).enter()
    await _open_account(guest)
    await expect(guest.page.locator(".keep")).to_contain_text("you go on as that one")
    await guest.page.get_by_role("link", name="Keep it with Twitch").click()
    await _say_who(guest.page, "Was Here Before")
    await expect(guest.page.locator(".who")).to_contain_text("Was Here Before")
    await expect(guest.page.locator(".who .tag")).to_have_text("member")
    await owner.is_live()


async def test_without_a_line_the_page_says_what_it_could_not_do(place: Instance, arrive: Arrive) -> None:
    """Devices that cannot be fetched, and one that cannot be signed out, are said; the list stays."""
    here = await _come_in(place, arrive, "Offline Often")
    await _come_in(place, arrive, "Offline Often")
    await here.page.route("**/api/devices**", lambda route: route.abort())
    await _open_account(here)
    problem = here.page.locator("device-list .problem")
    await expect(problem).to_have_text("Your devices could not be fetched just now.")
    await here.page.unroute("**/api/devices**")
    await here.page.locator("device-list").get_by_role("button", name="Try again").click()
    await expect(_devices(here)).to_have_count(2)
    await here.page.route("**/api/devices/**", lambda route: route.abort())
    await _devices(here).last.get_by_role("button", name=re.compile("Sign out")).click()
    await expect(problem).to_contain_text("could not be signed out")
    await expect(_devices(here)).to_have_count(2)
    await expect(_devices(here).last.get_by_role("button")).to_be_enabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_account_page_fits_every_screen_and_thumb(place: Instance, arrive: Arrive, scheme: str) -> None:
    """Nothing is wider than the screen, and what is pressed is large enough."""
    visitor = await _come_in(place, arrive, f"W{scheme}" + "W" * 18, color_scheme=scheme)
    await _open_account(visitor)
    await expect(_devices(visitor)).to_have_count(1)
    small = """() => [...document.querySelectorAll('.account button, .account a')]
      .filter((one) => one.checkVisibility()).map((one) => one.getBoundingClientRect())
      .filter(({width, height}) => width < 44 || height < 44).length"""
    for width in WIDTHS:
        await visitor.resize(width)
        overflow = await visitor.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, f"{overflow} px wider than {width}"
        assert await visitor.page.evaluate(small) == 0


async def test_the_account_page_by_keyboard(place: Instance, arrive: Arrive) -> None:
    """From its heading on, Tab reaches all there is to do, in the order in which it is seen."""
    visitor = await _come_in(place, arrive, "Only Keys")
    await visitor.page.locator(".person-button").focus()
    await visitor.page.keyboard.press("Enter")
    await visitor.page.keyboard.press("Tab")
    await visitor.page.keyboard.press("Tab")
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.get_by_role("heading", name="Account", exact=True)).to_be_focused()
    await expect(_devices(visitor)).to_have_count(1)
    # All of it is there before the way through it begins.
    await expect(_row(visitor, "twitch").get_by_role("button", name="Unlink Twitch")).to_be_visible()
    await expect(_row(visitor, "google").get_by_role("link", name="Link Google")).to_be_visible()
    expected = ["Change name and words", "Preferences", "Sign out", "Unlink Twitch", "Link Google"]
    expected += ["Link Oidc"] if "OIDC_ISSUER" in place.settings else []
    expected += ["Sign out Chrome on Linux", "Sign out everywhere"]
    for words in expected:
        await visitor.page.keyboard.press("Tab")
        await expect(visitor.page.locator(":focus")).to_have_text(words)
