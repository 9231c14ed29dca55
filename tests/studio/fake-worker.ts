// A worker reduced to its protocol: a real registration over HTTP and a real WebSocket, each frame sent by the test.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import {
  API_PREFIX,
  type JobClaim,
  parseStudioFrame,
  type StudioFrame,
  SUBPROTOCOL,
} from '../../src/protocol/index.ts';
import type { Operator } from '../../src/studio/operator-client.ts';

export type Frame<T extends StudioFrame['type']> = Extract<StudioFrame, { type: T }>;

export function capabilities(over: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    machineName: 'rig',
    username: 'alice',
    agentVersion: '0.5.0',
    engine: 'multi',
    vramTotalGb: 24,
    vramThresholdGb: 12,
    autoEnabled: true,
    autoStart: false,
    supportedModels: ['synthetic'],
    taskKinds: ['image', 'llm', 'audio_stt', 'audio_tts', 'video'],
    ...over,
  };
}

/** Everything that a current worker negotiates. */
export const MODERN = {
  features: ['multi-offer', 'progress', 'cancel', 'resume'],
  slots: { image: 1, llm: 4, audio_stt: 1, audio_tts: 1, video: 1 },
};

export type Identity = { workerId: string; authToken: string };

export async function registerRequest(
  url: string,
  over: { installId?: string; secret?: string; ip?: string; label?: string } = {},
): Promise<{ response: Response; secret: string }> {
  const secret = over.secret ?? randomBytes(32).toString('hex');
  const response = await fetch(`${url}${API_PREFIX}/workers/register-request`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'cf-connecting-ip': over.ip ?? '10.0.0.1' },
    body: JSON.stringify({
      installId: over.installId ?? randomUUID(),
      registrationSecretHash: createHash('sha256').update(secret).digest('hex'),
      capabilities: capabilities(),
      userAgent: 'studio-worker/0.5.0',
      ...(over.label !== undefined && { label: over.label }),
    }),
  });
  return { response, secret };
}

export function pollRegistration(url: string, requestId: string, secret: string): Promise<Response> {
  return fetch(`${url}${API_PREFIX}/workers/register-requests/${requestId}`, {
    headers: { authorization: `Bearer ${secret}` },
  });
}

/** Registers, is approved, and holds its token. */
export async function enrol(url: string, operator: Operator): Promise<Identity> {
  // An address of its own, so that tests do not use up each other's rate limit.
  const { response, secret } = await registerRequest(url, { ip: `10.${randomBytes(3).join('.')}` });
  const { requestId } = (await response.json()) as { requestId: string };
  await operator.approve(requestId);
  return (await (await pollRegistration(url, requestId, secret)).json()) as Identity;
}

export interface FakeWorker extends AsyncDisposable {
  readonly workerId: string;
  readonly socket: WebSocket;
  /** Sent as it is; a string or bytes go out unparsed. */
  send(frame: Record<string, unknown> | string | Buffer): void;
  /** The oldest frame of this type that no one took yet, waiting for it if need be. */
  next<T extends StudioFrame['type']>(type: T): Promise<Frame<T>>;
  /** The job of the next offer. */
  offer(): Promise<JobClaim>;
  /** Sends a heartbeat and waits for its ack: whatever the studio had to say before it has arrived by then. */
  heartbeat(over?: Record<string, unknown>): Promise<void>;
  /** Frames that have come and that no one took. */
  pending(): StudioFrame[];
  readonly closed: Promise<{ code: number; reason: string }>;
  drop(): void;
}

export async function openSocket(url: string, { workerId, authToken }: Identity): Promise<FakeWorker> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${API_PREFIX}/workers/${workerId}/connect`, SUBPROTOCOL, {
    headers: { authorization: `Bearer ${authToken}` },
  });
  const frames: StudioFrame[] = [];
  const waiting: Array<{ type: string; take: (frame: StudioFrame) => void; fail: (error: Error) => void }> = [];
  socket.on('message', (data) => {
    const parsed = parseStudioFrame(String(data));
    if (parsed.kind !== 'frame') throw new Error(`the studio sent an unreadable frame: ${JSON.stringify(parsed)}`);
    const at = waiting.findIndex((one) => one.type === parsed.frame.type);
    if (at >= 0) waiting.splice(at, 1)[0]?.take(parsed.frame);
    else frames.push(parsed.frame);
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => {
      for (const one of waiting.splice(0)) one.fail(new Error(`closed with ${code} while waiting for ${one.type}`));
      resolve({ code, reason: String(reason) });
    });
  });
  socket.on('error', () => {});
  await once(socket, 'open');
  const next = <T extends StudioFrame['type']>(type: T): Promise<Frame<T>> => {
    const at = frames.findIndex((frame) => frame.type === type);
    if (at >= 0) return Promise.resolve(frames.splice(at, 1)[0] as Frame<T>);
    if (socket.readyState > WebSocket.OPEN) return Promise.reject(new Error(`closed; no ${type} came`));
    return new Promise((resolve, reject) => {
      waiting.push({ type, take: (frame) => resolve(frame as Frame<T>), fail: reject });
    });
  };
  const send: FakeWorker['send'] = (frame) =>
    socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  return {
    workerId,
    socket,
    send,
    next,
    offer: async () => (await next('offer')).claim,
    async heartbeat(over = {}) {
      send({ type: 'heartbeat', capabilities: capabilities(over) });
      await next('heartbeatAck');
    },
    pending: () => frames,
    closed,
    drop: () => socket.terminate(),
    async [Symbol.asyncDispose]() {
      if (socket.readyState === WebSocket.CLOSED) return;
      socket.terminate();
      await closed;
    },
  };
}

type Hello = { capabilities?: Record<string, unknown>; inFlight?: string[] };

/** A socket that has been welcomed. */
export async function openWorker(url: string, identity: Identity, hello: Hello = {}): Promise<FakeWorker> {
  const worker = await openSocket(url, identity);
  worker.send({
    type: 'hello',
    authToken: identity.authToken,
    capabilities: capabilities(hello.capabilities),
    ...(hello.inFlight && { inFlight: hello.inFlight }),
  });
  await worker.next('welcome');
  return worker;
}

export function upload(
  url: string,
  { workerId, authToken }: Identity,
  jobId: string,
  parts: { prompt?: string; ext?: string; bytes?: Uint8Array<ArrayBuffer> } = {},
): Promise<Response> {
  const form = new FormData();
  form.set('prompt', parts.prompt ?? 'a fox');
  form.set('ext', parts.ext ?? 'webp');
  form.set('image', new Blob([parts.bytes ?? new Uint8Array([1, 2, 3])]), `${jobId}.webp`);
  return fetch(`${url}${API_PREFIX}/workers/${workerId}/jobs/${jobId}/complete`, {
    method: 'POST',
    headers: { authorization: `Bearer ${authToken}` },
    body: form,
  });
}
