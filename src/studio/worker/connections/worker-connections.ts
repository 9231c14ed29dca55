// The Durable Object that holds every worker's socket and decides which worker gets which job. The platform may evict it
// between two frames while the sockets live on: all it knows is then read again from the sockets' attachments and D1.
import { DurableObject } from 'cloudflare:workers';
import { FRAME_BYTES_MAX, parseWorkerFrame, SUBPROTOCOL } from '../../../protocol/index.ts';
import type { StudioEvent } from '../api/event.ts';
import type { JobStatus, Progress } from '../api/job.ts';
import { type Env, parseLimits } from '../env.ts';
import type { Outcome } from '../problem.ts';
import type { Output } from '../store/jobs.ts';
import { changeModel, type ModelMove } from './catalogue.ts';
import { type Context, close, closeWith } from './context.ts';
import { deleteWorker } from './delete-worker.ts';
import { depart, sweep } from './departures.ts';
import { offerNext } from './offers.ts';
import { type Created, cancelJob, completeUpload, createJob, type JobOrder, retryJob } from './operator-moves.ts';
import { openSession } from './session.ts';
import { loadState, openContext } from './state.ts';
import { handleFrame } from './worker-frames.ts';

/** How the routes of this Worker name a socket's owner. The object cannot be reached from outside but through them. */
export const WORKER_HEADER = 'x-studio-worker';
export const TOKEN_HASH_HEADER = 'x-studio-token-hash';

/** RFC 6455: the server met an unexpected condition. */
const INTERNAL_ERROR = 1011;

/** What is known of a worker only here. */
export type Presence = {
  workerId: string;
  connectedAt: number;
  lastSeenAt: number;
  features: string[];
  jobIds: string[];
};

export class WorkerConnections extends DurableObject<Env> {
  readonly #c: Context;
  /** When the alarm rings, as far as this instance knows; setting one that is already early enough costs a disk write. */
  #alarmAt = Number.POSITIVE_INFINITY;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    this.#c = openContext(env, parseLimits(env), {
      wakeBy: (at) => this.#wakeBy(at),
      onLost: (error) => this.#reload(error),
    });
    // Nothing is delivered until memory is whole.
    void state.blockConcurrencyWhile(() => loadState(this.#c, state.getWebSockets()));
  }

  override async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === '/events') return this.#c.events.subscribe();
    const workerId = request.headers.get(WORKER_HEADER);
    const tokenHash = request.headers.get(TOKEN_HASH_HEADER);
    if (!workerId || !tokenHash) return new Response(null, { status: 400 });
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    const session = openSession(server, workerId, tokenHash, Date.now());
    this.#c.roster.add(session);
    this.#wakeBy(session.connectedAt + Math.min(this.#c.limits.helloMsMax, this.#c.limits.sweepMs));
    return new Response(null, { status: 101, webSocket: client, headers: { 'sec-websocket-protocol': SUBPROTOCOL } });
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const session = this.#c.roster.of(socket);
    // Frames that were on their way when the session was closed.
    if (session === undefined) return;
    if (typeof message !== 'string' || message.length > FRAME_BYTES_MAX) {
      const problem = typeof message === 'string' ? `a frame of more than ${FRAME_BYTES_MAX} bytes` : 'a binary frame';
      closeWith(this.#c, session, 'protocol_violation', problem);
      return depart(this.#c, session);
    }
    const parsed = parseWorkerFrame(message);
    if (parsed.kind === 'unknown-type' && session.phase !== 'open') return;
    if (parsed.kind !== 'frame') {
      const problem = parsed.kind === 'invalid' ? parsed.problem : 'expected hello first';
      closeWith(this.#c, session, 'protocol_violation', problem);
      return depart(this.#c, session);
    }
    try {
      await handleFrame(this.#c, session, parsed.frame);
    } catch (error) {
      console.error('a frame could not be handled', parsed.frame.type, session.workerId, error);
      // Without an error frame: a worker takes every error as final, and this one should come back.
      close(this.#c, session, INTERNAL_ERROR, 'the studio could not handle a frame');
    }
    // Whatever the frame's handler closed is gone now; a replaced or live session is left alone.
    if (session.phase === 'closed') await depart(this.#c, session);
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    try {
      // Answers the other end's close frame; 1005 and 1006 stand for "none came" and may not be sent.
      socket.close(code === 1005 || code === 1006 ? 1000 : code, '');
    } catch {
      // We closed it first.
    }
    await this.#gone(socket);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.#gone(socket);
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    await sweep(this.#c, Date.now());
  }

  createJob(order: JobOrder): Promise<Outcome<Created>> {
    return createJob(this.#c, order);
  }

  cancelJob(id: string): Promise<Outcome<{ status: JobStatus }>> {
    return cancelJob(this.#c, id);
  }

  retryJob(id: string): Promise<Outcome<{ status: JobStatus }>> {
    return retryJob(this.#c, id);
  }

  completeUpload(workerId: string, jobId: string, output: Output, prompt: string): Promise<Outcome<{ jobId: string }>> {
    return completeUpload(this.#c, workerId, jobId, output, prompt);
  }

  progressOf(jobId: string): Progress | undefined {
    return this.#c.book.get(jobId)?.claim?.progress;
  }

  presence(): Presence[] {
    return this.#c.roster.ready().map((session) => ({
      workerId: session.workerId,
      connectedAt: session.connectedAt,
      lastSeenAt: session.lastSeenAt,
      features: session.features,
      jobIds: this.#c.book.heldBy(session.workerId).map((job) => job.id),
    }));
  }

  deleteWorker(workerId: string): Promise<Outcome<{ workerId: string }>> {
    return deleteWorker(this.#c, workerId);
  }

  changeModel(move: ModelMove): Promise<Outcome<{ id: string }>> {
    return changeModel(this.#c, move);
  }

  publish(event: StudioEvent): void {
    this.#c.events.publish(event);
  }

  #wakeBy(at: number): void {
    if (at >= this.#alarmAt) return;
    this.#alarmAt = at;
    void this.ctx.storage.setAlarm(at);
  }

  async #gone(socket: WebSocket): Promise<void> {
    const session = this.#c.roster.of(socket);
    if (session === undefined) return;
    this.#c.roster.remove(session);
    session.phase = 'closed';
    await depart(this.#c, session);
  }

  /** A write failed for good, so memory may be ahead of the database: the database is right. */
  #reload(error: unknown): void {
    console.error('a write was lost; reading the state again', error);
    void this.ctx.blockConcurrencyWhile(async () => {
      await loadState(this.#c, []);
      offerNext(this.#c);
    });
  }
}
