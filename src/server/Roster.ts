// A set of what comes and goes thousands of times a second. An array in which each member knows its place: a `Set` of long
// life outgrows a table every few additions, and each of these tables keeps its members and the next table until the
// collector of old objects has run.

export interface Member {
  /** Its index, for the roster alone; -1: it is in none. */
  place: number
}

export class Roster<A extends Member> {
  readonly #members: Array<A> = []

  add(member: A): void {
    if (member.place < 0) member.place = this.#members.push(member) - 1
  }

  remove(member: A): void {
    if (member.place < 0) return
    const last = this.#members.pop()!
    if (last !== member) {
      this.#members[member.place] = last
      last.place = member.place
    }
    member.place = -1
  }

  /** As they are now; they may go meanwhile. */
  all(): ReadonlyArray<A> {
    return [...this.#members]
  }
}
