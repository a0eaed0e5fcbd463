// /demo in a real browser with a microphone that beeps: two people in two profiles meet in a room and hear each other,
// whatever happens to them or to the server.
import { assert, describe, it } from "@effect/vitest"
import axe from "axe-core"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core"
import { call, eventually, expectStatus } from "./support/Client.ts"
import { freePort, runtime, type Service, start, tempDir } from "./support/Process.ts"

const executablePath = process.env["ROOMKEY_CHROMIUM"] ?? "/usr/bin/chromium"

/** Whoever is asked for the microphone says yes, or, with `refusing`, no. */
const openBrowser = ({ refusing = false } = {}): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-dev-shm-usage",
      "--use-fake-device-for-media-stream",
      ...(refusing ? [] : ["--use-fake-ui-for-media-stream"]),
      "--autoplay-policy=no-user-gesture-required",
      // Names of the local network, which a container has nobody to resolve.
      "--disable-features=WebRtcHideLocalIpsWithMdns"
    ]
  })

interface Stats {
  readonly connectionId: string
  readonly connectionState: string
  readonly bytesReceived: number
  readonly totalAudioEnergy: number
}

/** The test's code in the page is checked without the page's types. */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
declare const window: any

/** Somebody in a browser profile of their own, and all that their browser complains of. */
class Person {
  readonly complaints: Array<string> = []
  readonly page: Page
  readonly context: BrowserContext

  private constructor(context: BrowserContext, page: Page) {
    this.context = context
    this.page = page
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.complaints.push(message.text())
    })
    page.on("pageerror", (error) => this.complaints.push(String(error)))
  }

  static async at(browser: Browser, url: string, options: Parameters<Browser["newContext"]>[0] = {}): Promise<Person> {
    const context = await browser.newContext(options)
    // All microphones beep at the same moments: one's own beep would be cancelled as the echo of another's.
    await context.addInitScript(() => {
      const devices = window.navigator.mediaDevices
      const open = devices.getUserMedia.bind(devices)
      devices.getUserMedia = () => open({ audio: { echoCancellation: false, noiseSuppression: false } })
    })
    const person = new Person(context, await context.newPage())
    await person.page.goto(url)
    return person
  }

  async pickName(name: string): Promise<void> {
    await this.page.getByRole("textbox", { name: "Name" }).fill(name)
    await this.page.getByRole("button", { name: "Continue" }).click()
    await this.page.getByRole("heading", { name: "Rooms" }).waitFor()
  }

  async makeRoom(name: string): Promise<void> {
    await this.page.getByRole("textbox", { name: "New room" }).fill(name)
    await this.page.getByRole("button", { name: "Make and join" }).click()
    await this.page.getByRole("heading", { name }).waitFor()
  }

  async join(name: string): Promise<void> {
    await this.page.getByRole("button", { name: `Join ${name}` }).click()
    await this.page.getByRole("heading", { name }).waitFor()
  }

  /** The row of a member, while the list shows it. */
  row(name: string) {
    return this.page.getByRole("list", { name: "People in this room" }).getByRole("listitem").filter({ hasText: name })
  }

  async sees(name: string, state: RegExp | string = ""): Promise<void> {
    await this.row(name).filter({ hasText: state }).waitFor({ timeout: 15_000 })
  }

  stats(): Promise<ReadonlyArray<Stats>> {
    return this.page.evaluate(() => window.roomkeyDemo.stats())
  }

  /** What is heard of the only other person. */
  async heard(): Promise<Stats | undefined> {
    const [first, ...more] = await this.stats()
    assert.deepEqual(more, [])
    return first
  }

  /** Packets and sound of the other person arrive from now on. */
  async hears(): Promise<void> {
    const before = await this.heard()
    let now: Stats | undefined
    const isHearing = async () => {
      now = await this.heard()
      return now !== undefined && now.connectionState === "connected" &&
        now.bytesReceived > (before?.bytesReceived ?? 0) &&
        now.totalAudioEnergy > (before?.totalAudioEnergy ?? 0) + 1e-4
    }
    await eventually(20, "hearing somebody", isHearing).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify({ before, now })}`)
    })
  }

  /** For longer than the pause between two beeps nothing is heard. */
  async hearsNothing(): Promise<void> {
    // What was on its way when the other side fell silent has come.
    await this.page.waitForTimeout(500)
    const before = await this.heard()
    await this.page.waitForTimeout(2500)
    const after = await this.heard()
    assert.strictEqual(after?.connectionState, "connected")
    assert.closeTo(after?.totalAudioEnergy ?? NaN, before?.totalAudioEnergy ?? NaN, 1e-4)
  }

  /** Accessibility rules that the page breaks as it is now. */
  async violations(): Promise<ReadonlyArray<string>> {
    // The browser's debugger runs this, which the page's policy has no say in.
    await this.page.evaluate(axe.source)
    const { violations } = await this.page.evaluate(() => window.axe.run())
    return violations.flatMap(
      ({ id, nodes }: { id: string; nodes: ReadonlyArray<{ html: string }> }) =>
        nodes.map(({ html }) => `${id}: ${html}`)
    )
  }
}

/** A folder for pictures of the page, to be looked at. */
const screenshots = process.env["ROOMKEY_SCREENSHOTS"]

const shoot = async (person: Person, name: string): Promise<void> => {
  if (screenshots !== undefined) {
    await person.page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
  }
}

const apiKeyOf = ({ output }: Service): string => /vc_[0-9a-f]{64}/.exec(output)![0]

describe(`Demo on ${runtime}`, () => {
  it("lets two people talk, through mutes, a ban and a restart of the server", async ({ skip }) => {
    skip(!existsSync(executablePath), `there is no ${executablePath}`)
    using dir = tempDir()
    const env = { DATA_DIR: join(dir.path, "data"), PORT: String(await freePort()) }
    const first = await start(env)
    await using _first = first
    await first.waitFor(/http:\/\/localhost:\d+\/demo$/m)
    const apiKey = apiKeyOf(first)
    const url = `http://localhost:${env.PORT}/demo`
    await using browser = await openBrowser()

    const ada = await Person.at(browser, url)
    await shoot(ada, "name")
    assert.deepEqual(await ada.violations(), [])
    await ada.pickName("Ada")
    assert.deepEqual(await ada.violations(), [])
    await ada.makeRoom("Lobby")
    await ada.sees("Ada (you)", "Host")

    const bob = await Person.at(browser, url)
    await bob.pickName("Bob")
    await shoot(bob, "rooms")
    await bob.join("Lobby")
    await bob.sees("Ada", "Host")
    await ada.sees("Bob", "Guest")
    await Promise.all([ada.hears(), bob.hears()])
    await ada.sees("Bob", "Speaking")
    await bob.sees("Ada", "Speaking")

    const muteBob = bob.page.getByRole("button", { name: "Mute", exact: true })
    await bob.page.keyboard.press("m")
    assert.strictEqual(await muteBob.getAttribute("aria-pressed"), "true")
    await ada.sees("Bob", "Muted")
    await ada.hearsNothing()
    await bob.hears()
    await shoot(bob, "muted")
    await bob.page.keyboard.press("m")
    await ada.hears()

    await ada.page.getByRole("button", { name: "Mute Bob" }).click()
    await bob.page.getByText("The host muted you.").first().waitFor()
    await bob.sees("Bob (you)", "Muted")
    await ada.hearsNothing()
    await muteBob.click()
    await bob.page.getByText("Only the host can undo that.").waitFor()
    assert.strictEqual(await muteBob.getAttribute("aria-pressed"), "true")
    await ada.page.getByRole("button", { name: "Unmute Bob" }).click()
    await ada.hears()

    assert.deepEqual(await first.signal("SIGTERM"), { code: 0, signal: null })
    const connectionIds = (person: Person) =>
      person.stats().then((stats) => stats.map(({ connectionId }) => connectionId))
    const before = [...await connectionIds(ada), ...await connectionIds(bob)]
    await using second = await start(env)
    const isBack = async (person: Person) => {
      const [id, ...more] = await connectionIds(person)
      return id !== undefined && !before.includes(id) && more.length === 0
    }
    await eventually(30, "both back in the room", async () => await isBack(ada) && await isBack(bob))
    await ada.sees("Ada (you)", "Host")
    await ada.sees("Bob")
    await bob.sees("Ada")
    await Promise.all([ada.hears(), bob.hears()])

    for (const person of [ada, bob]) assert.deepEqual(await person.violations(), [])
    await ada.page.setViewportSize({ width: 320, height: 640 })
    assert.isAtMost(await ada.page.evaluate(() => window.document.documentElement.scrollWidth), 320)
    await shoot(ada, "narrow")
    await ada.page.emulateMedia({ colorScheme: "dark" })
    assert.deepEqual(await ada.violations(), [])
    await shoot(ada, "narrow-dark")
    await ada.page.setViewportSize({ width: 900, height: 700 })
    await shoot(ada, "dark")
    await ada.page.emulateMedia({ colorScheme: "light" })
    await shoot(ada, "light")

    const { users } =
      expectStatus(200, await call(second, "GET", "/api/tenant/users?search=Bob", { bearer: apiKey })).body
    const gone = ada.page.evaluate(() =>
      new Promise<number>((resolve) => {
        const list = window.document.getElementById("members")
        const look = () =>
          list.textContent.includes("Bob") || resolve(window.performance.timeOrigin + window.performance.now())
        new window.MutationObserver(look).observe(list, { childList: true, subtree: true })
      })
    )
    const banned = performance.timeOrigin + performance.now()
    expectStatus(
      200,
      await call(second, "PATCH", `/api/tenant/users/${users[0].id}`, { bearer: apiKey, json: { banned: true } })
    )
    assert.isBelow(await gone - banned, 1000)
    await bob.page.getByText("You were banned.").waitFor()
    await bob.page.getByRole("heading", { name: "Pick a name" }).waitFor()
    assert.deepEqual(await ada.stats(), [])
    await shoot(bob, "banned")

    const expected = /ERR_CONNECTION_REFUSED|WebSocket connection to .* failed|status of (?:401|403|503)/
    for (const { complaints } of [ada, bob]) {
      assert.deepEqual(complaints.filter((complaint) => !expected.test(complaint)), [])
    }
  }, 180_000)

  it("lets who only listens be heard when the host wants it and they do, and be sent out", async ({ skip }) => {
    skip(!existsSync(executablePath), `there is no ${executablePath}`)
    using dir = tempDir()
    await using service = await start({ DATA_DIR: join(dir.path, "data") })
    const url = `${service.url}/demo`
    await using browser = await openBrowser()
    const ada = await Person.at(browser, url)
    await ada.pickName("Ada")
    await ada.makeRoom("Stage")
    const eve = await Person.at(browser, url)
    await eve.pickName("Eve")
    await eve.page.getByLabel("Only listen").check()
    await eve.join("Stage")
    await ada.sees("Eve", "Listener")
    await eve.hears()
    await ada.hearsNothing()

    await ada.page.getByRole("button", { name: "Make speaker Eve" }).click()
    await ada.page.getByText("Eve may speak, but has chosen to listen.").waitFor()
    await eve.page.getByRole("button", { name: "Speak", exact: true }).click()
    await ada.sees("Eve", "Speaker")
    await Promise.all([ada.hears(), eve.hears()])

    await ada.page.getByRole("button", { name: "Make listener Eve" }).click()
    await eve.page.getByText("You are listening.").waitFor()
    await ada.hearsNothing()
    await eve.hears()

    await ada.page.getByRole("button", { name: "Make speaker Eve" }).click()
    await eve.page.getByText("Unmute yourself to speak.").waitFor()
    await ada.sees("Eve", "Muted")
    await ada.hearsNothing()
    await eve.page.getByRole("button", { name: "Mute", exact: true }).click()
    await Promise.all([ada.hears(), eve.hears()])

    await ada.page.getByRole("button", { name: "Remove Eve" }).click()
    await eve.page.getByRole("heading", { name: "Rooms" }).waitFor()
    await eve.page.getByText("You were removed from the room.").waitFor()
    await ada.row("Eve").waitFor({ state: "detached" })
    assert.deepEqual([await ada.stats(), await eve.stats()], [[], []])
    assert.deepEqual([ada.complaints, eve.complaints], [[], []])
  }, 120_000)

  it("sends nothing of a guest where only speakers speak, until the guest is one", async ({ skip }) => {
    skip(!existsSync(executablePath), `there is no ${executablePath}`)
    using dir = tempDir()
    await using service = await start({ DATA_DIR: join(dir.path, "data") })
    const bearer = apiKeyOf(service)
    const ask = async (method: string, path: string, json?: unknown) =>
      (await call(service, method, `/api/tenant/${path}`, { bearer, json })).body
    const { id } = await ask("POST", "channels", { name: "Panel", who_may_speak: "speakers" })
    const makeSpeaker = async (name: string) => {
      const { users } = await ask("GET", `users?search=${name}`)
      await ask("PATCH", `channels/${id}/users/${users[0].id}`, { role: "speaker" })
    }
    const url = `${service.url}/demo`
    await using browser = await openBrowser()
    const ada = await Person.at(browser, url)
    const bob = await Person.at(browser, url)
    await ada.pickName("Ada")
    await makeSpeaker("Ada")
    await ada.join("Panel")
    await bob.pickName("Bob")
    await bob.join("Panel")
    await bob.page.getByText("Only speakers may talk in this room.").waitFor()
    await bob.page.getByText("You are listening.").waitFor()
    await bob.hears()
    await ada.hearsNothing()

    await makeSpeaker("Bob")
    await bob.page.getByText("Unmute yourself to speak.").waitFor()
    await bob.page.getByRole("button", { name: "Mute", exact: true }).click()
    await Promise.all([ada.hears(), bob.hears()])
    assert.deepEqual([ada.complaints, bob.complaints], [[], []])
  }, 120_000)

  it("goes by keyboard alone, shows any name as text, and lets in who refuses the microphone", async ({ skip }) => {
    skip(!existsSync(executablePath), `there is no ${executablePath}`)
    using dir = tempDir()
    await using service = await start({ DATA_DIR: join(dir.path, "data") })
    const url = `${service.url}/demo`
    const name = "<img src=x onerror=alert(1)>"
    await using browser = await openBrowser({ refusing: true })
    const mallory = await Person.at(browser, url)
    const { keyboard } = mallory.page
    const focused = () => mallory.page.evaluate(() => window.document.activeElement.textContent.trim())
    await mallory.page.getByRole("textbox", { name: "Name" }).and(mallory.page.locator(":focus")).waitFor()
    await keyboard.type(name)
    await keyboard.press("Enter")
    await mallory.page.getByText("No rooms yet.").waitFor()
    assert.strictEqual(await focused(), "Rooms")
    for (let n = 0; n < 3; n++) await keyboard.press("Tab")
    await keyboard.type("<b>Nook</b>")
    await keyboard.press("Enter")
    await mallory.page.getByRole("heading", { name: "<b>Nook</b>" }).waitFor()
    await mallory.sees(`${name} (you)`, "Listener")
    await mallory.page.getByText("This page may not use your microphone, so you joined as a listener.").waitFor()
    await shoot(mallory, "refused")
    await keyboard.press("Tab")
    assert.strictEqual(await focused(), "Speak")
    await keyboard.press("Tab")
    assert.strictEqual(await focused(), "Leave")
    await keyboard.press("Enter")
    await mallory.page.getByRole("button", { name: "Join <b>Nook</b>" }).waitFor()
    assert.strictEqual(await focused(), "Rooms")
    for (let n = 0; n < 3; n++) await keyboard.press("Tab")
    await keyboard.press("Enter")
    await mallory.sees(`${name} (you)`)
    await mallory.page.goBack()
    await mallory.page.getByRole("heading", { name: "Rooms" }).waitFor()

    const other = await Person.at(browser, url)
    await other.page.getByRole("textbox", { name: "Name" }).fill(name)
    await other.page.getByRole("button", { name: "Continue" }).click()
    await other.page.getByText("Somebody has that name already.").waitFor()
    assert.deepEqual(await other.violations(), [])
    await shoot(other, "taken")
    assert.deepEqual(mallory.complaints, [])

    // The name is the browser's own: signed out, it comes back to it.
    await mallory.page.getByRole("button", { name: "Sign out" }).click()
    await mallory.pickName(name)
  }, 120_000)
})
