/// <reference lib="dom" />
// Whether somebody speaks into a microphone: by its loudness, with a pause short enough to be a breath not counted.

/** Root mean square of samples between -1 and 1. */
const loud = 0.01

const lookEveryMillis = 100

/** More than passes between two looks, so that nothing is missed: 170 ms at 48 kHz. */
const lookBackSamples = 8192

const breathMillis = 500

export class Speaking {
  readonly #context = new AudioContext()
  readonly #timer: ReturnType<typeof setInterval>
  #speaking = false

  constructor(track: MediaStreamTrack, onChange: (speaking: boolean) => void) {
    const analyser = this.#context.createAnalyser()
    analyser.fftSize = lookBackSamples
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(analyser)
    const samples = new Float32Array(lookBackSamples)
    let lastLoud = -Infinity
    this.#timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples)
      const now = performance.now()
      if (track.enabled && loudness(samples) > loud) lastLoud = now
      const speaking = track.enabled && now - lastLoud < breathMillis
      if (speaking === this.#speaking) return
      this.#speaking = speaking
      onChange(speaking)
    }, lookEveryMillis)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#context.close().catch(() => undefined)
  }
}

const loudness = (samples: Float32Array): number =>
  Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length)
