// Turns the events of a run into a ratio that only rises. Pure.
import type { RunProgress } from '../engine.ts';
import type { OutputEvent } from './output-parser.ts';

/** Sampling is nearly all of the work; the rest is decoding, checking and writing. */
const SAMPLING_SHARE = 0.9;
const DECODING_RATIO = 0.92;
const ENDED_RATIO = 0.97;

/** Returns the progress to report after an event, or nothing when the event says nothing new. */
export function openRunProgress(passes: number): (event: OutputEvent) => RunProgress | undefined {
  let ratio = 0;
  const rise = (to: number): RunProgress => {
    ratio = Math.max(ratio, to);
    return { ratio };
  };
  return (event) => {
    switch (event.kind) {
      case 'begun':
      case 'weights':
        return rise(0);
      case 'step': {
        const { step, steps, pass } = event;
        const done = Math.min(passes, pass + step / Math.max(1, steps));
        return { ...rise((done / passes) * SAMPLING_SHARE), step, steps };
      }
      case 'decoding':
        return rise(DECODING_RATIO);
      case 'ended':
        return rise(ENDED_RATIO);
      case 'line':
        return undefined;
      default:
        return event satisfies never;
    }
  };
}
