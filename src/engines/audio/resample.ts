// Brings sound to another sample rate with a windowed sinc, so that what is above the new rate's reach is removed and
// not folded back into speech as noise, as plain interpolation would.

/** Zero crossings on each side: 16 leave some -60 dB of alias, far below what a recogniser notices. */
const CROSSINGS = 16;
/** Work between two looks at the signal: some 50 ms on a slow core. */
const BLOCK = 16_000;

export async function resample(
  samples: Float32Array,
  from: number,
  to: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  if (from === to) return samples;
  const divisor = gcd(from, to);
  // Output i lies at input i * down / up, so only `up` different offsets occur, each with its own weights.
  const [up, down] = [to / divisor, from / divisor];
  const half = Math.ceil(CROSSINGS * Math.max(1, from / to));
  const phases = phaseTable(up, half, Math.min(1, to / from));
  const out = new Float32Array(Math.max(1, Math.floor((samples.length * to) / from)));
  for (let i = 0; i < out.length; i += 1) {
    if (i % BLOCK === 0 && i > 0) {
      // Lets a cancel be heard, which arrives as a message.
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    }
    const centre = Math.floor((i * down) / up);
    const weights = phases[(i * down) % up];
    if (!weights) continue;
    let sum = 0;
    const first = centre - half + 1;
    const begin = Math.max(0, -first);
    const end = Math.min(weights.length, samples.length - first);
    for (let tap = begin; tap < end; tap += 1) sum += (weights[tap] ?? 0) * (samples[first + tap] ?? 0);
    out[i] = sum;
  }
  return out;
}

/** 16-bit samples, as the recognisers take them; what is louder than full scale is cut. */
export function toInt16(samples: Float32Array): Int16Array<ArrayBuffer> {
  const out = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) {
    out[i] = Math.max(-32_768, Math.min(32_767, Math.round((samples[i] ?? 0) * 32_767)));
  }
  return out;
}

/** Weights of the 2 * half inputs around an output, by how far between two inputs it lies. */
function phaseTable(up: number, half: number, cutoff: number): Float32Array[] {
  return Array.from({ length: up }, (_, phase) => {
    const weights = Float32Array.from({ length: 2 * half }, (__, tap) => {
      const distance = tap - half + 1 - phase / up;
      return sinc(distance * cutoff) * cutoff * hann(distance / half);
    });
    // Equal sums, so that a constant stays the same constant at every phase.
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return weights.map((weight) => weight / sum);
  });
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function hann(x: number): number {
  return Math.abs(x) >= 1 ? 0 : 0.5 + 0.5 * Math.cos(Math.PI * x);
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
