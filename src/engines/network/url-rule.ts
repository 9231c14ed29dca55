// Which URLs may be asked at all, before any name is resolved. Pure.
import { isIP } from 'node:net';
import { Failure } from '../../protocol/failure.ts';
import type { NetworkPolicy } from '../engine.ts';
import { addressKind, isLocalName, mayConnect, withoutBrackets } from './address.ts';

/** Parses `text`; throws a `Failure` that names `what` when it may not be fetched. */
export function allowedUrl(text: string, what: string, policy: NetworkPolicy, base?: URL): URL {
  if (!URL.canParse(text, base?.href)) throw new Failure('ADDRESS_REFUSED', `${what} is not at a URL`);
  const url = new URL(text, base);
  const problem = urlProblem(url, policy);
  if (problem !== undefined) throw new Failure('ADDRESS_REFUSED', `${what} URL ${problem}`);
  return url;
}

function urlProblem(url: URL, policy: NetworkPolicy): string | undefined {
  const { protocol, hostname } = url;
  const host = withoutBrackets(hostname);
  const literal = isIP(host) !== 0;
  const local = isLocalName(host) || (literal && addressKind(host) === 'loopback');
  if (protocol !== 'https:' && !(protocol === 'http:' && local)) {
    return 'must use https (plain http is for this machine only)';
  }
  if (url.username !== '' || url.password !== '') return 'must not contain a user name or password';
  // Of a name it is known only after it was resolved; the agent looks at that.
  if ((literal && !mayConnect(host, host, policy)) || (isLocalName(host) && !mayConnect('127.0.0.1', host, policy))) {
    return refusal(host);
  }
  return undefined;
}

/** What the operator reads when an address is refused. */
export function refusal(host: string): string {
  return `leads to ${host}, an address that is not public; list the host in \`allowed_hosts\` if it is yours`;
}

/** The URL without query, fragment and user: those may hold signatures and tokens, which logs must not. */
export function publicUrl(url: string): string {
  if (!URL.canParse(url)) return '(not a URL)';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** Parameters that sign or unlock a URL and change from one offer to the next. */
const SECRET_PARAMETER =
  /token|key|sig|secret|credential|password|policy|expires|^auth|^x-(amz|goog|ms)-|^s[eprtv]$|^spr$/i;

/** The URL without what is secret or passing in it: tells whether two offers mean the same file, and may be written down. */
export function lastingUrl(text: string): string {
  if (!URL.canParse(text)) return '';
  const url = new URL(text);
  url.username = '';
  url.password = '';
  url.hash = '';
  for (const name of [...url.searchParams.keys()]) if (SECRET_PARAMETER.test(name)) url.searchParams.delete(name);
  return url.href;
}
