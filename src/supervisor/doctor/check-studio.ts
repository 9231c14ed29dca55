// Whether the studio answers, and whether its clock and ours agree: a wrong clock breaks TLS and makes logs misleading.
import { Agent, type Dispatcher, request } from 'undici';
import { apiUrl } from '../studio-url.ts';

export type StudioCheck = {
  readonly url: string;
  readonly reachable: boolean;
  readonly status?: number;
  /** How far our clock is ahead of the studio's, in s; as exact as an HTTP date, which has whole seconds. */
  readonly clockSkewSecs?: number;
  /** Why it could not be reached, or what the status means. */
  readonly problem?: string;
};

const ANSWER_MS_MAX = 5_000;

/** Asks where a studio of this project tells its health, and then the studio's front page. Sends no credentials. */
export async function checkStudio(baseUrl: string): Promise<StudioCheck> {
  const agent = new Agent();
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  const url = shown(baseUrl);
  try {
    const health = await ask(apiUrl(baseUrl, '/healthz'), agent, signal);
    // Other studios have no such page; that somebody answers at all is what counts then.
    const answer = health.status === 404 ? await ask(new URL('/', apiUrl(baseUrl, '/')), agent, signal) : health;
    const problem = answer.status >= 500 ? 'the studio has a problem of its own; try again later' : undefined;
    return { url, reachable: true, ...answer, ...(problem !== undefined && { problem }) };
  } catch (thrown) {
    return { url, reachable: false, problem: reasonOf(thrown, signal) };
  } finally {
    await agent.destroy();
  }
}

async function ask(url: URL, dispatcher: Dispatcher, signal: AbortSignal) {
  const sentAtMs = Date.now();
  const answer = await request(url, { dispatcher, signal });
  const skew = skewSecs(String(answer.headers.date ?? ''), (sentAtMs + Date.now()) / 2);
  // The headers are all that counts.
  answer.body.on('error', () => {});
  answer.body.destroy();
  return { status: answer.statusCode, ...(skew !== undefined && { clockSkewSecs: skew }) };
}

/** A date without fractions stands for the middle of its second. */
export function skewSecs(date: string, nowMs: number): number | undefined {
  const theirsMs = Date.parse(date) + 500;
  return Number.isNaN(theirsMs) ? undefined : Math.round((nowMs - theirsMs) / 1000);
}

function reasonOf(thrown: unknown, signal: AbortSignal): string {
  if (signal.aborted) return `no answer within ${ANSWER_MS_MAX / 1000} s: check the network, a proxy or a firewall`;
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  const word = typeof code === 'string' ? code : String(message);
  const meaning = MEANINGS[word] ?? 'check the network and api_base_url';
  return `${word}: ${meaning}`;
}

const MEANINGS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; check api_base_url, or start the studio',
  ENOTFOUND: 'no such host; check api_base_url and the name server',
  EAI_AGAIN: 'the name server does not answer; check the network',
  CERT_HAS_EXPIRED: 'its certificate has expired, or the clock of this machine is wrong',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not from an authority that Node trusts (NODE_EXTRA_CA_CERTS)',
};

/** Without what a person may have put into the address. */
function shown(baseUrl: string): string {
  const url = new URL(baseUrl);
  url.username = '';
  url.password = '';
  url.search = '';
  return url.href;
}
