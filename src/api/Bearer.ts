const scheme = "bearer "

/**
 * The credential of an `Authorization` header (RFC 6750 section 2.1): an empty one if the header says something else,
 * nothing without it. Read by hand and in linear time: headers are hostile input.
 */
export const bearer = (authorization: string | undefined): string | undefined => {
  if (authorization === undefined) return undefined
  return authorization.slice(0, scheme.length).toLowerCase() === scheme ? authorization.slice(scheme.length).trim() : ""
}
