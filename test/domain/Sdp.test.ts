// Whether a description sends, held against how the programs that hear it read one: what any of them takes for sending
// must count as that, and what browsers write for who only receives must not.
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { isDescription, sendsMedia } from "../../src/domain/Sdp.ts"

const sdp = (...lines: ReadonlyArray<string>) => lines.map((line) => `${line}\r\n`).join("")

const chromeSession = [
  "v=0",
  "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE 0",
  "a=extmap-allow-mixed",
  "a=msid-semantic: WMS"
]

const chromeAudio = (direction: string) => [
  "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
  "c=IN IP4 0.0.0.0",
  "a=rtcp:9 IN IP4 0.0.0.0",
  "a=ice-ufrag:4ZcD",
  "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlKi",
  "a=ice-options:trickle",
  "a=fingerprint:sha-256 75:74:5A:A6:A4:E5:52:F4:A7:67:4C:01:C7:EE:91:3F:21:3D:A2:E3:53:7B:6F:30:86:F2:30:AA:65:FB:04:24",
  "a=setup:actpass",
  "a=mid:0",
  "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
  `a=${direction}`,
  "a=rtcp-mux",
  "a=rtpmap:111 opus/48000/2",
  "a=rtcp-fb:111 transport-cc",
  "a=fmtp:111 minptime=10;useinbandfec=1",
  "a=rtpmap:63 red/48000/2",
  "a=fmtp:63 111/111",
  "a=rtpmap:0 PCMU/8000"
]

const chromeVideo = (direction: string) => [
  "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
  "c=IN IP4 0.0.0.0",
  "a=mid:1",
  `a=${direction}`,
  "a=rtcp-mux",
  "a=rtpmap:96 VP8/90000",
  "a=rtpmap:97 rtx/90000",
  "a=rid:h send",
  "a=rid:l send",
  "a=simulcast:send h;l"
]

const data = [
  "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
  "c=IN IP4 0.0.0.0",
  "a=mid:2",
  "a=sctp-port:5000",
  "a=max-message-size:262144"
]

/** Firefox says `sendrecv` of every session, and of each section what is so. */
const firefox = (direction: string) =>
  sdp(
    "v=0",
    "o=mozilla...THIS_IS_SDPARTA-99.0 7378282928466022934 0 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    "a=sendrecv",
    "a=fingerprint:sha-256 0A:9F:4C:3B:58:B1:2A:8D:74:D2:66:2A:9E:33:7B:61:92:7D:BB:42:5F:5E:33:48:21:0F:CC:77:90:AA:01:3C",
    "a=group:BUNDLE 0",
    "a=ice-options:trickle",
    "a=msid-semantic:WMS *",
    "m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101",
    "c=IN IP4 0.0.0.0",
    `a=${direction}`,
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1",
    "a=mid:0",
    "a=rtcp-mux",
    "a=rtpmap:109 opus/48000/2",
    "a=setup:actpass",
    "a=ssrc:1926368912 cname:{e0a1c3a4-1f0b-4b12-9f0b-0b0a3f1d7a54}"
  )

const chrome = (direction: string) => sdp(...chromeSession, ...chromeAudio(direction))

const safari = (direction: string) =>
  sdp(
    "v=0",
    "o=- 3497285112345678901 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE audio",
    "a=msid-semantic: WMS 6f1d",
    "m=audio 54609 UDP/TLS/RTP/SAVPF 111 103 9 0 8",
    "c=IN IP4 192.0.2.7",
    "a=candidate:842163049 1 udp 1677729535 192.0.2.7 54609 typ srflx raddr 0.0.0.0 rport 0",
    "a=mid:audio",
    `a=${direction}`,
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2"
  )

const rejected = ["m=audio 0 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 0.0.0.0", "a=mid:0"]
const received = chromeAudio("recvonly")
const withoutDirection = received.filter((line) => line !== "a=recvonly")

const receivers: Record<string, string> = {
  "Chrome": chrome("recvonly"),
  "Chrome on hold": chrome("inactive"),
  "Firefox, which says sendrecv of the session": firefox("recvonly"),
  "Safari": safari("recvonly"),
  "audio and video": sdp(...chromeSession, ...received, ...chromeVideo("inactive")),
  "simulcast that is received": sdp(
    ...chromeSession,
    ...chromeVideo("recvonly").map((line) => line.replace(" send", " recv"))
  ),
  "a data channel only": sdp(...chromeSession, ...data),
  "a data channel beside it": sdp(...chromeSession, ...received, ...data),
  "a rejected section": sdp(...chromeSession, ...rejected, "a=inactive"),
  "a rejected section that says nothing": sdp(...chromeSession, ...rejected),
  "a rejected section beside another": sdp(...chromeSession, ...rejected, ...received),
  "no sections": sdp(...chromeSession),
  "recvonly and inactive": sdp(...chromeSession, ...received, "a=inactive"),
  "bundled only": sdp(...chromeSession, ...received.map((line) => line.replace("audio 9", "audio 0")), "a=bundle-only"),
  "line feeds alone": chrome("recvonly").replaceAll("\r", ""),
  "no last line end": chrome("recvonly").trimEnd()
}

const senders: Record<string, string> = {
  "Chrome": chrome("sendrecv"),
  "Chrome, one way": chrome("sendonly"),
  "Firefox": firefox("sendrecv"),
  "Safari": safari("sendonly"),
  "line feeds alone": chrome("sendrecv").replaceAll("\r", ""),
  "a section that says nothing": sdp(...chromeSession, ...withoutDirection),
  "a section that says nothing after one that receives": sdp(...chromeSession, ...received, ...withoutDirection),
  "a section that sends after one that receives": sdp(...chromeSession, ...received, ...chromeVideo("sendonly")),
  "a section that sends before one that receives": sdp(...chromeSession, ...chromeVideo("sendonly"), ...received),
  "a section that sends after a rejected one": sdp(...chromeSession, ...rejected, ...chromeAudio("sendonly")),
  "a section that sends after a data channel": sdp(...chromeSession, ...data, ...chromeAudio("sendonly")),
  // Chrome looks for directions in sections only.
  "recvonly of the session alone": sdp(...chromeSession, "a=recvonly", ...withoutDirection),
  "inactive of the session alone": sdp(...chromeSession, "a=inactive", ...withoutDirection),
  "recvonly, then sendrecv": sdp(...chromeSession, ...received, "a=sendrecv"),
  "sendrecv, then recvonly": sdp(...chromeSession, ...chromeAudio("sendrecv"), "a=recvonly"),
  "port 0 that is bundled": sdp(
    ...chromeSession,
    ...chromeAudio("sendrecv").map((line) => line.replace("audio 9", "audio 0")),
    "a=bundle-only"
  ),
  "port 0 that is bundled, said loudly and with a value": sdp(
    ...chromeSession,
    ...chromeAudio("sendrecv").map((line) => line.replace("audio 9", "audio 0")),
    "a=BUNDLE-ONLY:x"
  ),
  "port 0 of several": chrome("sendrecv").replace("audio 9", "audio 0/2"),
  "a port that is 0 to who splits at spaces only": chrome("sendrecv").replace("audio 9 UDP", "audio\t9 0 UDP"),
  "video": sdp(...chromeSession, ...chromeVideo("sendrecv")),
  "a kind that nobody knows": chrome("sendrecv").replace("m=audio", "m=sound"),
  "a kind that begins like data": chrome("sendrecv").replace("m=audio", "m=applications"),
  "a kind in capitals": chrome("sendrecv").replace("m=audio", "m=APPLICATION"),
  // Chrome takes what ends in a colon or a space for the attribute, and the last one counts.
  "sendrecv with a value": sdp(...chromeSession, ...received, "a=sendrecv:x"),
  "sendonly with a space": sdp(...chromeSession, ...received, "a=sendonly x"),
  // Firefox's older parser takes capitals, and leaves out what separates.
  "sendrecv in capitals": sdp(...chromeSession, ...received, "a=SendRecv"),
  "sendrecv after a space": sdp(...chromeSession, ...received, "a= sendrecv"),
  "sendrecv after a tab and a colon": sdp(...chromeSession, ...received, "a=\t:sendrecv"),
  // Chrome does not know these for `recvonly`, so that what it takes for granted stays: sending.
  "recvonly and a tab": chrome("recvonly\t"),
  "recvonly and a space that does not break": chrome("recvonly\u00a0"),
  "recvonly in capitals": chrome("RECVONLY"),
  "recvonly and more": chrome("recvonlyx"),
  // Who ends lines at carriage returns, as some do, sees a section, or a direction, where others see none.
  "a section behind a carriage return": sdp(...chromeSession, ...received, "a=x\rm=audio 9 UDP/TLS/RTP/SAVPF 111"),
  "a direction behind a carriage return": sdp(...chromeSession, ...received, "a=x\ra=sendrecv"),
  "a direction behind a line separator": sdp(...chromeSession, ...received, "a=x\u2028a=sendrecv")
}

interface Reader {
  readonly lineEnd: RegExp
  readonly attribute: (line: string) => string | undefined
  readonly media: (line: string) => { readonly kind: string; readonly port: string }
}

const fields = (line: string, by: RegExp) => {
  const [kind = "", port = ""] = line.slice(2).split(by)
  return { kind, port }
}

/** By their sources: the parsers of Chrome and Safari, of Firefox (the older, which takes more), and of Pion. */
const readers: Record<string, Reader> = {
  webrtc: {
    lineEnd: /\r?\n/,
    attribute: (line) => /^a=([^: ]+)(?:[: ]|$)/.exec(line)?.[1],
    media: (line) => fields(line, / /)
  },
  sipcc: {
    lineEnd: /\r?\n/,
    attribute: (line) => /^a=[: \t]*([^: \t]+)/.exec(line)?.[1]?.toLowerCase(),
    media: (line) => fields(line.toLowerCase(), /[ \t]+/)
  },
  pion: {
    lineEnd: /[\r\n]+/,
    attribute: (line) => /^a=([^:]+)/.exec(line)?.[1],
    media: (line) => fields(line, / +/)
  }
}

const readsAsSending = ({ attribute, lineEnd, media }: Reader, text: string): boolean => {
  const sections: Array<Array<string>> = []
  for (const line of text.split(lineEnd)) {
    if (line.startsWith("m=")) sections.push([line])
    else sections.at(-1)?.push(line)
  }
  return sections.some(([first, ...lines]) => {
    const { kind, port } = media(first!)
    const said = lines.map(attribute)
    if (kind === "application" || (port === "0" && !said.includes("bundle-only"))) return false
    const directions = said.filter((name) => /^(?:sendrecv|sendonly|recvonly|inactive)$/.test(name ?? ""))
    // Which of several counts is not the same everywhere.
    return [directions[0], directions.at(-1)].some((direction) => (direction ?? "sendrecv").startsWith("send"))
  })
}

const originals = [...Object.values(receivers), ...Object.values(senders)]
const pieces = [
  "a=sendrecv",
  "a=sendonly",
  "a=recvonly",
  "a=inactive",
  "a=bundle-only",
  "sendrecv",
  "recvonly",
  "a=",
  "m=",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "m=audio 0 UDP/TLS/RTP/SAVPF 111",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
  "application",
  "\r\n",
  "\n",
  "\r",
  " ",
  "\t",
  ":",
  "0",
  "/",
  "\u00a0",
  "\u2028",
  "\v",
  "A",
  "x"
] as const

const Edit = Schema.Struct({
  /** Mostly at the beginning or the end of a line, where it matters. */
  where: Schema.Literals(["Begin", "End", "Anywhere"]),
  at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5000 })),
  drop: Schema.Literals([0, 0, 0, 1, 2, 10]),
  put: Schema.Literals(["", "\r\n", ...pieces]),
  next: Schema.Literals(["", "", "\r\n"])
})

const bent = (text: string, { at, drop, next, put, where }: typeof Edit.Type): string => {
  const ends = [...text.matchAll(/\r?\n/g)].map(({ 0: end, index }) => where === "End" ? index : index + end.length)
  const place = where === "Anywhere" || ends.length === 0 ? at % (text.length + 1) : ends[at % ends.length]!
  return text.slice(0, place) + put + next + text.slice(place + drop)
}

describe("Sdp", () => {
  for (const [name, text] of Object.entries(receivers)) {
    it(`takes for receiving: ${name}`, () => {
      assert.deepStrictEqual([isDescription(text), sendsMedia(text)], [true, false], text)
    })
  }

  for (const [name, text] of Object.entries(senders)) {
    it(`takes for sending: ${name}`, () => {
      assert.isTrue(!isDescription(text) || sendsMedia(text), text)
    })
  }

  it("knows each sender and receiver as the readers do, or knows better", () => {
    for (const [name, text] of Object.entries(receivers)) {
      for (const [who, reader] of Object.entries(readers)) {
        assert.isFalse(readsAsSending(reader, text), `${name}, ${who}`)
      }
    }
  })

  it("takes nothing for a description that does not begin with its version or has other lines than `letter=value`", () => {
    const text = chrome("recvonly")
    for (
      const other of [
        "",
        " ",
        "v=1\r\n",
        "v=0",
        ` ${text}`,
        `\ufeff${text}`,
        `\r\n${text}`,
        text.slice(text.indexOf("o=")),
        text.replace("m=audio", " m=audio"),
        text.replace("m=audio", "M=audio"),
        text.replace("a=mid", "A=mid"),
        text.replace("a=mid", "a =mid"),
        `${text}sendrecv\r\n`,
        text.replace("a=mid:0", "a=mid:0\r m=audio 9 UDP/TLS/RTP/SAVPF 0"),
        "hello"
      ]
    ) {
      assert.isFalse(isDescription(other), JSON.stringify(other))
    }
  })

  it.effect.prop(
    "takes for sending whatever any reader takes for it, however it is bent",
    [Arbitrary.schema(Schema.Literals(originals)), Arbitrary.array(Arbitrary.schema(Edit), { maxLength: 4 })],
    ([original, edits]) =>
      Effect.sync(() => {
        const text = edits.reduce(bent, original)
        if (!isDescription(text) || sendsMedia(text)) return
        for (const [who, reader] of Object.entries(readers)) {
          assert.isFalse(readsAsSending(reader, text), `${who}: ${JSON.stringify(text)}`)
        }
      }),
    { arbitrary: { runs: 5000 } }
  )
})
