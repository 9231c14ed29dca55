// A session that keeps what is sent through it, and can be told to take nothing more.
import { once } from 'node:events';
import type { Feature, WorkerFrame } from '../../../src/protocol/index.ts';
import type { Session } from '../../../src/supervisor/session/session.ts';

type FrameOf<T extends WorkerFrame['type']> = Extract<WorkerFrame, { type: T }>;

export type ScriptedSession = Session & {
  /** False: frames are not sent any more. */
  takes: boolean;
  readonly sent: WorkerFrame[];
  next<T extends WorkerFrame['type']>(type: T): Promise<FrameOf<T>>;
  /** The frames in short: type and job. */
  told(): string[];
};

export function scriptedSession(features: readonly Feature[]): ScriptedSession {
  const sent: WorkerFrame[] = [];
  const unread: WorkerFrame[] = [];
  const arrivals = new EventTarget();
  return {
    takes: true,
    features: new Set(features),
    sent,
    async send(frame) {
      if (!this.takes) return false;
      const arrived = JSON.parse(JSON.stringify(frame)) as WorkerFrame;
      sent.push(arrived);
      unread.push(arrived);
      arrivals.dispatchEvent(new Event('frame'));
      return true;
    },
    async next<T extends WorkerFrame['type']>(type: T): Promise<FrameOf<T>> {
      while (true) {
        const index = unread.findIndex((frame) => frame.type === type);
        if (index >= 0) return unread.splice(index, 1)[0] as FrameOf<T>;
        await once(arrivals, 'frame');
      }
    },
    beat() {},
    told: () => sent.map((frame) => ('jobId' in frame ? `${frame.type} ${frame.jobId}` : frame.type)),
  };
}
