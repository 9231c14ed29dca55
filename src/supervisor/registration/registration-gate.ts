// Holds the worker at the door until an operator has let it in: asks once, then polls. All decisions are in
// registration-state.ts; this file makes the calls, saves what they change, and waits.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { z } from 'zod';
import {
  describeIssues,
  RegisterCreated,
  type RegisterRequest,
  RegisterStatus,
  type WorkerCapabilities,
} from '../../protocol/index.ts';
import type { ConfigStore } from '../config/store.ts';
import type { Logs } from '../logs/logs.ts';
import { callStudio, StudioStatusError } from '../studio-http.ts';
import { apiUrl } from '../studio-url.ts';
import {
  afterCall,
  type CallOutcome,
  type NextCall,
  nextCall,
  type RegistrationState,
  stateOf,
} from './registration-state.ts';

export type Credentials = { readonly apiBaseUrl: string; readonly workerId: string; readonly authToken: string };

export type GateOptions = {
  readonly config: ConfigStore;
  readonly logs: Logs;
  readonly userAgent: string;
  readonly capabilities: () => WorkerCapabilities;
  /** Hears of every state, the first one included. */
  readonly observe?: (state: RegistrationState) => void;
  /**
   * Resolves after `ms`, or earlier when the configuration changed (whoever changed it), and says whether it was that.
   * Rejects when the worker stops.
   */
  readonly pause: (ms: number) => Promise<boolean>;
  readonly signal: AbortSignal;
};

/** Bytes of a registration secret; it travels as twice as many hex characters. */
const SECRET_BYTES = 32;

/** Resolves with the credentials of an approved worker. Rejects only when `signal` aborts. */
export async function passRegistration(options: GateOptions): Promise<Credentials> {
  const { config, logs } = options;
  let state: RegistrationState = stateOf(config.current, new Date());
  while (true) {
    options.signal.throwIfAborted();
    options.observe?.(state);
    if (state.kind === 'rejected') {
      await waitForReset(options);
      state = { kind: 'pristine' };
      options.observe?.(state);
      logs.info('registration', 'registration was reset, asking the studio again');
    }
    const next = nextCall(config.current);
    if (next.do === 'nothing') {
      options.observe?.({ kind: 'approved', workerId: next.workerId });
      return { apiBaseUrl: config.current.apiBaseUrl, workerId: next.workerId, authToken: next.authToken };
    }
    // A request that another process saved or removed (`register --reset`) counts from now on.
    if (next.do === 'poll' && (state.kind !== 'pending' || state.requestId !== next.requestId)) {
      state = { kind: 'pending', requestId: next.requestId, since: new Date() };
      options.observe?.(state);
    }
    const outcome = await makeCall(next, options);
    const transition = afterCall(state, outcome, new Date());
    if (Object.keys(transition.changes).length > 0) await config.patch(transition.changes);
    report(state, transition.state, options);
    state = transition.state;
    if (state.kind === 'approved') {
      logs.addSecret(config.current.authToken ?? '');
      continue;
    }
    if (state.kind !== 'rejected') await waitForTick(options);
  }
}

/** A change that somebody else made ends the wait early; what this gate has just saved itself must not. */
async function waitForTick({ config, pause }: GateOptions): Promise<void> {
  const known = config.current;
  while ((await pause(known.registrationPollSecs * 1000)) && config.current === known);
}

/** `register --reset` removes the install id, which a rejection keeps: that is how a reset is seen here. */
async function waitForReset(options: GateOptions): Promise<void> {
  const { config } = options;
  const rejectedAs = config.current.installId;
  while (config.current.installId === rejectedAs && nextCall(config.current).do !== 'nothing') {
    await options.pause(60_000);
  }
}

async function makeCall(next: Exclude<NextCall, { do: 'nothing' }>, options: GateOptions): Promise<CallOutcome> {
  return next.do === 'poll' ? poll(next.requestId, next.secret, options) : create(next.secret, options);
}

async function create(savedSecret: string | undefined, options: GateOptions): Promise<CallOutcome> {
  const { config, logs } = options;
  const secret = savedSecret ?? randomBytes(SECRET_BYTES).toString('hex');
  const installId = config.current.installId || randomUUID();
  logs.addSecret(secret);
  if (savedSecret === undefined || !config.current.installId) {
    // Saved before the call: an answer that is lost must not leave a request that nobody can poll.
    await config.patch({ installId, registrationSecret: secret });
  }
  const body: RegisterRequest = {
    installId,
    registrationSecretHash: createHash('sha256').update(secret).digest('hex'),
    capabilities: options.capabilities(),
    userAgent: options.userAgent,
    ...(config.current.label === undefined ? {} : { label: config.current.label }),
  };
  try {
    const answer = await callStudio({
      operation: 'register-request',
      url: apiUrl(config.current.apiBaseUrl, '/workers/register-request'),
      method: 'POST',
      json: body,
      signal: options.signal,
    });
    return { kind: 'created', requestId: read(RegisterCreated, answer).requestId };
  } catch (error) {
    options.signal.throwIfAborted();
    logs.warn('registration', 'could not ask the studio to register this worker, will try again', {
      retrySecs: config.current.registrationPollSecs,
      err: error,
    });
    return { kind: 'create-failed' };
  }
}

async function poll(requestId: string, secret: string, options: GateOptions): Promise<CallOutcome> {
  const { config, logs } = options;
  logs.addSecret(secret);
  try {
    const answer = await callStudio({
      operation: 'register-poll',
      url: apiUrl(config.current.apiBaseUrl, `/workers/register-requests/${requestId}`),
      method: 'GET',
      bearer: secret,
      signal: options.signal,
    });
    return { kind: 'polled', answer: read(RegisterStatus, answer) };
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof StudioStatusError && error.status === 404) {
      logs.warn('registration', 'the studio no longer knows this registration request, making a new one', {
        requestId,
      });
      return { kind: 'not-found' };
    }
    logs.warn('registration', 'could not ask the studio about the registration, will try again', {
      requestId,
      err: error,
    });
    return { kind: 'poll-failed' };
  }
}

/** A login page or a proxy's greeting is a success to HTTP, and no answer of a studio. */
function read<T>(schema: z.ZodType<T>, answer: unknown): T {
  if (answer === undefined) throw new Error('the answer is not JSON: is api_base_url the address of a studio?');
  const parsed = schema.safeParse(answer);
  if (!parsed.success) throw new Error(`the answer is not that of a studio: ${describeIssues(parsed.error)}`);
  return parsed.data;
}

function report(before: RegistrationState, after: RegistrationState, { logs, config }: GateOptions): void {
  const isNews = after.kind === 'pending' && before.kind === 'pending' && after.requestId !== before.requestId;
  if (after.kind === before.kind && !isNews) return;
  if (after.kind === 'pending') {
    logs.info('registration', 'waiting for an operator of the studio to approve this worker', {
      requestId: after.requestId,
      studio: config.current.apiBaseUrl,
      pollSecs: config.current.registrationPollSecs,
    });
  } else if (after.kind === 'approved') {
    logs.info('registration', 'this worker was approved', { workerId: after.workerId });
  } else if (after.kind === 'rejected') {
    logs.error('registration', 'the studio rejected this worker; `studio-worker register --reset` asks again', {
      reason: after.reason,
    });
  }
}
