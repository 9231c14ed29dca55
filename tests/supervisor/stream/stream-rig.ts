// Streams over a real host with real engine processes, on models that a script made, with the worker's own catalogue,
// logs and activity.
import { openActivity } from '../../../src/supervisor/activity/activity.ts';
import { openRecorder } from '../../../src/supervisor/activity/recorder.ts';
import type { Activity, JobWire } from '../../../src/supervisor/activity/types.ts';
import { openTurns, type Turns } from '../../../src/supervisor/jobs/turns.ts';
import { openLogs } from '../../../src/supervisor/logs/logs.ts';
import { openModels } from '../../../src/supervisor/models/models.ts';
import type { Models } from '../../../src/supervisor/models/types.ts';
import type { StreamBounds } from '../../../src/supervisor/stream/bounds.ts';
import type { Endpoint } from '../../../src/supervisor/stream/end-of-speech.ts';
import { openStreams } from '../../../src/supervisor/stream/streams.ts';
import type { Streams } from '../../../src/supervisor/stream/types.ts';
import type { Host, HostJob } from '../../../src/workers/types.ts';
import { engineSettings } from '../../workers/rig.ts';
import { tempDir } from '../temp-dir.ts';
import { openSpeaker, type Speaker } from './speaker.ts';

export type StreamRig = AsyncDisposable & {
  readonly streams: Streams;
  readonly activity: Activity;
  readonly models: Models;
  readonly turns: Turns;
  /** Messages of the category `stream`. */
  logged(): readonly { readonly message: string }[];
  url(model: string, parameters?: Record<string, string>): string;
  /** Resolves when the model is loaded. */
  warm(model: string): Promise<void>;
  speak(model: string, endpoint?: Endpoint, options?: { autoPong?: boolean }): Promise<Speaker>;
  /** The job of a stream once it has ended. */
  ended(index: number): Promise<JobWire>;
};

export type StreamRigOptions = {
  readonly host: Host;
  /** What stands in the catalogue, by id. */
  readonly models: Readonly<Record<string, HostJob>>;
  readonly bounds?: Partial<StreamBounds>;
  readonly port?: number;
};

export async function openStreamRig({ host, models, bounds, port = 0 }: StreamRigOptions): Promise<StreamRig> {
  const dir = await tempDir();
  const logs = await openLogs({ dir: dir.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  const activity = await openActivity({
    logs,
    recorder: openRecorder(),
    previewDir: dir.file('previews'),
    modelsRoot: dir.file('models'),
  });
  const catalogue = await openModels({
    paths: { models: dir.file('models.json'), residency: dir.file('residency.json') },
    ...{
      host,
      logs,
      enginesChanged: new EventTarget(),
      restore: false,
      engineSettings: engineSettings(dir.file('models')),
    },
  });
  for (const [id, { source }] of Object.entries(models)) {
    await catalogue.put({ id, displayName: id, kind: 'audio_stt', source });
  }
  const turns = openTurns({ host });
  const streams = await openStreams({
    ...{ host, activity, logs, port, address: '127.0.0.1', models: catalogue, turns, leaving: () => false },
    ...(bounds && { bounds }),
  });
  const url = (model: string, parameters: Record<string, string> = {}) => {
    const token = streams.mint(model)?.token ?? '';
    const query = new URLSearchParams({ token, endpoint: 'server', ...parameters });
    return `ws://127.0.0.1:${streams.port}/transcribe?${query}`;
  };
  return {
    ...{ streams, activity, models: catalogue, turns, url },
    async warm(model) {
      await catalogue.ready(model, new AbortController().signal);
    },
    logged: () => logs.ring.after(0).filter(({ category }) => category === 'stream'),
    speak: (model, endpoint = 'server', options = {}) => openSpeaker(url(model, { endpoint }), options),
    async ended(index) {
      for (let id = 0; ; ) {
        const job = activity.recent('local').toReversed()[index];
        if (job) return job;
        const { events } = activity;
        id = events.newestId;
        const next = Promise.withResolvers<void>();
        using _ = events.subscribe(() => next.resolve());
        if (events.newestId === id) await next.promise;
      }
    },
    async [Symbol.asyncDispose]() {
      await streams[Symbol.asyncDispose]();
      turns[Symbol.dispose]();
      await catalogue[Symbol.asyncDispose]();
      await activity[Symbol.asyncDispose]();
      await logs[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}
