// When somebody has ended speaking: loudness in windows of 200 ms, nothing cleverer. Pure. The numbers are the contract's.
export type Endpoint = 'server' | 'client';

export const SAMPLE_RATE = 16_000;
const WINDOW_MS = 200;
const WINDOW_SAMPLES = (SAMPLE_RATE * WINDOW_MS) / 1_000;
/** Of full scale; a quiet room is below, a whisper into a microphone above. */
const SPEECH_RMS = 0.018;
/**
 * `server`: a pause after speech ends the stream. `client`: the client says when, and this is the ceiling for one that
 * forgets to, whether or not somebody has spoken.
 */
export const SILENCE_MS: Readonly<Record<Endpoint, number>> = { server: 1_500, client: 30_000 };

export type Listening = {
  readonly spoke: boolean;
  /** How long there has been no speech, in ms. */
  readonly silentMs: number;
  /** Of the window that is not full yet. */
  readonly samples: number;
  readonly squares: number;
};

export const SILENT_START: Listening = { spoke: false, silentMs: 0, samples: 0, squares: 0 };

export type Heard = {
  readonly listening: Listening;
  readonly ended: boolean;
  /** Samples up to the end; all of them when there was none. */
  readonly used: number;
};

/** 16-bit samples; what comes after the end is not looked at. */
export function hearSamples(before: Listening, sound: Int16Array, endpoint: Endpoint): Heard {
  let { spoke, silentMs, samples, squares } = before;
  for (let i = 0; i < sound.length; i += 1) {
    const sample = (sound[i] ?? 0) / 2 ** 15;
    squares += sample * sample;
    samples += 1;
    if (samples < WINDOW_SAMPLES) continue;
    const loud = Math.sqrt(squares / WINDOW_SAMPLES) >= SPEECH_RMS;
    spoke ||= loud;
    silentMs = loud ? 0 : silentMs + WINDOW_MS;
    [samples, squares] = [0, 0];
    if (silentMs >= SILENCE_MS[endpoint] && (spoke || endpoint === 'client')) {
      return { listening: { spoke, silentMs, samples, squares }, ended: true, used: i + 1 };
    }
  }
  return { listening: { spoke, silentMs, samples, squares }, ended: false, used: sound.length };
}
