// Who may talk to the local API. A web page in a browser on this machine can send requests here, by its own name or by a
// name that was made to resolve to 127.0.0.1, so name and origin are looked at before the token. Pure.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export type Refusal = { readonly status: 401 | 403; readonly text: string };

const HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;
const ORIGIN = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;
/** Both spellings are the contract's. */
const BEARER = /^[Bb]earer ([\x21-\x7e]+)$/;

/** In this order: `Host`, `Origin`, and where `needsToken`, the bearer token. */
export function refusalOf(headers: IncomingHttpHeaders, token: string, needsToken: boolean): Refusal | undefined {
  const { host, origin } = headers;
  if (host !== undefined && !HOST.test(host)) {
    return { status: 403, text: 'forbidden host: the local API answers to localhost, 127.0.0.1 and [::1] only' };
  }
  if (origin !== undefined && !ORIGIN.test(origin)) {
    return { status: 403, text: 'forbidden origin: the local API takes requests of pages of this machine only' };
  }
  if (!needsToken || isToken(headers.authorization, token)) return undefined;
  return { status: 401, text: 'unauthorized: send the token of local-api.json as `Authorization: Bearer <token>`' };
}

/** Digests have one length, so the comparison tells nothing about the token, not even how long it is. */
function isToken(authorization: string | undefined, token: string): boolean {
  const given = BEARER.exec(authorization ?? '')?.[1];
  return given !== undefined && timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
