/// <reference lib="dom" />
// Who is in the room. A row lives as long as its member, so that the focus stays where it is when something changes.
// Names come from strangers: they are set as text, never as markup.
import type { Realtime } from "../client/index.ts"

export type Member = Realtime["members"] extends ReadonlyMap<string, infer M> ? M : never

/** What a host may do to others. */
export type Act = (
  member: Member,
  action: "mute" | "unmute" | "make_speaker" | "make_listener" | "remove"
) => void

type Action = Parameters<Act>[1]

const roles: Readonly<Record<Member["role"], string>> = {
  host: "Host",
  speaker: "Speaker",
  listener: "Listener",
  guest: "Guest"
}

const create = <Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  className: string,
  ...children: ReadonlyArray<Node>
): HTMLElementTagNameMap[Name] => {
  const element = document.createElement(name)
  element.className = className
  element.append(...children)
  return element
}

const setText = (element: HTMLElement, text: string): void => {
  if (element.textContent !== text) element.textContent = text
}

const initialOf = (name: string): string => [...new Intl.Segmenter().segment(name)][0]?.segment.toUpperCase() ?? ""

const voiceOf = ({ muted, role, speaking }: Member): string =>
  role === "listener" ? "" : muted ? "Muted" : speaking ? "Speaking" : ""

class Row {
  readonly element: HTMLLIElement
  member: Member
  readonly #avatar = create("span", "avatar")
  readonly #name = create("p", "name")
  readonly #role = create("span", "role")
  readonly #voice = create("span", "voice")
  readonly #powers: HTMLElement
  readonly #mute: HTMLButtonElement
  readonly #speak: HTMLButtonElement
  readonly #remove: HTMLButtonElement

  constructor(member: Member, act: Act) {
    this.member = member
    this.#avatar.setAttribute("aria-hidden", "true")
    const button = (action: () => Action) => {
      const made = create("button", "")
      made.type = "button"
      made.addEventListener("click", () => act(this.member, action()))
      return made
    }
    this.#mute = button(() => this.member.muted ? "unmute" : "mute")
    this.#speak = button(() => this.member.role === "listener" ? "make_speaker" : "make_listener")
    this.#remove = button(() => "remove")
    this.#powers = create("div", "powers", this.#mute, this.#speak, this.#remove)
    this.element = create(
      "li",
      "",
      this.#avatar,
      create("div", "who", this.#name, create("p", "facts", this.#role, this.#voice)),
      this.#powers
    )
  }

  show(member: Member, isOwn: boolean, ownRole: Member["role"] | undefined): void {
    this.member = member
    const { muted, role, speaking, username } = member
    const isListener = role === "listener"
    this.element.dataset["connectionId"] = member.connection_id
    this.element.classList.toggle("speaking", speaking && !muted && !isListener)
    this.element.classList.toggle("silenced", muted && !isListener)
    setText(this.#avatar, initialOf(username))
    setText(this.#name, isOwn ? `${username} (you)` : username)
    setText(this.#role, roles[role])
    setText(this.#voice, voiceOf(member))
    this.#powers.hidden = isOwn || ownRole !== "host" || role === "host"
    this.#mute.hidden = isListener
    this.#label(this.#mute, muted ? "Unmute" : "Mute", username)
    this.#label(this.#speak, isListener ? "Make speaker" : "Make listener", username)
    this.#label(this.#remove, "Remove", username)
  }

  #label(button: HTMLButtonElement, text: string, username: string): void {
    setText(button, text)
    button.setAttribute("aria-label", `${text} ${username}`)
  }
}

export class MemberList {
  readonly #list: HTMLElement
  readonly #rows = new Map<string, Row>()
  readonly #act: Act
  readonly #onFocusLost: () => void

  constructor(list: HTMLElement, act: Act, onFocusLost: () => void) {
    this.#list = list
    this.#act = act
    this.#onFocusLost = onFocusLost
  }

  show(members: ReadonlyMap<string, Member>, ownId: string | undefined): void {
    const focused = document.activeElement
    const hadFocus = focused !== null && this.#list.contains(focused)
    for (const [id, row] of this.#rows) {
      if (members.has(id)) continue
      row.element.remove()
      this.#rows.delete(id)
    }
    const ownRole = members.get(ownId ?? "")?.role
    for (const [id, member] of members) {
      const row = this.#rows.get(id) ?? this.#add(id, member)
      row.show(member, id === ownId, ownRole)
    }
    const isVisible = focused instanceof HTMLElement && focused.isConnected && focused.offsetParent !== null
    if (hadFocus && !isVisible) this.#onFocusLost()
  }

  #add(id: string, member: Member): Row {
    const row = new Row(member, this.#act)
    this.#rows.set(id, row)
    this.#list.append(row.element)
    return row
  }
}
