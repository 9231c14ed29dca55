// Local jobs on a real host with the test engine, and beside them the studio's, whose session writes down what is sent.

import { testEngine } from '../../../fixtures/engines/descriptor.ts';
import type { Behaviour } from '../../../fixtures/engines/test-engine.ts';
import { JobClaim, type TaskKind } from '../../../src/protocol/index.ts';
import { openActivity } from '../../../src/supervisor/activity/activity.ts';
import { openRecorder, type Recorder } from '../../../src/supervisor/activity/recorder.ts';
import type { Activity } from '../../../src/supervisor/activity/types.ts';
import { type AdmissionHold, openAdmissionHold } from '../../../src/supervisor/admission-hold.ts';
import { openDelivery } from '../../../src/supervisor/delivery/delivery.ts';
import { openOutbox } from '../../../src/supervisor/delivery/outbox.ts';
import { type Jobs, openJobs } from '../../../src/supervisor/jobs/jobs.ts';
import { openTurns, type Turns } from '../../../src/supervisor/jobs/turns.ts';
import { openLocalJobs } from '../../../src/supervisor/local/local-jobs.ts';
import type { LocalJobs, LocalRequest } from '../../../src/supervisor/local/types.ts';
import { type Logs, openLogs } from '../../../src/supervisor/logs/logs.ts';
import type { CatalogueEntry } from '../../../src/supervisor/models/types.ts';
import { GIB, openRig, type Rig, type RigPatch, testJob } from '../../workers/rig.ts';
import { type ScriptedSession, scriptedSession } from '../jobs/scripted-session.ts';
import { tempDir } from '../temp-dir.ts';

export type Scene = AsyncDisposable & {
  readonly rig: Rig;
  readonly logs: Logs;
  readonly activity: Activity;
  readonly recorder: Recorder;
  readonly hold: AdmissionHold;
  readonly turns: Turns;
  readonly local: LocalJobs;
  readonly jobs: Jobs;
  readonly session: ScriptedSession;
};

export async function openScene(patch: RigPatch = {}): Promise<Scene> {
  const dir = await tempDir();
  const logs = await openLogs({ dir: dir.file('logs'), level: 'error', maxSize: '1m', keep: 1, stderr: 'json' });
  const rig = await openRig({ extraEngines: [testEngine({ isolation: 'thread' })], ...patch });
  const { host } = rig;
  const turns = openTurns({ host });
  host.changes.addEventListener('change', () => turns.hostChanged());
  const recorder = openRecorder();
  const previewDir = dir.file('previews');
  const activity = await openActivity({ logs, recorder, previewDir, modelsRoot: dir.file('models') });
  const hold = openAdmissionHold();
  const local = openLocalJobs({ host, turns, hold, activity, recorder, logs });
  const outbox = await openOutbox(dir.file('outbox'), () => {});
  const delivery = openDelivery({ outbox, logs, delivered: () => {}, failJob: () => {} });
  const policy = () => ({ stopping: false, paused: false, heldByPresence: false, thresholdGb: 100 });
  const jobs = openJobs({ host, outbox, delivery, logs, activity, turns, policy });
  const session = scriptedSession(['multi-offer']);
  jobs.sessionOpened(session, { features: session.features, resumed: undefined });
  return {
    ...{ rig, logs, activity, recorder, hold, turns, local, jobs, session },
    async [Symbol.asyncDispose]() {
      local.cancelAll('the test is over');
      jobs.cancelAll('the test is over');
      await Promise.all([local.idle(), jobs.idle()]);
      delivery.stop();
      turns[Symbol.dispose]();
      await rig[Symbol.asyncDispose]();
      await activity[Symbol.asyncDispose]();
      await logs[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

export type Wish = { kind?: TaskKind; model?: string; gib?: number };

export function entry({ kind = 'llm', model = 'test-a', gib = 1 }: Wish = {}): CatalogueEntry {
  const { source } = testJob({}, { kind, model });
  return { id: model, displayName: model, kind, vramGbEstimate: gib, source, enabled: true, origin: 'local' };
}

/** A local job that behaves like that; `more` may take its signal. */
export function request(behaviour: Behaviour = {}, wish: Wish = {}, more: Partial<LocalRequest> = {}): LocalRequest {
  const { task } = testJob(behaviour, wish);
  return { entry: entry(wish), task, signal: new AbortController().signal, ...more };
}

export function claim(jobId: string, behaviour: Behaviour = {}, wish: Wish = {}): JobClaim {
  const { task, model, source, vramBytes } = testJob(behaviour, wish);
  const modelSource = source;
  return JobClaim.parse({
    ...{ jobId, gameId: 'g', assetName: 'a', model, task, modelSource, vramGbEstimate: vramBytes / GIB },
  });
}
