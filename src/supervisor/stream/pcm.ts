// Bytes of any lengths to whole 16-bit samples: an odd byte at the end is carried to the next message.
export type PcmReader = (bytes: Uint8Array) => Int16Array<ArrayBuffer>;

export function openPcmReader(): PcmReader {
  let odd: number | undefined;
  return (bytes) => {
    const carried = odd === undefined ? 0 : 1;
    const length = carried + bytes.byteLength;
    // A copy in any case: the samples are given away, and a message may lie at an odd address of a larger buffer.
    const whole = new Uint8Array(length - (length % 2));
    if (odd !== undefined && whole.length > 0) whole[0] = odd;
    whole.set(bytes.subarray(0, whole.length - Math.min(carried, whole.length)), Math.min(carried, whole.length));
    if (length % 2 === 0) odd = undefined;
    else odd = bytes.at(-1) ?? odd;
    // Little endian on the wire, and on every machine that this runs on.
    return new Int16Array(whole.buffer);
  };
}
