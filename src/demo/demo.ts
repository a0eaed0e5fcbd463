/// <reference lib="dom" />
// The page: a name, the rooms, a room. Which room is in the address, so that an address is an invitation.
import { type Auth, createAuth, createRealtime, type Realtime, type RealtimeState } from "../client/index.ts"
import { type Act, MemberList } from "./MemberList.ts"
import { signInAs } from "./Names.ts"
import { Room } from "./Room.ts"
import { explain, textOf } from "./Texts.ts"

interface Channel {
  readonly id: number
  readonly name: string
}

const find = <E extends HTMLElement>(id: string, type: new () => E): E => {
  const element = document.getElementById(id)
  if (element instanceof type) return element
  throw new Error(`The page has no ${id}`)
}

const page = {
  status: find("status", HTMLElement),
  notice: find("notice", HTMLElement),
  announcements: find("announcements", HTMLElement),
  nameForm: find("form-name", HTMLFormElement),
  appField: find("field-app", HTMLElement),
  app: find("app", HTMLInputElement),
  name: find("name", HTMLInputElement),
  nameError: find("error-name", HTMLElement),
  enter: find("enter", HTMLButtonElement),
  ownName: find("own-name", HTMLElement),
  changeName: find("change-name", HTMLButtonElement),
  listenOnly: find("listen-only", HTMLInputElement),
  rooms: find("rooms", HTMLElement),
  noRooms: find("no-rooms", HTMLElement),
  roomForm: find("form-room", HTMLFormElement),
  roomName: find("room-name", HTMLInputElement),
  makeRoom: find("make-room", HTMLButtonElement),
  roomTitle: find("title-room", HTMLElement),
  members: find("members", HTMLElement),
  mute: find("mute", HTMLButtonElement),
  muteState: find("mute-state", HTMLElement),
  speak: find("speak", HTMLButtonElement),
  sound: find("sound", HTMLButtonElement),
  leave: find("leave", HTMLButtonElement),
  shortcutField: find("field-shortcut", HTMLElement),
  shortcut: find("shortcut", HTMLInputElement),
  audio: find("audio", HTMLElement)
}

const titles = { name: "Pick a name", rooms: "Rooms", room: "Room" } as const
type View = keyof typeof titles

const notify = (text: string): void => {
  page.notice.textContent = text
}

const announce = (text: string): void => {
  page.announcements.append(Object.assign(document.createElement("p"), { textContent: text }))
  while (page.announcements.childElementCount > 5) page.announcements.firstElementChild?.remove()
}

/** The focus goes where the reading goes on. */
const show = (view: View): void => {
  for (const name of Object.keys(titles)) find(`view-${name}`, HTMLElement).hidden = name !== view
  setTitle(titles[view])
  find(`title-${view}`, HTMLElement).focus()
  if (view === "name" && !matchMedia("(pointer: coarse)").matches) (page.appField.hidden ? page.name : page.app).focus()
}

const setTitle = (text: string): void => {
  document.title = `${text} · Roomkey demo`
}

const states: Readonly<Record<RealtimeState, string>> = {
  idle: "",
  connecting: "Connecting…",
  open: "Connected",
  waiting: "Reconnecting…",
  closed: "Disconnected"
}

/** Who is signed in, and everything that ends with that. */
interface Stay {
  readonly auth: Auth
  readonly realtime: Realtime
  channels: ReadonlyArray<Channel>
  room: Room | undefined
}

let stay: Stay | undefined
let appId = ""

/** Long enough for what was decided to show. */
const decisionMillis = 1500

const act: Act = (member, action) => {
  const realtime = stay?.realtime
  if (realtime === undefined) return
  const { connection_id, username } = member
  const decide = () => {
    switch (action) {
      case "remove":
        return realtime.remove(connection_id)
      case "mute":
      case "unmute":
        return realtime.mute(action === "mute", connection_id)
      case "make_listener":
        return realtime.setRole(connection_id, "listener")
      case "make_speaker":
        return realtime.setRole(connection_id, "speaker").then(() =>
          setTimeout(() => {
            const { role } = realtime.members.get(connection_id) ?? {}
            if (role === "listener") notify(`${username} may speak, but has chosen to listen.`)
          }, decisionMillis)
        )
    }
  }
  notify("")
  decide().catch((error: unknown) => notify(explain(error, { not_found: `${username} is not here any more.` })))
}

const members = new MemberList(page.members, act, () => page.roomTitle.focus())

const showRoom = ({ realtime, room }: Stay): void => {
  if (room === undefined) return
  const isIn = room.own !== undefined
  members.show(realtime.members, room.own?.connection_id)
  const focused = document.activeElement
  page.mute.hidden = !room.maySpeak
  page.shortcutField.hidden = !room.maySpeak
  page.speak.hidden = !room.mayAskToSpeak
  if (focused === page.speak && page.speak.hidden) page.mute.focus()
  if (focused === page.mute && page.mute.hidden) page.leave.focus()
  page.mute.setAttribute("aria-pressed", String(room.muted))
  page.muteState.textContent = !isIn
    ? ""
    : !room.maySpeak
    ? "You are listening."
    : room.mutedByHost
    ? "The host muted you."
    : room.muted
    ? "Nobody hears you."
    : "The others hear you."
}

const showChannels = ({ channels }: Stay): void => {
  page.noRooms.hidden = channels.length > 0
  const shown = new Map([...page.rooms.children].map((item) => [(item as HTMLElement).dataset["id"], item]))
  for (const { id, name } of channels) {
    const key = String(id)
    if (shown.delete(key)) continue
    const title = Object.assign(document.createElement("span"), { textContent: name })
    const join = Object.assign(document.createElement("span"), { textContent: "Join" })
    join.setAttribute("aria-hidden", "true")
    const button = Object.assign(document.createElement("button"), { type: "button" })
    button.append(title, join)
    button.setAttribute("aria-label", `Join ${name}`)
    button.addEventListener("click", () => goTo(id))
    const item = document.createElement("li")
    item.dataset["id"] = key
    item.append(button)
    page.rooms.append(item)
  }
  for (const item of shown.values()) item.remove()
}

const readChannels = async (current: Stay): Promise<void> => {
  current.channels = await current.auth.call<ReadonlyArray<Channel>>("GET", "/api/channels")
  if (stay === current) showChannels(current)
}

const roomInAddress = (): number | undefined => {
  const id = /^#(\d{1,15})$/.exec(location.hash)?.[1]
  return id === undefined ? undefined : Number(id)
}

const goTo = (id: number | undefined): void => {
  const address = `${location.pathname}${location.search}${id === undefined ? "" : `#${id}`}`
  history.pushState(null, "", address)
  void follow()
}

/** Makes the page show what the address says. */
const follow = async (): Promise<void> => {
  const current = stay
  if (current === undefined) return
  const left = current.room
  current.room = undefined
  page.sound.hidden = true
  // What was left is left, whether or not the server can be told now.
  left?.leave().catch(() => undefined)
  const id = roomInAddress()
  await (id === undefined ? showRooms(current) : enterRoom(current, id))
}

const showRooms = async (current: Stay): Promise<void> => {
  show("rooms")
  try {
    await readChannels(current)
  } catch (error) {
    if (stay === current) notify(explain(error))
  }
}

const enterRoom = async (current: Stay, id: number): Promise<void> => {
  const room = new Room(current.realtime, () => current.auth.call("GET", "/api/ice-servers"), {
    changed: () => showRoom(current),
    announce,
    notify,
    removed: (code) => {
      if (current.room !== room) return
      goTo(undefined)
      notify(textOf(code) ?? "You were removed from the room.")
    },
    soundBlocked: () => {
      page.sound.hidden = false
    },
    audio: page.audio
  })
  current.room = room
  notify("")
  const nameRoom = () => {
    const name = current.channels.find((channel) => channel.id === id)?.name ?? "Room"
    page.roomTitle.textContent = name
    setTitle(name)
  }
  nameRoom()
  show("room")
  nameRoom()
  showRoom(current)
  try {
    await room.enter(id, page.listenOnly.checked)
    if (current.room !== room || current.channels.some((channel) => channel.id === id)) return
    await readChannels(current)
    if (current.room === room) nameRoom()
  } catch (error) {
    if (current.room !== room || stay !== current) return
    goTo(undefined)
    notify(explain(error))
  }
}

const begin = (auth: Auth): void => {
  const realtime = createRealtime(auth)
  const current: Stay = { auth, realtime, channels: [], room: undefined }
  stay = current
  realtime.on("state", (state) => {
    if (stay !== current) return
    page.status.textContent = states[state]
    page.status.dataset["state"] = state
    if (state === "closed" && auth.session !== null) notify("You are disconnected. Please reload the page.")
    showRoom(current)
  })
  const stop = auth.onChange((session, code) => {
    if (session !== null) return
    stop()
    end(current, code)
  })
  page.ownName.textContent = auth.session?.user?.username ?? ""
  realtime.connect().catch((error: unknown) => stay === current && notify(explain(error)))
  void follow()
}

const end = (current: Stay, code: string | undefined): void => {
  current.room?.close()
  current.room = undefined
  current.realtime.close()
  if (stay !== current) return
  stay = undefined
  page.status.textContent = ""
  page.name.value = ""
  show("name")
  notify(code === undefined || code === "signed_out" ? "" : textOf(code) ?? "You were signed out.")
}

const authFor = (id: string): Auth =>
  createAuth({ baseUrl: location.origin, appId: id, key: `roomkey.demo.session:${id}` })

const failName = (text: string): void => {
  page.nameError.textContent = text
  page.name.setAttribute("aria-invalid", String(text !== ""))
}

page.nameForm.addEventListener("submit", async (event) => {
  event.preventDefault()
  const name = page.name.value.normalize("NFC").trim()
  const id = appId === "" ? page.app.value.trim() : appId
  if (name === "" || page.enter.disabled) return
  failName("")
  notify("")
  page.enter.disabled = true
  try {
    const auth = authFor(id)
    await signInAs(auth, id, name)
    begin(auth)
  } catch (error) {
    failName(explain(error))
    page.name.focus()
  } finally {
    page.enter.disabled = false
  }
})

page.roomForm.addEventListener("submit", async (event) => {
  event.preventDefault()
  const current = stay
  const name = page.roomName.value.trim()
  if (current === undefined || name === "" || page.makeRoom.disabled) return
  page.makeRoom.disabled = true
  try {
    const made = await current.auth.call<Channel>("POST", "/api/channels", { name })
    current.channels = [...current.channels, made]
    page.roomName.value = ""
    if (stay === current) goTo(made.id)
  } catch (error) {
    notify(explain(error))
  } finally {
    page.makeRoom.disabled = false
  }
})

page.changeName.addEventListener("click", () => {
  stay?.auth.logout().catch(() => undefined)
})

const toggleMute = (): void => {
  const room = stay?.room
  if (room !== undefined) notify("")
  room?.toggleMute().catch((error: unknown) => notify(explain(error)))
}

page.mute.addEventListener("click", toggleMute)
page.speak.addEventListener("click", () => {
  notify("")
  stay?.room?.speak().catch((error: unknown) => notify(explain(error)))
})
page.leave.addEventListener("click", () => goTo(undefined))
page.sound.addEventListener("click", () => {
  stay?.room?.play().then(() => {
    page.sound.hidden = true
    page.mute.focus()
  }, () => undefined)
})

document.addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement && event.target.type !== "checkbox"
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat
  if (event.key.toLowerCase() === "m" && plain && !typing && page.shortcut.checked) toggleMute()
})

addEventListener("popstate", () => void follow())
addEventListener("pagehide", () => stay?.room?.close())
// A page that the browser had put aside comes back with nothing of what was open.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload())

/** New rooms of others show up while one looks at the list. */
const lookEveryMillis = 3000
setInterval(() => {
  const current = stay
  if (current === undefined || current.room !== undefined || document.hidden) return
  readChannels(current).catch(() => undefined)
}, lookEveryMillis)

/** For tests of the page: what each peer connection has carried so far. */
Object.assign(window, { roomkeyDemo: { stats: async () => await stay?.room?.stats() ?? [] } })

const start = async (): Promise<void> => {
  const asked = new URLSearchParams(location.search).get("app_id") ?? ""
  const response = await fetch("config.json")
  const known: { readonly app_id: string | null } = response.ok ? await response.json() : { app_id: null }
  appId = asked || (known.app_id ?? "")
  page.appField.hidden = appId !== ""
  page.app.required = appId === ""
  const auth = authFor(appId)
  if (appId !== "" && auth.session !== null) begin(auth)
  else show("name")
}

start().catch((error: unknown) => notify(explain(error)))
