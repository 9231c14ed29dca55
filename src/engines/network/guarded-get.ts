// One GET under the rules. Redirects are followed by hand, because each of their targets must be allowed too.
import { readFileSync } from 'node:fs';
import { type Agent, type Dispatcher, request } from 'undici';
import { Failure } from '../../protocol/failure.ts';
import type { NetworkPolicy } from '../engine.ts';
import { allowedUrl } from './url-rule.ts';

const REDIRECTS_MAX = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

export type GuardedGet = {
  readonly agent: Agent;
  readonly network: NetworkPolicy;
  /** Names the thing in failures, e.g. `the file model.gguf`. */
  readonly what: string;
  readonly signal: AbortSignal;
  /** Headers for one hop; secrets must not follow a redirect to another host, so the hop is told. */
  readonly headers?: (hop: URL) => Record<string, string>;
};

export type Ask = { readonly agent: Agent; readonly signal: AbortSignal; readonly headers: Record<string, string> };
type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers'>;

/** Resolves with the first answer that is no redirect, whatever its status. Its body must be read or dumped. */
export async function guardedGet(url: string, get: GuardedGet): Promise<Dispatcher.ResponseData> {
  const ask = (hop: URL, { agent, signal, headers }: Ask) => request(hop, { dispatcher: agent, signal, headers });
  return followRedirects(url, get, ask, ({ body }) => body.dump({ limit: 64 * 1024 }));
}

/** The same with another way to ask for one hop, and to get rid of an answer that leads on. */
export async function followRedirects<A extends Answer>(
  url: string,
  { agent, network, what, signal, headers }: GuardedGet,
  ask: (hop: URL, ask: Ask) => Promise<A>,
  drop: (answer: A) => Promise<void> | void,
): Promise<A> {
  let hop = allowedUrl(url, what, network);
  for (let redirects = 0; ; redirects += 1) {
    const own = { 'user-agent': `studio-worker/${version}`, 'accept-encoding': 'identity', ...headers?.(hop) };
    const answer = await ask(hop, { agent, signal, headers: own });
    const location = one(answer.headers.location);
    if (!REDIRECTS.has(answer.statusCode) || location === undefined) return answer;
    await drop(answer);
    if (redirects === REDIRECTS_MAX) {
      throw new Failure('DOWNLOAD_FAILED', `${what} is behind more than ${REDIRECTS_MAX} redirects`);
    }
    hop = allowedUrl(location, `${what}: a redirect's`, network, hop);
  }
}

/** The value of a header that a server may also send twice. */
export function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
