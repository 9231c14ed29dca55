// Reads a WAV file to mono samples without any help of other programs. Formats that only look like WAV (ADPCM, GSM, MP3
// in a RIFF container) are not read here: `undefined` says that somebody else has to.
import wavefile from 'wavefile';

export type Sound = { readonly samples: Float32Array; readonly sampleRate: number };

/** Numbers of the `fmt ` chunk. `EXTENSIBLE` tells its real format elsewhere, which wavefile resolves to a bit depth. */
const PCM = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;
/** More channels than any microphone array has; a broken header may say anything. */
const CHANNELS_MAX = 64;
const RATE_MIN = 1_000;
const RATE_MAX = 768_000;

type Fmt = { audioFormat: number; numChannels: number; sampleRate: number; blockAlign: number };
type Read = (view: DataView, at: number) => number;

/** By wavefile's own name of the bit depth. */
const READERS: Readonly<Record<string, { bytes: number; read: Read }>> = {
  // WAV's 8-bit samples are the only unsigned ones.
  '8': { bytes: 1, read: (view, at) => (view.getUint8(at) - 128) / 2 ** 7 },
  '16': { bytes: 2, read: (view, at) => view.getInt16(at, true) / 2 ** 15 },
  '24': { bytes: 3, read: (view, at) => (view.getUint16(at, true) / 2 ** 8 + view.getInt8(at + 2) * 2 ** 8) / 2 ** 15 },
  '32': { bytes: 4, read: (view, at) => view.getInt32(at, true) / 2 ** 31 },
  '32f': { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  '64': { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
};

export function isWav(file: Uint8Array): boolean {
  const ascii = Buffer.from(file.buffer, file.byteOffset, Math.min(12, file.byteLength)).toString('latin1');
  return ascii.startsWith('RIFF') && ascii.slice(8, 12) === 'WAVE';
}

/** All channels are mixed to one, each counting the same. */
export function readWav(file: Uint8Array): Sound | undefined {
  const parsed = parse(file);
  const reader = parsed && READERS[parsed.bitDepth];
  if (!reader) return undefined;
  const { numChannels, sampleRate, blockAlign } = parsed.fmt;
  if (!(numChannels >= 1 && numChannels <= CHANNELS_MAX && sampleRate >= RATE_MIN && sampleRate <= RATE_MAX)) {
    return undefined;
  }
  if (blockAlign !== numChannels * reader.bytes) return undefined;
  const { data } = parsed;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const samples = new Float32Array(Math.floor(data.byteLength / blockAlign));
  for (let i = 0; i < samples.length; i += 1) {
    let sum = 0;
    for (let channel = 0; channel < numChannels; channel += 1) {
      sum += reader.read(view, i * blockAlign + channel * reader.bytes);
    }
    // A float file may hold anything, and one NaN would silence all that a filter makes of it.
    samples[i] = Number.isFinite(sum) ? sum / numChannels : 0;
  }
  return { samples, sampleRate };
}

/** wavefile throws plain strings and errors alike on what it does not understand. */
function parse(file: Uint8Array): { fmt: Fmt; bitDepth: string; data: Uint8Array } | undefined {
  try {
    const wav = new wavefile.WaveFile(file);
    const fmt = wav.fmt as Fmt;
    if (![PCM, FLOAT, EXTENSIBLE].includes(fmt.audioFormat)) return undefined;
    const { samples: data } = wav.data as { samples: Uint8Array };
    return { fmt, bitDepth: wav.bitDepth, data };
  } catch {
    return undefined;
  }
}
