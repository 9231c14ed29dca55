// `data:` URLs: an input that travels inside the task. Pure.
import { Failure } from '../../protocol/failure.ts';

const BASE64 = /^data:[^,]{0,200};base64,/i;

/** The bytes of `data:<type>;base64,…`. The limit is checked before anything is decoded. */
export function dataUrlBytes(url: string, what: string, maxBytes: number): Uint8Array {
  const head = BASE64.exec(url.slice(0, 300))?.[0];
  if (head === undefined) throw new Failure('INPUT_INVALID', `${what} is a data: URL that is not base64`);
  const text = url.slice(head.length);
  // Four characters carry three bytes.
  if (text.length > (maxBytes / 3 + 1) * 4) throw tooLarge(what, maxBytes);
  if (!/^[A-Za-z0-9+/_\s-]*={0,2}\s*$/.test(text)) throw new Failure('INPUT_INVALID', `${what} is not valid base64`);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.byteLength > maxBytes) throw tooLarge(what, maxBytes);
  return bytes;
}

export function tooLarge(what: string, maxBytes: number): Failure {
  return new Failure(
    'INPUT_INVALID',
    `${what} is larger than ${Math.floor(maxBytes / 1e6)} MB, the most that is taken`,
  );
}
