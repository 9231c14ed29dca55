// One client on one model: sound in, texts out, until a final text or the reason why there is none.
//
//   hearing ─end, pause after speech, silence, time is up→ finalising ─text→ over
//      └──────────────────┴─ cancel, client gone, model gone, engine failed ─→ over
import type { WebSocket } from 'ws';
import { type Failure, toFailure } from '../../protocol/failure.ts';
import type { JobEnd } from '../activity/types.ts';
import type { ModelView } from '../models/types.ts';
import type { StreamBounds } from './bounds.ts';
import { openClient } from './client.ts';
import { type Endpoint, hearSamples, SILENT_START } from './end-of-speech.ts';
import { openPcmReader } from './pcm.ts';
import { openSoundQueue } from './sound-queue.ts';
import { hostJob, startStream } from './stream-job.ts';
import type { StreamActivity, StreamHost, StreamsOptions } from './types.ts';

export type SessionParts = {
  readonly jobId: string;
  readonly socket: WebSocket;
  readonly model: ModelView;
  readonly endpoint: Endpoint;
  readonly host: StreamHost;
  readonly activity: StreamActivity;
  readonly logs: StreamsOptions['logs'];
  readonly bounds: StreamBounds;
};

export type StreamSession = {
  /** The client gets what was heard so far as the final text; after a while it gets an error instead. */
  stop(): void;
  /** Resolves when another stream may take its place on the model. */
  readonly released: Promise<void>;
  /** Resolves when nothing of it is left. */
  readonly over: Promise<void>;
};

const GONE = 'client left before the final';
const NONSENSE = 'unknown message: send sound as binary messages, then the text `end` or `cancel`';

export function openStreamSession(parts: SessionParts): StreamSession {
  const { jobId, socket, model, endpoint, host, activity, logs, bounds } = parts;
  const released = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const readPcm = openPcmReader();
  let state: 'hearing' | 'finalising' | 'over' = 'hearing';
  let listening = SILENT_START;
  let told = '';
  let nonsense = 0;
  let soundBytes = 0;
  let stopTimer: NodeJS.Timeout | undefined;

  const client = openClient(socket, bounds, { message: hear, gone: () => lose('CANCELLED', GONE) });
  const queue = openSoundQueue({
    highBytes: bounds.queueBytes,
    lowBytes: bounds.queueBytes / 2,
    full: () => client.pause(),
    roomy: () => client.resume(),
  });
  const timeUp = setTimeout(finalise, bounds.streamMs);
  let quiet = setTimeout(tooQuiet, bounds.quietMs);

  logs.info('stream', 'a stream begins', { jobId, model: model.id, endpoint });
  const run = startStream(hostJob(jobId, model, queue.input), { host, activity, partial: tellPartial });
  run.done.then(
    (result) => win(result.kind === 'json' ? textOf(result.value) : ''),
    (thrown) => fail(toFailure(thrown, 'ENGINE_FAILED')),
  );

  function hear(bytes: Uint8Array | undefined, text: string): void {
    if (state === 'over') return;
    quiet.refresh();
    if (bytes) return hearSound(bytes);
    switch (text.trim()) {
      case 'end':
        return finalise();
      case 'cancel':
        run.cancel('CANCELLED', 'the client cancelled it');
        return end({ status: 'failed', code: 'CANCELLED', reason: 'cancelled by the client' }, 'cancelled');
      default:
        nonsense += 1;
        if (nonsense <= bounds.nonsense) return client.send({ error: NONSENSE });
        run.cancel('CANCELLED', 'the client sends nonsense');
        client.send({ error: 'too many unknown messages' });
        end(
          { status: 'failed', code: 'INPUT_INVALID', reason: 'too many unknown messages' },
          'too many unknown messages',
        );
    }
  }

  function hearSound(bytes: Uint8Array): void {
    if (state !== 'hearing') return;
    const samples = readPcm(bytes);
    const heard = hearSamples(listening, samples, endpoint);
    listening = heard.listening;
    const used = samples.subarray(0, heard.used);
    soundBytes += used.byteLength;
    queue.push(new Uint8Array(used.buffer, used.byteOffset, used.byteLength));
    if (heard.ended) finalise();
  }

  function tooQuiet(): void {
    // A client that has to wait for us is not silent.
    if (client.paused) quiet = setTimeout(tooQuiet, bounds.quietMs);
    else finalise();
  }

  function finalise(): void {
    if (state !== 'hearing') return;
    state = 'finalising';
    queue.end();
  }

  function tellPartial(text: string): void {
    if (state === 'over' || text === told) return;
    told = text;
    client.send({ partial: true, text });
  }

  function win(text: string): void {
    if (state === 'over') return;
    client.send({ final: true, text });
    end({ status: 'completed', prompt: text }, 'final');
  }

  function fail(failure: Failure): void {
    if (state === 'over') return;
    const error = failure.code === 'MODEL_UNLOADED' ? 'model unloaded' : failure.message;
    client.send({ error });
    end({ status: 'failed', code: failure.code, reason: error }, error, failure.code === 'SHUTDOWN' ? 1001 : 1011);
  }

  /** Without a word to the client: it has gone, or has been told. */
  function lose(code: 'CANCELLED' | 'SHUTDOWN', reason: string): void {
    if (state === 'over') return;
    run.cancel(code, reason);
    end({ status: 'failed', code, reason }, reason, code === 'SHUTDOWN' ? 1001 : 1000);
  }

  function end(how: JobEnd, outcome: string, closeCode = 1000): void {
    state = 'over';
    clearTimeout(timeUp);
    clearTimeout(quiet);
    clearTimeout(stopTimer);
    queue.end();
    activity.finished(jobId, how);
    logs.info('stream', 'a stream has ended', { jobId, model: model.id, outcome, seconds: soundBytes / 32_000 });
    void leave(closeCode);
  }

  /** Closed only when the model is free, so that a client that comes back at once does not find it busy. */
  async function leave(closeCode: number): Promise<void> {
    await run.done.catch(() => {});
    released.resolve();
    await client.close(closeCode);
    over.resolve();
  }

  return {
    released: released.promise,
    over: over.promise,
    stop() {
      if (state === 'over') return;
      finalise();
      stopTimer = setTimeout(() => {
        client.send({ error: 'the worker is stopping' });
        lose('SHUTDOWN', 'the worker is stopping');
      }, bounds.stopMs);
    },
  };
}

function textOf(value: unknown): string {
  const { text } = value as { text?: unknown };
  return typeof text === 'string' ? text : '';
}
