// Brings finished results from the outbox to the studio, whatever happens to sessions in between. The rules are in
// delivery-state.ts; this file sends, uploads, and removes what was acknowledged.
import { FRAME_BYTES_MAX } from '../../protocol/index.ts';
import type { Logs } from '../logs/logs.ts';
import type { Credentials } from '../registration/registration-gate.ts';
import type { Session } from '../session/session.ts';
import { type DeliveryEvent, type DeliveryState, deliveryStep, expiredParked } from './delivery-state.ts';
import type { Outbox, OutboxEntry } from './outbox.ts';
import { isClaimLost, uploadResult } from './upload.ts';

export type DeliveryOptions = {
  readonly outbox: Outbox;
  readonly logs: Logs;
  /** The studio has taken this job's result. */
  readonly delivered: (jobId: string) => void;
  /** Reports a job as failed (`DELIVERY_FAILED`) when its result could not be handed over. */
  readonly failJob: (jobId: string, message: string) => void;
};

export interface Delivery {
  /** A result that has just been put into the outbox. `held`: the studio holds the claim for this worker. */
  add(entry: OutboxEntry, held: boolean): void;
  /** A session is open. `wanted`: the results that the studio still wants, or `undefined` without `resume`. */
  sessionOpened(session: Session, credentials: Credentials, wanted: ReadonlySet<string> | undefined): void;
  sessionLost(): void;
  acknowledged(jobId: string): void;
  /** Ids of the results that are here. */
  pending(): string[];
  /** Whether a result of exactly this work is here; it is then delivered under the claim just accepted. */
  answersOffer(jobId: string, digest: string): boolean;
  deliverOffered(jobId: string): void;
  /** Forgets a result: the studio cancelled the job, or its id now stands for other work. */
  drop(jobId: string): void;
  /** Resolves when nothing is on its way (sent and not yet acknowledged, or being uploaded). */
  settled(): Promise<void>;
  /** Gives up uploads that are under way. Their results stay in the outbox. */
  stop(): void;
}

/** Uploads at one time: after an outage many results may be waiting, and the studio is one server. */
const UPLOADS_MAX = 4;

type Item = {
  readonly entry: OutboxEntry;
  readonly jobId: string;
  state: DeliveryState;
  /** Ends an upload whose result was dropped meanwhile: its file is gone, or belongs to another run of the job. */
  readonly dropped: AbortController;
};

export function openDelivery({ outbox, logs, delivered, failJob }: DeliveryOptions): Delivery {
  const items = new Map<string, Item>(outbox.entries().map((entry) => [entry.jobId, toItem(entry)]));
  const stopping = new AbortController();
  const queue: Item[] = [];
  const waiters: (() => void)[] = [];
  let uploads = 0;
  let line: { session: Session; credentials: Credentials } | undefined;
  let lastCredentials: Credentials | undefined;

  const apply = (item: Item, event: DeliveryEvent): void => {
    if (items.get(item.jobId) !== item) return;
    const { state, effect } = deliveryStep(item.state, event);
    item.state = state;
    if (event.kind === 'acked') delivered(item.jobId);
    if (effect.do === 'send') send(item);
    if (effect.do === 'remove') forget(item);
    if (effect.do === 'fail-job') failJob(item.jobId, effect.why);
    if (state.kind === 'parked') dropExpired();
    if (state.kind !== 'sending') notifySettled();
  };

  const dropExpired = (): void => {
    for (const item of expiredParked([...items.values()], Date.now())) {
      logs.warn('job', 'a result that nobody asked for again was dropped', { jobId: item.jobId });
      forget(item);
    }
  };

  const forget = (item: Item): void => {
    items.delete(item.jobId);
    item.dropped.abort();
    void outbox.remove(item.jobId);
    notifySettled();
  };

  const send = (item: Item): void => {
    if (item.entry.result.kind === 'json') return sendJson(item, item.entry.result.value);
    queue.push(item);
    nextUpload();
  };

  const sendJson = (item: Item, value: unknown): void => {
    const frame = {
      type: 'completeJson',
      jobId: item.jobId,
      result: value as never,
      prompt: item.entry.prompt,
    } as const;
    const bytes = Buffer.byteLength(JSON.stringify(frame));
    if (bytes > FRAME_BYTES_MAX) {
      // The studio would end the session over it, and the next one as well.
      const why = `the result needs a frame of ${bytes} bytes, the limit is ${FRAME_BYTES_MAX}`;
      logs.error('job', 'the result is too large to be sent', { jobId: item.jobId, bytes });
      return apply(item, { kind: 'broke', nowMs: Date.now(), why });
    }
    void line?.session.send(frame).then((sent) => {
      // Not sent means that the session is ending; its end moves the item on.
      if (sent) logs.info('job', 'json result sent', { jobId: item.jobId });
    });
  };

  const nextUpload = (): void => {
    while (uploads < UPLOADS_MAX) {
      const item = queue.shift();
      if (item === undefined) return;
      uploads += 1;
      void upload(item).finally(() => {
        uploads -= 1;
        nextUpload();
        notifySettled();
      });
    }
  };

  const upload = async (item: Item): Promise<void> => {
    const credentials = line?.credentials ?? lastCredentials;
    if (credentials === undefined || item.state.kind !== 'sending' || item.dropped.signal.aborted) return;
    const started = performance.now();
    try {
      await uploadResult(item.entry, credentials, AbortSignal.any([stopping.signal, item.dropped.signal]));
      const durationMs = Math.round(performance.now() - started);
      logs.info('job', 'binary result uploaded', { jobId: item.jobId, durationMs });
      apply(item, { kind: 'acked' });
    } catch (err) {
      if (item.dropped.signal.aborted) return;
      if (stopping.signal.aborted) return apply(item, { kind: 'session-lost' });
      if (isClaimLost(err)) {
        logs.warn('job', 'the studio no longer holds this job for us, its result is kept for a day', {
          jobId: item.jobId,
          err,
        });
        return apply(item, { kind: 'refused', nowMs: Date.now() });
      }
      if (line === undefined) return apply(item, { kind: 'session-lost' });
      logs.error('job', 'the result could not be uploaded', { jobId: item.jobId, err });
      apply(item, { kind: 'broke', nowMs: Date.now(), why: err instanceof Error ? err.message : String(err) });
    }
  };

  const isSettled = (): boolean => [...items.values()].every((item) => item.state.kind !== 'sending');
  const notifySettled = (): void => {
    if (waiters.length > 0 && isSettled()) for (const wake of waiters.splice(0)) wake();
  };

  /** Binary results are sent also without a claim: the answer to the upload says whether it was still wanted. */
  const offerToStudio = (item: Item, held: boolean): void => {
    if (held || item.entry.result.kind === 'bytes') apply(item, { kind: 'go' });
    else apply(item, { kind: 'not-held', nowMs: Date.now() });
  };

  return {
    add(entry, held) {
      const item = toItem(entry);
      items.set(entry.jobId, item);
      if (line !== undefined) offerToStudio(item, held);
      // With the session away an upload may still get through; a JSON result has to wait for the next session.
      else if (entry.result.kind === 'bytes' && lastCredentials !== undefined) apply(item, { kind: 'go' });
    },
    sessionOpened(session, credentials, wanted) {
      line = { session, credentials };
      lastCredentials = credentials;
      for (const item of [...items.values()]) {
        if (wanted !== undefined && !wanted.has(item.jobId)) {
          if (item.state.kind === 'parked') continue;
          logs.warn('job', 'the studio no longer wants this result, dropped', { jobId: item.jobId });
          apply(item, { kind: 'unwanted' });
        } else {
          if (wanted !== undefined) apply(item, { kind: 'offered-again' });
          offerToStudio(item, wanted !== undefined);
        }
      }
      dropExpired();
    },
    sessionLost() {
      line = undefined;
      for (const item of items.values()) {
        // An upload under way is its own connection, and may well succeed.
        if (item.entry.result.kind === 'json') apply(item, { kind: 'session-lost' });
      }
      notifySettled();
    },
    acknowledged(jobId) {
      const item = items.get(jobId);
      if (item?.state.kind === 'sending' && item.entry.result.kind === 'json') apply(item, { kind: 'acked' });
    },
    pending: () => [...items.keys()],
    answersOffer: (jobId, digest) => items.get(jobId)?.entry.digest === digest,
    deliverOffered(jobId) {
      const item = items.get(jobId);
      if (item === undefined) return;
      apply(item, { kind: 'offered-again' });
      offerToStudio(item, true);
    },
    drop(jobId) {
      const item = items.get(jobId);
      if (item !== undefined) apply(item, { kind: 'unwanted' });
    },
    settled: () => (isSettled() ? Promise.resolve() : new Promise((wake) => waiters.push(wake))),
    stop: () => stopping.abort(),
  };
}

function toItem(entry: OutboxEntry): Item {
  return { entry, jobId: entry.jobId, state: { kind: 'waiting' }, dropped: new AbortController() };
}
