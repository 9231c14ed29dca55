// Live speech over the LAN: the listener, the tokens and the streams that run. Independent of the studio, like the local
// API; off unless the operator turns it on.
import type { WebSocket } from 'ws';
import { codeOf } from '../config/write-file.ts';
import { STREAM_BOUNDS, type StreamBounds } from './bounds.ts';
import { type Admitted, STREAM_PATH } from './handshake.ts';
import { type Listener, openListener } from './listener.ts';
import { openStreamSession, type StreamSession } from './session.ts';
import { placeFor } from './stream-job.ts';
import { openStreamTokens, TTL_SECS } from './tokens.ts';
import type { Streams, StreamsOptions } from './types.ts';

/** Never rejects: without the port the rest of the worker goes on. */
export async function openStreams(options: StreamsOptions): Promise<Streams> {
  const { host, models, activity, turns, leaving, logs, address = '0.0.0.0' } = options;
  const bounds = { ...STREAM_BOUNDS, ...options.bounds };
  const tokens = openStreamTokens();
  const sessions = new Set<StreamSession>();
  const streaming = new Set<string>();
  let count = 0;
  let stopping = false;

  function admitted(socket: WebSocket, { model: id, endpoint }: Admitted): void {
    const model = stopping || leaving() ? 'the worker is stopping' : placeFor(id, { models, host, turns, streaming });
    if (typeof model === 'string') return turnAway(socket, model, bounds);
    count += 1;
    const jobId = `stream-${Date.now()}-${count}`;
    const turnOver = turns.started('local', 'audio_stt');
    const session = openStreamSession({ jobId, socket, model, endpoint, host, activity, logs, bounds });
    sessions.add(session);
    streaming.add(id);
    void session.released.then(() => {
      streaming.delete(id);
      turnOver();
    });
    void session.over.then(() => sessions.delete(session));
  }

  let listener: Listener | undefined;
  try {
    listener = await openListener({ address, port: options.port, tokens, bounds, admitted });
    logs.info('stream', 'listening for live speech', { address, port: listener.port });
  } catch (thrown) {
    const remedy = 'set stream_port, or STUDIO_WORKER_STREAM_PORT, to a free port';
    logs.error('stream', 'the port for live speech cannot be had, going on without it', {
      ...{ address, port: options.port, why: codeOf(thrown) ?? String(thrown), remedy },
    });
  }

  return {
    port: listener?.port,
    mint(model, ttlSecs = TTL_SECS.usual) {
      if (!listener || stopping) return undefined;
      const { token, expiresAt } = tokens.mint(model, ttlSecs);
      return { token, model, expiresAt: expiresAt.toISOString(), port: listener.port, path: STREAM_PATH };
    },
    running: () => sessions.size,
    async idle() {
      while (sessions.size > 0) await Promise.all([...sessions].map((session) => session.over));
    },
    async [Symbol.asyncDispose]() {
      stopping = true;
      listener?.close();
      for (const session of sessions) session.stop();
      await Promise.all([...sessions].map((session) => session.over));
      await listener?.[Symbol.asyncDispose]();
    },
  };
}

/** Says why and closes; what the client sends meanwhile is not read. */
function turnAway(socket: WebSocket, error: string, { closeMs }: StreamBounds): void {
  const timer = setTimeout(() => socket.terminate(), closeMs);
  socket.on('error', () => {});
  socket.on('close', () => clearTimeout(timer));
  socket.send(JSON.stringify({ error }));
  // 1013: try again later.
  socket.close(1013);
}
