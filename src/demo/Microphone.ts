/// <reference lib="dom" />
// The microphone, or in words for its owner why there is none.

export interface Microphone {
  readonly track: MediaStreamTrack | null
  readonly reason: string
}

const reasons: Readonly<Record<string, string>> = {
  NotAllowedError: "This page may not use your microphone",
  NotFoundError: "There is no microphone",
  NotReadableError: "Another program holds your microphone"
}

export const openMicrophone = async (): Promise<Microphone> => {
  // Absent on pages that came over plain HTTP from another machine.
  if (!isSecureContext) return { track: null, reason: "Browsers give the microphone only to pages over HTTPS" }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true }
    })
    return { track: stream.getAudioTracks()[0] ?? null, reason: "There is no microphone" }
  } catch (error) {
    const name = error instanceof DOMException ? error.name : ""
    return { track: null, reason: reasons[name] ?? "Your microphone does not work" }
  }
}
