// Whether a session description (RFC 8866) would send media. The server relays descriptions and cannot hold back the
// media itself, and browsers read what is not quite in order each in its own way: so what one of them may take for
// sending counts as that.
import SDPUtils from "sdp"

const lines = (text: string): ReadonlyArray<string> => text.split(/\r?\n/)

/** Where some end a line, or a text, and others do not. */
const doubtfulEnd = /\r(?!\n)|[^\P{Cc}\t\r\n]|[\u2028\u2029]/u

/** A description begins with its version, and every line of it is `<letter>=<value>`. */
export const isDescription = (sdp: string): boolean =>
  /^v=0\r?\n/.test(sdp) && !doubtfulEnd.test(sdp) && lines(sdp).every((line) => line === "" || /^[a-z]=/.test(line))

/** `m=`, the kind and the port, with the one space between them that the grammar has: others split there otherwise. */
const isPlain = (section: string): boolean => /^m=\w+ \d+ \S/.test(section)

/** Port 0 rejects a section, but not one that says that it is bundled with another (RFC 8843 section 6). */
const isRejected = (section: string): boolean =>
  isPlain(section) && SDPUtils.isRejected(section) && !/^a=\W*bundle-only/im.test(section)

const isData = (section: string): boolean => isPlain(section) && SDPUtils.getKind(section) === "application"

/** By its own word, since not every browser asks the session's lines for a direction; and with nothing behind the word. */
const receivesOnly = (section: string): boolean =>
  ["recvonly", "inactive"].includes(SDPUtils.getDirection(section, "")) &&
  lines(section).some((line) => line === "a=recvonly" || line === "a=inactive") &&
  !/^a=\W*send(?:recv|only)/im.test(section)

/** As they stand: the parser's own would have lost the white space at their ends. */
const mediaSections = (sdp: string): ReadonlyArray<string> => sdp.split(/^(?=m=)/m).slice(1)

/** A live section of anything but data that does not say `recvonly` or `inactive`, or says anything else beside it. */
export const sendsMedia = (sdp: string): boolean =>
  mediaSections(sdp).some((section) => !isRejected(section) && !isData(section) && !receivesOnly(section))
