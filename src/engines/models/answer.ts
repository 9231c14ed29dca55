// What a server's answer to a download means. Pure.
//
//   200 ─→ from the start          206 of the same version, from where we are ─→ go on
//   416, or 206 that does not fit ─→ ask again from the start          408 425 429 5xx ─→ try again later
//   401 403 404 410, a web page ─→ not to be had          the rest ─→ failed
import type { Dispatcher } from 'undici';
import { Failure } from '../../protocol/failure.ts';
import { one } from '../network/guarded-get.ts';
import type { Version } from './part.ts';

export type Wanted = {
  readonly what: string;
  readonly url: string;
  readonly sha256?: string | undefined;
  readonly approxBytes?: number | undefined;
  /** Of Hugging Face, where a token may help. */
  readonly ofHub: boolean;
  readonly hasToken: boolean;
};

export type Have = { readonly size: number; readonly version: Version | undefined };

export type Meaning =
  | { readonly do: 'start'; readonly version: Version }
  | { readonly do: 'goOn'; readonly total: number }
  /** All of it is there. */
  | { readonly do: 'done' }
  | { readonly do: 'startOver' };

type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'>;

const LATER: ReadonlySet<number> = new Set([408, 425, 429]);

/** Headers that ask for the rest of what is there, if the remote file is still the same. */
export function rangeHeaders({ size, version }: Have): Record<string, string> {
  if (size === 0 || version === undefined) return {};
  const { etag, lastModified } = version;
  // A weak tag is not allowed here (RFC 9110, 13.1.5); `judge` compares it afterwards.
  const validator = etag === undefined ? lastModified : etag.startsWith('W/') ? undefined : etag;
  return { range: `bytes=${size}-`, ...(validator !== undefined && { 'if-range': validator }) };
}

/** Whether a part can be gone on with: something must tell that the remote file has not changed. */
export function isResumable({ size, version }: Have, wanted: Pick<Wanted, 'url' | 'sha256'>): boolean {
  if (size === 0) return true;
  if (version?.url !== wanted.url) return false;
  return (version.etag ?? version.lastModified ?? wanted.sha256) !== undefined;
}

export function judge(answer: Answer, have: Have, wanted: Wanted): Meaning {
  const { statusCode: status, headers } = answer;
  if (status === 200) {
    const version = versionOf(answer, wanted.url, contentLength(headers));
    checkSense(answer, version.total, wanted);
    return { do: 'start', version };
  }
  const range = contentRange(headers);
  if (status === 206) {
    const total = range?.start === have.size ? range.total : undefined;
    const same = total !== undefined && isSame(answer, total, have, wanted);
    return same ? { do: 'goOn', total } : { do: 'startOver' };
  }
  if (status === 416) {
    const complete = range?.total === have.size && isSame(answer, have.size, have, wanted);
    return { do: complete ? 'done' : 'startOver' };
  }
  throw refusal(status, wanted);
}

function versionOf({ headers }: Answer, url: string, total: number | undefined): Version {
  const etag = one(headers.etag);
  const lastModified = one(headers['last-modified']);
  return {
    url,
    ...(etag !== undefined && { etag }),
    ...(lastModified !== undefined && { lastModified }),
    ...(total !== undefined && { total }),
  };
}

/** A server that ignores `If-Range` would otherwise append the end of one file to the beginning of another. */
function isSame(answer: Answer, total: number, { version }: Have, wanted: Wanted): boolean {
  const now = versionOf(answer, wanted.url, total);
  const agrees = (before: unknown, after: unknown) => before === undefined || after === undefined || before === after;
  return (
    agrees(version?.total, now.total) &&
    agrees(version?.etag, now.etag) &&
    // Mirrors behind one name may differ in the date; the tag and the length have the word.
    (now.etag !== undefined || agrees(version?.lastModified, now.lastModified))
  );
}

/** With a digest the digest decides; without one, what is obviously something else is refused before it is downloaded. */
function checkSense({ headers }: Answer, total: number | undefined, { what, sha256, approxBytes }: Wanted): void {
  if (/^text\/html\b/i.test(one(headers['content-type']) ?? '')) {
    throw new Failure('MODEL_NOT_FOUND', `${what} is not there: the server sent a web page, perhaps a login`);
  }
  if (sha256 !== undefined || total === undefined || approxBytes === undefined || approxBytes === 0) return;
  if (total < approxBytes / 2 || total > approxBytes * 2) {
    throw new Failure('MODEL_CORRUPT', `${what} should have about ${approxBytes} bytes, and the server has ${total}`);
  }
}

function refusal(status: number, { what, ofHub, hasToken }: Wanted): Failure {
  if (status === 401 || status === 403) {
    const remedy = !ofHub
      ? ''
      : hasToken
        ? ': the token in HF_TOKEN may not read it; accept the model’s terms on its page with that account'
        : ': it is gated or private; set HF_TOKEN to a token of an account that may read it';
    return new Failure('MODEL_NOT_FOUND', `${what} is not given to this worker (${status})${remedy}`);
  }
  if (status === 404 || status === 410) return new Failure('MODEL_NOT_FOUND', `${what} is not there (${status})`);
  if (LATER.has(status) || status >= 500) {
    return new Failure('DOWNLOAD_FAILED', `${what} cannot be had at the moment (${status})`);
  }
  return new Failure('MODEL_NOT_FOUND', `${what} was answered with status ${status}`);
}

function contentLength(headers: Answer['headers']): number | undefined {
  const text = one(headers['content-length']);
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** `bytes 5-9/10` and `bytes *\/10`. */
function contentRange(
  headers: Answer['headers'],
): { start: number | undefined; total: number | undefined } | undefined {
  const match = /^bytes (?:(\d{1,15})-\d{1,15}|\*)\/(\d{1,15}|\*)$/.exec(one(headers['content-range']) ?? '');
  if (match === null) return undefined;
  const number = (text: string | undefined) => (text === undefined || text === '*' ? undefined : Number(text));
  return { start: number(match[1]), total: number(match[2]) };
}
