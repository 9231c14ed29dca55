// OpenAI's `pcm`: bare 16-bit mono samples at 24 kHz, the lowest byte first. Made here of the WAV that every voice can write,
// so that it needs no ffmpeg. Pure.

const RATE = 24_000;
const HEADER_BYTES = 12;

/** Undefined for anything but a WAV of 16-bit samples. */
export function pcmOf(wav: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const file = Buffer.from(wav.buffer, wav.byteOffset, wav.byteLength);
  if (file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, HEADER_BYTES) !== 'WAVE') return undefined;
  let format: { channels: number; rate: number } | undefined;
  for (let at = HEADER_BYTES; at + 8 <= file.length; ) {
    const id = file.toString('latin1', at, at + 4);
    const length = file.readUInt32LE(at + 4);
    const start = at + 8;
    if (id === 'fmt ' && start + 16 <= file.length) {
      if (file.readUInt16LE(start + 14) !== 16) return undefined;
      format = { channels: file.readUInt16LE(start + 2), rate: file.readUInt32LE(start + 4) };
    }
    // A writer that did not know the length leaves a wrong one; what is there counts.
    if (id === 'data' && format) return resampled(file.subarray(start, start + length), format);
    at = start + length + (length % 2);
  }
  return undefined;
}

/** Between two samples a straight line: speech at these rates has nothing that it would spoil. */
function resampled(data: Buffer, { channels, rate }: { channels: number; rate: number }): Uint8Array<ArrayBuffer> {
  if (channels < 1 || rate < 1) return new Uint8Array();
  const frames = Math.floor(data.length / 2 / channels);
  const length = Math.floor((frames * RATE) / rate);
  const bytes = new Uint8Array(length * 2);
  const view = new DataView(bytes.buffer);
  const at = (frame: number): number => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) sum += data.readInt16LE((frame * channels + channel) * 2);
    return sum / channels;
  };
  for (let index = 0; index < length; index += 1) {
    const place = (index * rate) / RATE;
    const frame = Math.floor(place);
    const next = Math.min(frames - 1, frame + 1);
    const value = at(frame) + (at(next) - at(frame)) * (place - frame);
    view.setInt16(index * 2, Math.round(value), true);
  }
  return bytes;
}
