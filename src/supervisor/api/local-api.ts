// The local API: an HTTP server on the loopback address for programs of this machine. This file owns the port, the token
// and the guards. The routes behind them (app.ts) are loaded with the first request that gets so far, since most workers
// are never asked anything.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { siblingPaths } from '../config/paths.ts';
import { settlesWithin } from '../pause.ts';
import { ensureToken, isUsableToken } from './api-token.ts';
import type { Listener } from './app.ts';
import { removeDiscovery, writeDiscovery } from './discovery-file.ts';
import { refusalOf } from './guards.ts';
import { openHealth } from './health.ts';
import { chosenPort, listen } from './listen.ts';
import { API_TIMES, type ApiParts, type ApiTimes } from './parts.ts';
import { answerJson, refuse } from './plain-answer.ts';
import { pathOf } from './raw-path.ts';

export interface LocalApi extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
}

/** More than any set of programs on one machine needs, and a bound on what all of them together can hold here. */
const CONNECTIONS_MAX = 256;
/** How long answers that are on their way may take when the worker leaves, in ms. Their jobs have ended by then. */
const LAST_ANSWERS_MS = 2_000;
/** What a probe may ask without the token: it says nothing but yes or no. */
const WITHOUT_TOKEN = ['/readyz'];

export async function openLocalApi(parts: ApiParts, times: ApiTimes = API_TIMES): Promise<LocalApi> {
  const { config, logs } = parts;
  const discoveryPath = siblingPaths(config.path).localApi;
  const port = chosenPort(process.env.STUDIO_WORKER_LOCAL_API_PORT, config.current.localApiPort, logs);
  let token = await ensureToken(config, logs);
  const health = openHealth(parts);
  const closing = new AbortController();
  const answering = new Set<ServerResponse>();
  let app: Promise<Listener> | undefined;

  const handle: Listener = (incoming, outgoing) => {
    // A client that leaves in the middle is no event; whoever waits for it hears it from the response.
    incoming.on('error', () => {});
    outgoing.on('error', () => {});
    const path = pathOf(incoming.url);
    if (path === undefined) return refuse(incoming, outgoing, 400, 'bad request: the target is not a path');
    if (path === '/healthz' && incoming.method === 'GET') return answerJson(outgoing, health());
    const refusal = refusalOf(incoming.headers, token, !WITHOUT_TOKEN.includes(path));
    if (refusal) return refuse(incoming, outgoing, refusal.status, refusal.text);
    if (app === undefined) parts.asked?.();
    app ??= import('./app.ts').then(({ openApp, listenerOf }) => listenerOf(openApp(parts), closing.signal));
    answering.add(outgoing);
    outgoing.once('close', () => answering.delete(outgoing));
    app.then(
      (listener) => listener(incoming, outgoing),
      (err) => {
        app = undefined;
        logs.error('api', 'the routes of the local API could not be loaded', { err });
        refuse(incoming, outgoing, 500, 'the routes of the local API could not be loaded, see the log');
      },
    );
  };

  const server = createServer(
    {
      // The contract's guard: a missing `Host` (HTTP/1.0) is let through, a wrong one is not.
      requireHostHeader: false,
      headersTimeout: times.headersMs,
      requestTimeout: times.requestMs,
      connectionsCheckingInterval: times.checkMs,
    },
    handle,
  );
  // The answer to `Expect: 100-continue` is given by whoever reads the body, so that a refused one is never sent.
  server.on('checkContinue', handle);
  server.maxConnections = CONNECTIONS_MAX;

  const url = `http://127.0.0.1:${await listen(server, port, logs)}`;
  const tell = (): Promise<void> =>
    writeDiscovery(discoveryPath, { url, token }).catch((err) => {
      logs.warn('api', 'local-api.json could not be written, so programs do not find the local API', { err });
    });
  const configChanged = (): void => {
    const { localApiToken } = config.current;
    if (!isUsableToken(localApiToken) || localApiToken === token) return;
    token = localApiToken;
    logs.addSecret(token);
    void tell();
  };
  await tell();
  parts.configChanges.addEventListener('change', configChanged);
  logs.info('api', 'the local API listens', { url });

  return {
    url,
    get token() {
      return token;
    },
    async [Symbol.asyncDispose]() {
      parts.configChanges.removeEventListener('change', configChanged);
      await removeDiscovery(discoveryPath).catch((err) =>
        logs.warn('api', 'local-api.json could not be removed', { err }),
      );
      const closed = new Promise((done) => server.close(done));
      closing.abort();
      const answered = Promise.all([...answering].map((outgoing) => once(outgoing, 'close')));
      await settlesWithin(answered, LAST_ANSWERS_MS);
      server.closeAllConnections();
      await closed;
    },
  };
}
