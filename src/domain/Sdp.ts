// Whether a session description (RFC 8866) would send media. The server relays descriptions and cannot hold back the
// media itself, so what is read in two ways counts as sending.
import SDPUtils from "sdp"

const lines = (text: string): ReadonlyArray<string> => text.split(/[\r\n]+/)

/** A description begins with its version, and every line of it is `<letter>=<value>`. */
export const isDescription = (sdp: string): boolean =>
  /^v=0\r?\n/.test(sdp) && lines(sdp).every((line) => line === "" || /^[a-z]=/.test(line))

const carriesMedia = (section: string): boolean =>
  !SDPUtils.isRejected(section) && SDPUtils.getKind(section) !== "application"

/** Browsers send a few; each is held against the whole of the session's part. */
const maxSections = 256

/** A live section of anything but data that does not say `recvonly` or `inactive`, or says anything else beside it. */
export const sendsMedia = (sdp: string): boolean => {
  const [session = "", ...media] = SDPUtils.splitSections(sdp)
  if (media.length > maxSections) return true
  const says = lines(sdp).some((line) => /^\s*a\s*=\s*(?:sendrecv|sendonly)\s*$/i.test(line))
  return media.some((section) =>
    carriesMedia(section) &&
    (says || !["recvonly", "inactive"].includes(SDPUtils.getDirection(section, session)))
  )
}
