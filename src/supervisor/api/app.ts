// The routes of the local API, behind its guards. Each group of routes is a file in routes/; its tests check that every
// route is described in openapi.ts.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import { failsAs } from './fail.ts';
import type { ApiParts } from './parts.ts';
import { pathOf } from './raw-path.ts';
import { daemonRoutes } from './routes/daemon.ts';
import { daemonConfigRoutes } from './routes/daemon-config.ts';
import { daemonEventRoutes } from './routes/daemon-events.ts';
import { jobHistoryRoutes } from './routes/job-history.ts';
import { jobRoutes } from './routes/jobs.ts';
import { modelRoutes } from './routes/models.ts';
import { openAiAudioRoutes } from './routes/openai-audio.ts';
import { openAiChatRoutes } from './routes/openai-chat.ts';
import { openAiCompletionRoutes } from './routes/openai-completions.ts';
import { openAiEmbeddingRoutes } from './routes/openai-embeddings.ts';
import { openAiImageRoutes } from './routes/openai-images.ts';
import { openAiModelRoutes } from './routes/openai-models.ts';
import { openApiRoutes } from './routes/openapi.ts';
import { probeRoutes } from './routes/probes.ts';
import { streamTokenRoutes } from './routes/stream-tokens.ts';
import { tokenizeRoutes } from './routes/tokenize.ts';

/** What a route finds in `c.env`. */
export type ApiEnv = {
  Bindings: {
    readonly incoming: IncomingMessage;
    readonly outgoing: ServerResponse;
    /** Aborts when the worker leaves: an answer without an end has to end now. */
    readonly closing: AbortSignal;
  };
};

export type ApiRoutes = Hono<ApiEnv>;

const GROUPS: readonly ((parts: ApiParts) => ApiRoutes)[] = [
  ...[jobRoutes, jobHistoryRoutes, tokenizeRoutes, streamTokenRoutes, modelRoutes, probeRoutes, openApiRoutes],
  ...[openAiModelRoutes, openAiChatRoutes, openAiCompletionRoutes, openAiEmbeddingRoutes],
  ...[openAiImageRoutes, openAiAudioRoutes],
  ...[daemonRoutes, daemonConfigRoutes, daemonEventRoutes],
];

export function openApp(parts: ApiParts): ApiRoutes {
  const app = new Hono<ApiEnv>({
    // As it was sent: ids in paths are never decoded.
    getPath: (_request, options) => pathOf(options?.env?.incoming.url) ?? '/',
  });
  for (const group of GROUPS) app.route('/', group(parts));
  app.notFound((c) => {
    const { path } = c.req;
    if (path.startsWith('/daemon/')) return c.json({ error: 'not_found' }, 404);
    if (!path.startsWith('/v1/')) return c.text('not found', 404);
    const message = `there is nothing at ${c.req.method} ${path.slice(0, 200)}`;
    return c.json({ error: { message, type: 'invalid_request_error', param: null, code: 'not_found' } }, 404);
  });
  app.onError(failsAs('text', parts));
  return app;
}

export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

export function listenerOf(app: ApiRoutes, closing: AbortSignal): Listener {
  const listener = getRequestListener((request, env) => app.fetch(request, { ...env, closing }), {
    overrideGlobalObjects: false,
    // For a request without a `Host`.
    hostname: '127.0.0.1',
  });
  return (incoming, outgoing) => void listener(incoming, outgoing);
}
