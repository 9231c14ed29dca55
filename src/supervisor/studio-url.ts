// Builds the addresses of a studio from the one base URL that an operator configures. Pure.
import { API_PREFIX } from '../protocol/index.ts';

/** Absolute HTTP address of `path` (which begins with `/`) under the studio's API prefix. Throws on an unusable base. */
export function apiUrl(base: string, path: string): URL {
  const url = httpBase(base);
  // A query or fragment on the base would end up in the middle of every address.
  url.search = '';
  url.hash = '';
  url.pathname = joinedPath(url.pathname, path);
  return url;
}

/** Address of the session's WebSocket. Unlike `apiUrl` it keeps a query: some proxies route by it. */
export function connectUrl(base: string, workerId: string): URL {
  const url = new URL(base);
  const scheme = WS_SCHEMES[url.protocol];
  if (scheme === undefined) throw new Error(`api_base_url has the scheme "${url.protocol}", expected http or https`);
  const target = new URL(url.href.replace(/^[a-z]+:/i, scheme));
  target.hash = '';
  target.pathname = joinedPath(url.pathname, `/workers/${workerId}/connect`);
  return target;
}

/** The page on which an operator lets workers in. */
export function approvalPage(base: string): string {
  const url = apiUrl(base, '/graphics');
  url.pathname = url.pathname.replace(`${API_PREFIX}/graphics`, '/graphics');
  return url.href;
}

const WS_SCHEMES: Readonly<Record<string, string>> = { 'http:': 'ws:', 'https:': 'wss:', 'ws:': 'ws:', 'wss:': 'wss:' };

function httpBase(base: string): URL {
  const url = new URL(base);
  if (url.protocol === 'ws:') return new URL(url.href.replace(/^ws/i, 'http'));
  if (url.protocol === 'wss:') return new URL(url.href.replace(/^wss/i, 'https'));
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new Error(`api_base_url has the scheme "${url.protocol}", expected http or https`);
  }
  return url;
}

/** The prefix stands exactly once, also when the operator pasted an address that already has it. */
function joinedPath(basePath: string, path: string): string {
  const trimmed = basePath.replace(/\/+$/, '');
  const bare = trimmed.endsWith(API_PREFIX) ? trimmed.slice(0, -API_PREFIX.length) : trimmed;
  return `${bare}${API_PREFIX}${path}`;
}
