// The events of the running worker, as a command reads them.
import type { EventType } from '../../activity/types.ts';
import { refusalOf, type WorkerClient } from '../worker-client.ts';

/** `type` is undefined for `missed`: some events came too fast to be told. `data` is the event's, with its time `at`. */
export type HeardEvent = { readonly type: EventType | undefined; readonly data: Record<string, unknown> };

/** Yields `undefined` once, when nothing that happens from then on is missed. Ends when the worker ends the stream. */
export async function* workerEvents(
  worker: WorkerClient,
  signal: AbortSignal,
): AsyncGenerator<HeardEvent | undefined, void> {
  const response = await worker.ask('/daemon/events', { timeoutMs: 0, signal });
  if (!response.ok || response.body === null) throw await refusalOf(response);
  yield undefined;
  let text = '';
  try {
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      const frames = (text + piece).split('\n\n');
      text = frames.pop() ?? '';
      for (const frame of frames) {
        const event = eventOf(frame);
        if (event) yield event;
      }
    }
  } catch (thrown) {
    // The worker has ended, or whoever reads has.
    if (!signal.aborted && (thrown as Error).name !== 'TypeError') throw thrown;
  }
}

function eventOf(frame: string): HeardEvent | undefined {
  const type = /^event: (\w+)$/m.exec(frame)?.[1];
  const data = /^data: (.*)$/m.exec(frame)?.[1];
  if (type === undefined || data === undefined) return undefined;
  return { type: type === 'missed' ? undefined : (type as EventType), data: JSON.parse(data) };
}
