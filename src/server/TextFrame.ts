// A text message as a server sends it (RFC 6455 section 5.2): whole and unmasked, head and payload in one buffer, so that
// it leaves by one plain write.

const finalText = 0x81

/** Two bytes, and two or eight more for a length that seven bits do not hold. */
const headOf = (length: number): number => length < 126 ? 2 : length < 65_536 ? 4 : 10

export const textFrame = (text: string): Buffer => {
  const length = Buffer.byteLength(text)
  const head = headOf(length)
  const frame = Buffer.allocUnsafe(head + length)
  frame[0] = finalText
  switch (head) {
    case 2:
      frame[1] = length
      break
    case 4:
      frame[1] = 126
      frame.writeUInt16BE(length, 2)
      break
    default:
      frame[1] = 127
      frame.writeBigUInt64BE(BigInt(length), 2)
  }
  frame.write(text, head)
  return frame
}

/** Frames texts, and one that is told to many in succession once for all of them. */
export const makeFraming = (): (text: string) => Buffer => {
  let last = ""
  let frame = textFrame(last)
  return (text) => {
    if (text === last) return frame
    last = text
    frame = textFrame(text)
    return frame
  }
}
